/* SPDX-License-Identifier: MIT */
#include "worker/reply.h"

#include "common/base64.h"
#include "common/json.h"
#include "common/str.h"

#include <string.h>

void reply_release(struct reply *reply)
{
	json_release(&reply->body);
}

/* A text that was cut inside a character must not make the whole reply unreadable. */
static struct json_object *new_text(const char *text)
{
	char copy[sizeof(((struct error *)0)->msg)];
	size_t len = strnlen(text, sizeof(copy) - 1);

	memcpy(copy, text, len);
	copy[len] = '\0';
	if (!str_is_utf8(copy, len))
		for (char *c = copy; *c; c++)
			if ((unsigned char)*c >= 0x80)
				*c = '?';
	return json_object_new_string(copy);
}

static void set_body(struct reply *reply, int status, struct json_object *body)
{
	reply_release(reply);
	reply->status = status;
	reply->body = body;
}

void reply_set_error(struct reply *reply, const struct error *err)
{
	struct json_object *body = json_object_new_object();
	struct json_object *message = json_object_new_object();
	int code = reply->minor_code ? reply->minor_code : -1;

	json_object_object_add(message, "minor error code", json_object_new_int(code));
	json_object_object_add(message, "error description", new_text(err->msg));
	json_object_object_add(body, "message", message);
	set_body(reply, error_status(err->code), body);
}

void reply_set_busy(struct reply *reply)
{
	struct json_object *body = json_object_new_object();

	json_object_object_add(
		body, "CSE Server Busy", json_object_new_string("Please wait and try again."));
	set_body(reply, 429, body);
}

void reply_set_malformed(struct reply *reply, const char *reason)
{
	struct json_object *body = json_object_new_object();

	json_object_object_add(body, "message", new_text(reason));
	set_body(reply, error_status(ERR_INVALID), body);
}

char *reply_encode(struct arena *arena, const char *id, const struct reply *reply)
{
	CLEANUP(json_release)
	struct json_object *quoted = json_object_new_string(id);
	const char *text = reply->body ? json_text(arena, reply->body) : "{}";
	size_t len = strlen(text);

	/* Of all members only the id can need quoting, and this is written for every request. */
	return arena_printf(arena,
		"{\"id\":%s,\"headers\":{\"Content-Type\":\"application/"
		"json\",\"Content-Length\":%zu},"
		"\"statusCode\":%d,\"body\":\"%s\",\"request\":false}",
		str_empty(id) ? "null" : json_text(arena, quoted), len, reply->status,
		base64_encode(arena, text, len));
}
