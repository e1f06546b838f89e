/* SPDX-License-Identifier: MIT */
/* Requests that cannot be run or answered, kept for a person: only what identifies them. */
#ifndef WORKER_PARK_H
#define WORKER_PARK_H

#include "common/amqp.h"
#include "config/config.h"

/*
 * Publishes a record of the delivery to the parked queue: time, sizes, ids, reason; never headers
 * or body, which carry tokens. id may be "". Blocks up to 10 s. As bus_publish on failure.
 */
int park_request(struct bus *bus, const struct config *config, struct arena *arena,
	const struct delivery *delivery, const char *id, const char *reason,
	struct error *err) MUST_CHECK;

#endif
