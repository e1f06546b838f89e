/* SPDX-License-Identifier: MIT */
/*
 * What cannot be run or answered is kept for a person, on the parked queue, as a record:
 *
 *   {"version":1, "kind":"request"|"operation", "time":…, "reason":…, …}
 *
 * A request's has only what identifies it, never headers or body, which carry tokens. An
 * operation's has the "message" itself, which holds no secret and can be tried again.
 */
#ifndef WORKER_PARK_H
#define WORKER_PARK_H

#include "common/amqp.h"
#include "common/json.h"
#include "config/config.h"

/*
 * Publishes a record of the delivery to the parked queue: time, sizes, ids, reason. id may be "".
 * Blocks up to 10 s. As bus_publish on failure.
 */
int park_request(struct bus *bus, const struct config *config, struct arena *arena,
	const struct delivery *delivery, const char *id, const char *reason,
	struct error *err) MUST_CHECK;

/* The same for an operation; its message is kept when it could be read. */
int park_operation(struct bus *bus, const struct config *config, struct arena *arena,
	const struct delivery *delivery, bool readable, const char *reason,
	struct error *err) MUST_CHECK;

/* The members that all records have. wall_ms: when it was parked. The caller releases it. */
struct json_object *park_record_new(
	const char *kind, int64_t wall_ms, const char *reason) MUST_CHECK;

#endif
