/* SPDX-License-Identifier: MIT */
#include "worker/plans/node_data.h"

#include "common/base64.h"
#include "common/buf.h"
#include "common/crypto.h"
#include "common/str.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { VALUE_MAX = 64 * 1024, TOKEN_ID = 6, TOKEN_SECRET = 16, MAC_KEY_BYTES = 32 };

static const char *const role_words[] = {
	[ROLE_CONTROL_PLANE] = "control-plane",
	[ROLE_WORKER] = "worker",
	[ROLE_NFS] = "nfs",
};

static void line_add(struct buf *buf, struct arena *arena, const char *key, const char *value)
{
	buf_printf(buf, "%s %s\n", key, base64_encode(arena, value, strlen(value)));
}

static void number_add(struct buf *buf, struct arena *arena, const char *key, int64_t number)
{
	line_add(buf, arena, key, arena_printf(arena, "%" PRId64, number));
}

char *node_data_encode(struct arena *arena, const struct node_data *data)
{
	CLEANUP(buf_release)
	struct buf buf;

	buf_init(&buf, VALUE_MAX);
	line_add(&buf, arena, "version", "1");
	line_add(&buf, arena, "role", role_words[data->role]);
	line_add(&buf, arena, "name", data->name);
	line_add(&buf, arena, "ip", data->ip);
	line_add(&buf, arena, "cluster", data->cluster);
	line_add(&buf, arena, "endpoint", data->endpoint);
	line_add(&buf, arena, "external", data->external);
	line_add(&buf, arena, "ca_hash", data->ca_hash);
	line_add(&buf, arena, "pod_cidr", POD_CIDR);
	line_add(&buf, arena, "service_cidr", SERVICE_CIDR);
	number_add(&buf, arena, "token_ttl_s", data->token_ttl_s);
	number_add(&buf, arena, "deadline_s", data->deadline_s);
	line_add(&buf, arena, "kubernetes", data->kubernetes);
	number_add(&buf, arena, "workers", data->workers);
	line_add(&buf, arena, "ssh_key", data->ssh_key);
	return base64_encode(arena, buf_str(&buf), buf.len);
}

/* The decoded value of one line of `text`; NULL when it is absent or not Base64. */
static char *line_find(struct arena *arena, const char *text, const char *key)
{
	size_t len, key_len = strlen(key), decoded;
	const char *line;

	while ((line = str_next(&text, '\n', &len))) {
		char *value;

		if (len <= key_len || strncmp(line, key, key_len) != 0 || line[key_len] != ' ')
			continue;
		value = arena_strndup(arena, line + key_len + 1, len - key_len - 1);
		return base64_decode(arena, value, &decoded);
	}
	return NULL;
}

static bool number_find(struct arena *arena, const char *text, const char *key, int64_t *out)
{
	const char *value = line_find(arena, text, key);

	return value && str_to_int(value, 0, INT32_MAX, out);
}

static bool role_find(struct arena *arena, const char *text, enum role *out)
{
	const char *value = line_find(arena, text, "role");

	for (size_t i = 0; i < ARRAY_LEN(role_words); i++) {
		if (str_eq(value, role_words[i])) {
			*out = (enum role)i;
			return true;
		}
	}
	return false;
}

bool node_data_decode(struct node_data *out, struct arena *arena, const char *value)
{
	size_t len;
	const char *text = base64_decode(arena, value, &len);

	if (!text || !str_eq(line_find(arena, text, "version"), "1"))
		return false;
	out->name = line_find(arena, text, "name");
	out->ip = line_find(arena, text, "ip");
	out->cluster = line_find(arena, text, "cluster");
	out->endpoint = line_find(arena, text, "endpoint");
	out->external = line_find(arena, text, "external");
	out->ca_hash = line_find(arena, text, "ca_hash");
	out->kubernetes = line_find(arena, text, "kubernetes");
	out->ssh_key = line_find(arena, text, "ssh_key");
	return out->name && out->ip && out->cluster && out->endpoint && out->external &&
	       out->ca_hash && out->kubernetes && out->ssh_key &&
	       role_find(arena, text, &out->role) &&
	       number_find(arena, text, "token_ttl_s", &out->token_ttl_s) &&
	       number_find(arena, text, "deadline_s", &out->deadline_s) &&
	       number_find(arena, text, "workers", &out->workers);
}

/* Pieces of secrets are built in an arena of their own, wiped when it is left. */
static void wipe(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
}

static void secret_add(struct buf *buf, const char *key, const struct secret *value)
{
	CLEANUP(arena_reset)
	struct arena arena = {0};
	const char *text = secret_reveal(value);
	char *encoded;

	if (secret_empty(value))
		return;
	encoded = base64_encode(&arena, text, strlen(text));
	buf_printf(buf, "%s %s\n", key, encoded);
	wipe(encoded);
}

struct secret node_secret_encode(const struct node_secret *secret)
{
	CLEANUP(arena_reset)
	struct arena arena = {0};
	CLEANUP(buf_release)
	struct buf buf;
	struct secret out;
	char *encoded;

	buf_init(&buf, VALUE_MAX);
	secret_add(&buf, "ca_key", &secret->ca_key);
	secret_add(&buf, "token", &secret->token);
	secret_add(&buf, "key", &secret->key);
	encoded = base64_encode(&arena, buf_str(&buf), buf.len);
	out = secret_new(encoded, strlen(encoded));
	wipe(encoded);
	if (buf.data)
		explicit_bzero(buf.data, buf.len);
	return out;
}

static struct secret secret_find(struct arena *arena, const char *text, const char *key)
{
	char *value = line_find(arena, text, key);
	struct secret out = {0};

	if (value) {
		out = secret_new(value, strlen(value));
		wipe(value);
	}
	return out;
}

bool node_secret_decode(struct node_secret *out, const char *value)
{
	CLEANUP(arena_reset)
	struct arena arena = {0};
	size_t len;
	char *text = value ? base64_decode(&arena, value, &len) : NULL;

	*out = (struct node_secret){0};
	if (!text)
		return false;
	out->ca_key = secret_find(&arena, text, "ca_key");
	out->token = secret_find(&arena, text, "token");
	out->key = secret_find(&arena, text, "key");
	wipe(text);
	return !secret_empty(&out->token) && !secret_empty(&out->key);
}

void node_secret_release(struct node_secret *secret)
{
	secret_release(&secret->ca_key);
	secret_release(&secret->token);
	secret_release(&secret->key);
}

int node_secret_make(
	struct node_secret *out, struct arena *arena, const char **ca_pem, struct error *err)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	struct crypto_ca ca;
	struct secret id, rest;
	char token[TOKEN_ID + TOKEN_SECRET + 2] = "";

	*out = (struct node_secret){0};
	if (crypto_ca_make(&ca, arena, err))
		return -1;
	*ca_pem = ca.cert_pem;
	out->ca_key = ca.key_pem; /* owned by the result from here */
	id = crypto_random_text(letters, TOKEN_ID);
	rest = crypto_random_text(letters, TOKEN_SECRET);
	memcpy(token, secret_reveal(&id), TOKEN_ID);
	token[TOKEN_ID] = '.';
	memcpy(token + TOKEN_ID + 1, secret_reveal(&rest), TOKEN_SECRET);
	out->token = secret_new(token, strlen(token));
	explicit_bzero(token, sizeof(token));
	secret_release(&id);
	secret_release(&rest);
	out->key = crypto_random_text("0123456789abcdef", 2 * MAC_KEY_BYTES);
	return 0;
}
