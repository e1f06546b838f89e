/* SPDX-License-Identifier: MIT */
#include "worker/envelope.h"

#include "common/base64.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/str.h"

#include <inttypes.h>
#include <string.h>

enum { ID_MAX_BYTES = 128, PATH_MAX_BYTES = 2048, QUERY_MAX_BYTES = 8192 };

/* A header's text; when VCD gives a list, its first value. */
static const char *header_value(struct json_object *value)
{
	if (json_object_is_type(value, json_type_array) && json_object_array_length(value) > 0)
		value = json_object_array_get_idx(value, 0);
	return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
}

/* Proxies and clients spell header names as they like. */
static const char *header(struct json_object *headers, const char *name)
{
	json_object_object_foreach(headers, key, value)
	{
		if (str_eq_ci(key, name))
			return header_value(value);
	}
	return NULL;
}

/* The second of exactly two words, the first being Bearer; NULL otherwise. */
static const char *bearer_token(const char *authorization, size_t *len)
{
	static const char word[] = "bearer";
	const char *token, *end;

	if (!authorization)
		return NULL;
	for (size_t i = 0; i < sizeof(word) - 1; i++)
		if ((authorization[i] | 0x20) != word[i])
			return NULL;
	token = authorization + sizeof(word) - 1;
	if (*token != ' ')
		return NULL;
	token += strspn(token, " ");
	*len = strcspn(token, " ");
	end = token + *len;
	return *len && end[strspn(end, " ")] == '\0' ? token : NULL;
}

/* Anything else could end the header line this token is passed on in, and begin another. */
static bool is_visible(const char *token, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (token[i] <= ' ' || token[i] > '~')
			return false;
	return len > 0;
}

static struct secret find_token(struct json_object *headers)
{
	size_t len;
	const char *token = bearer_token(header(headers, "Authorization"), &len);

	if (!token) {
		token = header(headers, "x-vcloud-authorization");
		len = token ? strlen(token) : 0;
	}
	return is_visible(token, len) ? secret_new(token, len) : (struct secret){0};
}

static int need_text(struct json_object *http, const char *name, size_t max, const char **out,
	struct arena *arena, struct error *err)
{
	const char *text;

	if (json_need_str(http, name, &text, err))
		return -1;
	if (strlen(text) > max)
		return error_set(err, ERR_INVALID, "%s is longer than %zu bytes", name, max);
	*out = arena_strdup(arena, text);
	return 0;
}

/* As need_text, but absent or null is "". */
static int take_text(struct json_object *http, const char *name, const char **out,
	struct arena *arena, struct error *err)
{
	*out = "";
	return json_at(http, name) ? need_text(http, name, SIZE_MAX, out, arena, err) : 0;
}

static int read_http(
	struct envelope *out, struct arena *arena, struct json_object *http, struct error *err)
{
	struct request *request = &out->request;
	struct json_object *headers = json_at(http, "headers");

	if (need_text(http, "id", ID_MAX_BYTES, &request->id, arena, err) ||
		need_text(http, "method", 16, &request->method, arena, err) ||
		need_text(http, "requestUri", PATH_MAX_BYTES, &request->path, arena, err))
		return -1;
	/* It is the key against duplicates: an empty one would be everybody's. */
	if (str_empty(request->id))
		return error_set(err, ERR_INVALID, "id is empty");
	if (!json_object_is_type(headers, json_type_object))
		return error_set(err, ERR_INVALID, "headers must be an object");
	if (take_text(http, "body", &out->body64, arena, err) ||
		take_text(http, "queryString", &out->query_text, arena, err))
		return -1;
	out->accept = arena_strdup(arena, header(headers, "Accept"));
	request->token = find_token(headers);
	return 0;
}

int envelope_decode(struct envelope *out, struct arena *arena, const struct delivery *delivery,
	const struct config *config, struct error *err)
{
	struct json_object *http, *context;

	*out = (struct envelope){.request = {.id = "",
					 .redelivered = delivery->redelivered,
					 .received_ms = clock_ms(),
					 .query = NULL},
		.org_hint = ""};
	CLEANUP(json_release)
	struct json_object *message =
		json_parse(delivery->body, delivery->body_len, (int)config->limits_json_depth, err);
	if (!message)
		return -1;
	if (!json_object_is_type(message, json_type_array) ||
		json_object_array_length(message) == 0)
		return error_set(err, ERR_INVALID, "the message is not an array of objects");
	http = json_object_array_get_idx(message, 0);
	if (!json_object_is_type(http, json_type_object))
		return error_set(err, ERR_INVALID, "the message's first member is not an object");
	if (json_object_array_length(message) > 1) {
		context = json_object_array_get_idx(message, 1);
		out->org_hint = arena_strdup(arena, json_str(context, "org", ""));
	}
	return read_http(out, arena, http, err);
}

/* One name=value of the query; a '+' is a blank. Without a value there is nothing to say. */
static int add_query(struct json_object *query, struct arena *arena, const char *pair, size_t len,
	struct error *err)
{
	const char *equals = memchr(pair, '=', len);
	char *name, *value;

	if (!equals || equals == pair + len - 1)
		return 0;
	char *copy = arena_strndup(arena, pair, len);
	for (char *c = copy; *c; c++)
		if (*c == '+')
			*c = ' ';
	name = str_percent_decode(arena, copy, (size_t)(equals - pair));
	value = str_percent_decode(
		arena, copy + (equals - pair) + 1, strlen(copy) - (size_t)(equals - pair) - 1);
	if (!name || !value)
		return error_set(err, ERR_INVALID, "The query is not percent-encoded text.");
	json_object_object_add(query, name, json_object_new_string(value));
	return 0;
}

static int open_query(struct envelope *envelope, struct arena *arena, struct error *err)
{
	const char *rest = envelope->query_text, *pair;
	size_t len;

	envelope->request.query = json_object_new_object();
	if (strlen(rest) > QUERY_MAX_BYTES)
		return error_set(
			err, ERR_INVALID, "The query is longer than %d bytes.", QUERY_MAX_BYTES);
	while ((pair = str_next(&rest, '&', &len)))
		if (add_query(envelope->request.query, arena, pair, len, err))
			return -1;
	return 0;
}

int envelope_open(struct envelope *envelope, struct arena *arena, const struct config *config,
	struct error *err)
{
	char *text;
	size_t len;

	if (open_query(envelope, arena, err))
		return -1;
	if (str_empty(envelope->body64))
		return 0;
	if (strlen(envelope->body64) / 4 * 3 > (size_t)config->limits_body_bytes + 3)
		return error_set(err, ERR_INVALID,
			"The request body is longer than %" PRId64 " bytes.",
			config->limits_body_bytes);
	text = base64_decode(arena, envelope->body64, &len);
	if (!text)
		return error_set(err, ERR_INVALID, "The request body is not Base64.");
	if (len == 0)
		return 0;
	envelope->request.body = json_parse(text, len, (int)config->limits_json_depth, err);
	return envelope->request.body ? 0 : error_wrap(err, "Request body");
}

void envelope_release(struct envelope *envelope)
{
	json_release(&envelope->request.query);
	json_release(&envelope->request.body);
	secret_release(&envelope->request.token);
}
