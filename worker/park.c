/* SPDX-License-Identifier: MIT */
#include "worker/park.h"

#include "common/clock.h"
#include "common/str.h"
#include "worker/topology.h"

#include <string.h>

enum { CONFIRM_MS = 10000, MESSAGE_DEPTH = 4 };

struct json_object *park_record_new(const char *kind, int64_t wall_ms, const char *reason)
{
	struct json_object *record = json_object_new_object();
	char time[CLOCK_ISO_SIZE];

	clock_iso(time, wall_ms);
	json_set_int(record, "version", 1);
	json_set_str(record, "kind", kind);
	json_set_str(record, "time", time);
	json_set_str(record, "reason", reason);
	return record;
}

static int publish_record(struct bus *bus, const struct config *config, struct arena *arena,
	struct json_object *record, struct error *err)
{
	struct message message = {.exchange = "",
		.routing_key = topology_parked_queue(arena, config),
		.content_type = "application/json",
		.body = json_text(arena, record),
		.persistent = true,
		.mandatory = true};

	message.body_len = strlen(message.body);
	return bus_publish(bus, &message, CONFIRM_MS, err);
}

int park_request(struct bus *bus, const struct config *config, struct arena *arena,
	const struct delivery *delivery, const char *id, const char *reason, struct error *err)
{
	CLEANUP(json_release)
	struct json_object *record = park_record_new("request", clock_wall_ms(), reason);

	json_set_str(record, "id", id);
	if (delivery->correlation_id)
		json_set_str(
			record, "correlation_id", str_readable(arena, delivery->correlation_id));
	json_set_int(record, "body_bytes", (int64_t)delivery->body_len);
	json_set_bool(record, "too_large", delivery->too_large);
	json_set_bool(record, "has_reply_to", delivery->reply_to != NULL);
	return publish_record(bus, config, arena, record, err);
}

int park_operation(struct bus *bus, const struct config *config, struct arena *arena,
	const struct delivery *delivery, bool readable, const char *reason, struct error *err)
{
	CLEANUP(json_release)
	struct json_object *record = park_record_new("operation", clock_wall_ms(), reason);
	struct error ignored;

	json_set_int(record, "body_bytes", (int64_t)delivery->body_len);
	json_set_bool(record, "too_large", delivery->too_large);
	if (readable)
		json_set(record, "message",
			json_parse(delivery->body, delivery->body_len, MESSAGE_DEPTH, &ignored));
	return publish_record(bus, config, arena, record, err);
}
