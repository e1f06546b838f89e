/* SPDX-License-Identifier: MIT */
#include "worker/park.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/str.h"
#include "worker/topology.h"

#include <string.h>

enum { CONFIRM_MS = 10000 };

int park_request(struct bus *bus, const struct config *config, struct arena *arena,
	const struct delivery *delivery, const char *id, const char *reason, struct error *err)
{
	CLEANUP(json_release)
	struct json_object *record = json_object_new_object();
	char now[CLOCK_ISO_SIZE];
	struct message message = {.exchange = "",
		.routing_key = topology_parked_queue(arena, config),
		.content_type = "application/json",
		.persistent = true,
		.mandatory = true};

	clock_iso(now, clock_wall_ms());
	json_set_int(record, "version", 1);
	json_set_str(record, "kind", "request");
	json_set_str(record, "time", now);
	json_set_str(record, "id", id);
	if (delivery->correlation_id)
		json_set_str(
			record, "correlation_id", str_readable(arena, delivery->correlation_id));
	json_set_int(record, "body_bytes", (int64_t)delivery->body_len);
	json_set_bool(record, "too_large", delivery->too_large);
	json_set_bool(record, "has_reply_to", delivery->reply_to != NULL);
	json_set_str(record, "reason", reason);
	message.body = json_text(arena, record);
	message.body_len = strlen(message.body);
	return bus_publish(bus, &message, CONFIRM_MS, err);
}
