/* SPDX-License-Identifier: MIT */
/* All messages of the parked queue, held by one connection. */
#ifndef WORKER_PARKED_QUEUE_H
#define WORKER_PARKED_QUEUE_H

#include "config/config.h"
#include "worker/parked_entry.h"

struct parked_queue {
	const struct config *config;
	struct arena arena;
	struct bus *bus;
	const char *name;
	struct parked_entry *entries; /* oldest first */
	size_t count;
};

/*
 * Connects and takes everything. CONFLICT: another connection does the same; GONE: there is no such
 * queue. On failure nothing is held.
 */
int parked_queue_open(
	struct parked_queue *out, const struct config *config, struct error *err) MUST_CHECK;

/* Publishes the next pass of it with confirm, then settles it. GONE: no queue for operations. */
int parked_queue_retry(
	struct parked_queue *queue, struct parked_entry *entry, struct error *err) MUST_CHECK;

/* Acknowledges it: gone for good. */
int parked_queue_settle(
	struct parked_queue *queue, struct parked_entry *entry, struct error *err) MUST_CHECK;

/*
 * Gives back what was not settled, and waits until the queue has it again. What was given back
 * often is published anew instead, since a broker drops it some time. Nothing is lost on failure.
 */
int parked_queue_give_back(struct parked_queue *queue, struct error *err) MUST_CHECK;

/* Ends the connection; what is held still goes back. */
void parked_queue_close(struct parked_queue *queue);

#endif
