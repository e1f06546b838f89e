/* SPDX-License-Identifier: MIT */
#include "common/redact.h"

#include "common/buf.h"
#include "common/str.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

enum { BASE64_RUN = 40, HEX_RUN = 32, TOKEN_ID = 6, TOKEN_SECRET = 16, JWT_MIN = 24, WORD_MIN = 8 };

static const char lower_digits[] = "abcdefghijklmnopqrstuvwxyz0123456789";
static const char hex_digits[] = "0123456789abcdefABCDEF";
static const char base64_letters[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
static const char jwt_letters[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";

/* What a rule found: so many bytes stay, so many after them go. hide 0: nothing. */
struct found {
	size_t keep, hide;
};

static struct found find_pem(const char *text, const char *at)
{
	const char *end;

	(void)text;
	if (!str_starts(at, "-----BEGIN "))
		return (struct found){0};
	end = strstr(at, "-----END ");
	end = end ? strstr(end + strlen("-----END "), "-----") : NULL;
	return (struct found){.hide = end ? (size_t)(end - at) + strlen("-----") : strlen(at)};
}

/* How far the value behind a name goes. */
enum extent { WORD, LINE };

static const struct name {
	const char *text;
	enum extent extent;
} names[] = {
	{"authorization", LINE},
	{"cookie", LINE},
	{"password", WORD},
	{"passwd", WORD},
	{"passphrase", WORD},
	{"secret", WORD},
	{"token", WORD},
	{"api_key", WORD},
	{"apikey", WORD},
	{"private_key", WORD},
	{"private-key", WORD},
	{"ca_key", WORD},
	{"key-data", WORD},
	{"certificate-data", WORD},
	{"authority-data", WORD},
};

/* From behind a name to its value: `"`, blanks, one of ":=", blanks, a quote. 0: there is none. */
static size_t separator_len(const char *text, char *quote)
{
	size_t len = text[0] == '"' || text[0] == '\'' ? 1 : 0;

	len += strspn(text + len, " \t");
	if (text[len] != ':' && text[len] != '=')
		return 0;
	len++;
	len += strspn(text + len, " \t");
	*quote = text[len] == '"' || text[len] == '\'' ? text[len] : '\0';
	return *quote ? len + 1 : len;
}

static size_t value_len(const char *value, enum extent extent, char quote)
{
	const char until[] = {quote, '\0'};

	if (quote)
		return strcspn(value, until);
	return strcspn(value, extent == LINE ? "\r\n" : " \t\r\n,;&\"'})]");
}

static struct found find_named(const char *text, const char *at)
{
	(void)text;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		size_t len = strlen(names[i].text), gap;
		char quote;

		if (strncasecmp(at, names[i].text, len) != 0)
			continue;
		gap = separator_len(at + len, &quote);
		if (gap)
			return (struct found){.keep = len + gap,
				.hide = value_len(at + len + gap, names[i].extent, quote)};
	}
	return (struct found){0};
}

static struct found find_bearer(const char *text, const char *at)
{
	static const char word[] = "bearer ";
	size_t len;

	(void)text;
	if (strncasecmp(at, word, strlen(word)) != 0)
		return (struct found){0};
	len = value_len(at + strlen(word), WORD, '\0');
	return (struct found){.keep = strlen(word), .hide = len >= WORD_MIN ? len : 0};
}

/* Does a run of `letters` begin here? Its length, 0 when it began before. */
static size_t run_len(const char *text, const char *at, const char *letters)
{
	if (at > text && strchr(letters, at[-1]))
		return 0;
	return strspn(at, letters);
}

static struct found find_bootstrap_token(const char *text, const char *at)
{
	if (run_len(text, at, lower_digits) != TOKEN_ID || at[TOKEN_ID] != '.' ||
		strspn(at + TOKEN_ID + 1, lower_digits) != TOKEN_SECRET)
		return (struct found){0};
	return (struct found){.hide = TOKEN_ID + 1 + TOKEN_SECRET};
}

static struct found find_jwt(const char *text, const char *at)
{
	size_t len = str_starts(at, "eyJ") ? run_len(text, at, jwt_letters) : 0;

	return (struct found){.hide = len >= JWT_MIN ? len : 0};
}

/* Upper case, lower case and digits: text that a person wrote seldom has all in one long word. */
static bool is_mixed(const char *text, size_t len)
{
	bool upper = false, lower = false, digit = false;

	for (size_t i = 0; i < len; i++) {
		upper = upper || isupper((unsigned char)text[i]);
		lower = lower || islower((unsigned char)text[i]);
		digit = digit || isdigit((unsigned char)text[i]);
	}
	return upper && lower && digit;
}

static struct found find_run(const char *text, const char *at)
{
	size_t hex = run_len(text, at, hex_digits);
	size_t base64 = run_len(text, at, base64_letters);

	if (base64 >= BASE64_RUN && is_mixed(at, base64))
		return (struct found){.hide = base64};
	return (struct found){.hide = hex >= HEX_RUN ? hex : 0};
}

static struct found find_secret(const char *text, const char *at)
{
	static struct found (*const rules[])(const char *text, const char *at) = {
		find_pem, find_named, find_bearer, find_bootstrap_token, find_jwt, find_run};

	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		struct found found = rules[i](text, at);

		if (found.hide)
			return found;
	}
	return (struct found){0};
}

char *redact(struct arena *arena, const char *text)
{
	CLEANUP(buf_release)
	struct buf out;
	const char *at = str_or(text, "");

	buf_init(&out, SIZE_MAX / 4);
	text = at;
	while (*at) {
		struct found found = find_secret(text, at);

		buf_add(&out, at, found.hide ? found.keep : 1);
		if (found.hide)
			buf_add_str(&out, "***");
		at += found.hide ? found.keep + found.hide : 1;
	}
	return arena_strdup(arena, buf_str(&out));
}
