/* SPDX-License-Identifier: MIT */
#include "common/str.h"

#include <string.h>
#include <strings.h>

bool str_eq(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static int lower(int c)
{
	return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

bool str_eq_ci(const char *a, const char *b)
{
	if (!a || !b)
		return a == b;
	while (*a && lower(*a) == lower(*b)) {
		a++;
		b++;
	}
	return lower(*a) == lower(*b);
}

bool str_empty(const char *text)
{
	return !text || !*text;
}

bool str_starts(const char *text, const char *prefix)
{
	return text && strncmp(text, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *text, const char *suffix)
{
	size_t len = text ? strlen(text) : 0;
	size_t end = strlen(suffix);

	return text && len >= end && strcmp(text + len - end, suffix) == 0;
}

const char *str_or(const char *text, const char *otherwise)
{
	return text ? text : otherwise;
}

bool str_to_int(const char *text, int64_t min, int64_t max, int64_t *out)
{
	bool negative = text && *text == '-';
	const char *digit = text ? text + negative : "";
	int64_t value = 0;

	if (!*digit)
		return false;
	for (; *digit; digit++) {
		if (*digit < '0' || *digit > '9')
			return false;
		if (__builtin_mul_overflow(value, 10, &value) ||
			__builtin_sub_overflow(value, *digit - '0', &value))
			return false;
	}
	/* Counted downwards, because the smallest number has no positive twin. */
	if (!negative && __builtin_sub_overflow((int64_t)0, value, &value))
		return false;
	if (value < min || value > max)
		return false;
	*out = value;
	return true;
}

bool str_is_made_of(const char *text, const char *allowed, size_t max)
{
	size_t len = text ? strlen(text) : 0;

	return len > 0 && len <= max && strspn(text, allowed) == len;
}

bool str_is_uuid(const char *text)
{
	enum { UUID_LEN = 36 };

	return text && strlen(text) == UUID_LEN &&
	       str_is_made_of(text, "0123456789abcdefABCDEF-", UUID_LEN);
}

/* Length of the well-formed sequence at s, 0 when there is none (RFC 3629). */
static size_t utf8_sequence(const unsigned char *s, size_t left)
{
	static const struct {
		unsigned char first, last, second_min, second_max, len;
	} rows[] = {
		{0x01, 0x7f, 0, 0, 1},
		{0xc2, 0xdf, 0x80, 0xbf, 2},
		{0xe0, 0xe0, 0xa0, 0xbf, 3},
		{0xe1, 0xec, 0x80, 0xbf, 3},
		{0xed, 0xed, 0x80, 0x9f, 3},
		{0xee, 0xef, 0x80, 0xbf, 3},
		{0xf0, 0xf0, 0x90, 0xbf, 4},
		{0xf1, 0xf3, 0x80, 0xbf, 4},
		{0xf4, 0xf4, 0x80, 0x8f, 4},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (s[0] < rows[i].first || s[0] > rows[i].last)
			continue;
		if (rows[i].len > left)
			return 0;
		if (rows[i].len > 1 && (s[1] < rows[i].second_min || s[1] > rows[i].second_max))
			return 0;
		for (size_t k = 2; k < rows[i].len; k++) {
			if (s[k] < 0x80 || s[k] > 0xbf)
				return 0;
		}
		return rows[i].len;
	}
	return 0;
}

/* Eight bytes of ASCII without NUL: most of what is checked. */
static bool is_plain_word(const unsigned char *s)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones << 7;
	uint64_t word;

	memcpy(&word, s, sizeof(word));
	return ((word | ((word - ones) & ~word)) & highs) == 0;
}

bool str_is_utf8(const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text;

	while (len) {
		size_t step = len >= 8 && is_plain_word(s) ? 8 : utf8_sequence(s, len);

		if (!step)
			return false;
		s += step;
		len -= step;
	}
	return true;
}

const char *str_readable(struct arena *arena, const char *text)
{
	size_t len = strlen(text);
	char *copy;

	if (str_is_utf8(text, len))
		return text;
	copy = arena_strndup(arena, text, len);
	for (char *c = copy; *c; c++)
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	return copy;
}

const char *str_last_segment(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash ? slash + 1 : str_or(path, "");
}

const char *str_urn_uuid(const char *urn)
{
	const char *colon = urn ? strrchr(urn, ':') : NULL;

	return colon ? colon + 1 : str_or(urn, "");
}

static const char unreserved[] =
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";

char *str_percent_encode(struct arena *arena, const char *text)
{
	static const char hex[] = "0123456789ABCDEF";
	char *out = arena_alloc(arena, 3 * strlen(text) + 1);
	char *to = out;

	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (strchr(unreserved, c)) {
			*to++ = (char)c;
		} else {
			*to++ = '%';
			*to++ = hex[c >> 4];
			*to++ = hex[c & 15];
		}
	}
	return out;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

char *str_percent_decode(struct arena *arena, const char *text, size_t len)
{
	char *out = arena_alloc(arena, len + 1);
	char *to = out;

	for (size_t i = 0; i < len; i++) {
		int high;
		int low;

		if (text[i] != '%') {
			*to++ = text[i];
			continue;
		}
		if (len - i < 3)
			return NULL;
		high = hex_value(text[i + 1]);
		low = hex_value(text[i + 2]);
		if (high < 0 || low < 0 || (high == 0 && low == 0))
			return NULL;
		*to++ = (char)(high << 4 | low);
		i += 2;
	}
	return out;
}

const char *str_next(const char **rest, char separator, size_t *len)
{
	const char *start = *rest;
	const char *end;

	if (!start)
		return NULL;
	end = strchr(start, separator);
	*len = end ? (size_t)(end - start) : strlen(start);
	*rest = end ? end + 1 : NULL;
	return start;
}

void str_hex(char *out, const void *data, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *bytes = data;

	for (size_t i = 0; i < len; i++) {
		out[2 * i] = hex[bytes[i] >> 4];
		out[2 * i + 1] = hex[bytes[i] & 15];
	}
	out[2 * len] = '\0';
}
