/* SPDX-License-Identifier: MIT */
#include "worker/operation.h"

#include "common/json.h"
#include "common/str.h"
#include "worker/topology.h"

#include <inttypes.h>
#include <string.h>

enum { MESSAGE_VERSION = 1, CONFIRM_MS = 10000, MESSAGE_DEPTH = 4 };

char *operation_encode(struct arena *arena, const struct operation_message *message)
{
	CLEANUP(json_release)
	struct json_object *object = json_object_new_object();

	json_set_int(object, "version", MESSAGE_VERSION);
	json_set_str(object, "id", message->id);
	json_set_str(object, "operation", operation_name(message->operation));
	json_set_str(object, "cluster", message->cluster);
	json_set_str(object, "task", message->task);
	json_set_int(object, "pass", message->pass);
	json_set_int(object, "claimed", message->claimed);
	json_set_int(object, "attempt", message->attempt);
	json_set_str(object, "due", message->due);
	json_set_str(object, "request_id", message->request_id);
	json_set_str(object, "user", message->user);
	json_set_str(object, "org", message->org);
	return json_text(arena, object);
}

int operation_decode(struct operation_message *out, struct arena *arena, const char *text,
	size_t len, struct error *err)
{
	CLEANUP(json_release)
	struct json_object *object = json_parse(text, len, MESSAGE_DEPTH, err);
	const struct {
		const char *path;
		const char **field;
	} texts[] = {
		{"id", &out->id},
		{"cluster", &out->cluster},
		{"task", &out->task},
		{"due", &out->due},
		{"request_id", &out->request_id},
		{"user", &out->user},
		{"org", &out->org},
	};
	const char *name;
	int64_t version;

	if (!object || json_need_int(object, "version", 0, INT64_MAX, &version, err))
		return -1;
	if (version != MESSAGE_VERSION)
		return error_set(err, ERR_FORMAT,
			"Messages of version %" PRId64 " are not known here", version);
	if (json_need_str(object, "operation", &name, err) ||
		json_need_int(object, "pass", 1, INT64_MAX - 1, &out->pass, err) ||
		json_need_int(object, "attempt", 0, INT64_MAX - 1, &out->attempt, err))
		return -1;
	/* An older program does not tell: all that is there may be its own. */
	out->claimed = json_int(object, "claimed", out->pass);
	if (!operation_parse(name, &out->operation))
		return error_set(err, ERR_INVALID, "operation '%s' is not known", name);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		const char *value;

		if (json_need_str(object, texts[i].path, &value, err))
			return -1;
		*texts[i].field = arena_strdup(arena, value);
	}
	return 0;
}

const char *operation_task(struct arena *arena, const char *text, size_t len)
{
	struct error ignored;
	CLEANUP(json_release)
	struct json_object *object = json_parse(text, len, MESSAGE_DEPTH, &ignored);

	return arena_strdup(arena, json_str(object, "task", ""));
}

int64_t operation_delay_ms(const struct config *config, int64_t delay_ms)
{
	size_t last = ARRAY_LEN(config->timing_rungs) - 1;

	if (delay_ms <= 0)
		return 0;
	for (size_t i = 0; i < last; i++) {
		if (config->timing_rungs[i] >= delay_ms)
			return config->timing_rungs[i];
	}
	return config->timing_rungs[last];
}

int operation_publish(struct bus *bus, const struct config *config, struct arena *arena,
	const struct operation_message *message, int64_t delay_ms, struct error *err)
{
	const char *body = operation_encode(arena, message);
	const char *queue = delay_ms <= 0 ? topology_operations_queue(arena, config)
					  : topology_delay_queue(arena, config,
						    operation_delay_ms(config, delay_ms));
	const struct message out = {
		.exchange = "",
		.routing_key = queue,
		.body = body,
		.body_len = strlen(body),
		.content_type = "application/json",
		.message_id = message->id,
		.persistent = true,
		.mandatory = true,
	};

	if (bus_publish(bus, &out, CONFIRM_MS, err))
		return error_wrap(err, "Queueing the next pass of task %s", message->task);
	return 0;
}
