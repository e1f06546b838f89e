/* SPDX-License-Identifier: MIT */
/*
 * The broker objects of this program, and their names. Names start with queues.prefix, but for the
 * request queue, which is called like its routing key because VCD's registration says so.
 */
#ifndef WORKER_TOPOLOGY_H
#define WORKER_TOPOLOGY_H

#include "common/amqp.h"
#include "config/config.h"

/* Names; built ones live in the arena. */
const char *topology_request_queue(const struct config *config);
const char *topology_operations_queue(struct arena *arena, const struct config *config);
/* The rung a message sleeps on for ms: "<prefix>.operations.delay.5s", "….0.500s". */
const char *topology_delay_queue(struct arena *arena, const struct config *config, int64_t ms);
const char *topology_parked_queue(struct arena *arena, const struct config *config);
/* Exclusive: the connection that has it works on the parked queue. */
const char *topology_parked_lock(struct arena *arena, const struct config *config);
/* Exclusive: the connection that has it runs the resync. */
const char *topology_leader_queue(struct arena *arena, const struct config *config);
const char *topology_events_exchange(struct arena *arena, const struct config *config);

/* Longest stay on the parked queue. */
#define TOPOLOGY_PARKED_MS (INT64_C(14) * 24 * 3600 * 1000)

/*
 * Every queue that lives longer than a connection, as it is declared: the request queue first.
 * Returns how many there are; names live in the arena.
 */
enum { TOPOLOGY_QUEUES = 3 + ARRAY_LEN(((struct config *)0)->timing_rungs) };
size_t topology_queues(struct queue_spec out[TOPOLOGY_QUEUES], struct arena *arena,
	const struct config *config) MUST_CHECK;

/*
 * Declares everything; safe to repeat. *backlog is what stood in a request queue without our limit
 * of age, which only `declare: passive` takes: requests VCD may have given up long ago; may be
 * NULL. GONE: the exchange of VCD, or the queue of `declare: passive`, does not exist; CONFLICT: an
 * object exists with other arguments. With `declare: passive` a request queue with other arguments
 * is logged and used.
 */
int topology_declare(struct bus *bus, const struct config *config, struct arena *arena,
	uint32_t *backlog, struct error *err) MUST_CHECK;

#endif
