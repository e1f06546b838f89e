/* SPDX-License-Identifier: MIT */
/*
 * One message of the parked queue as a person sees it. Whatever stands in the queue has an entry:
 * our records, operations the broker moved there, and what others put there, whose content is never
 * shown.
 */
#ifndef WORKER_PARKED_ENTRY_H
#define WORKER_PARKED_ENTRY_H

#include "common/amqp.h"
#include "common/json.h"
#include "worker/operation.h"

struct parked_entry {
	const char *id;	  /* the operation message's, else a digest of the content */
	const char *kind; /* "request", "operation", "unknown" */
	const char *time; /* ISO, when it was parked; "" when unknown */
	const char *reason;
	const char *what;   /* one line: which operation, or which request */
	const char *record; /* JSON text of the whole record */
	bool retryable;
	struct operation_message message; /* of a retryable one */
	/* Where it is held. */
	uint64_t tag;
	int64_t returned;
	const char *content; /* to publish it anew; NULL: was not read */
	size_t content_len;
	bool settled; /* acknowledged: it is gone from the queue */
};

/* Text from outside without what a terminal would act on; `lines`: line ends stay. In the arena. */
const char *parked_plain(struct arena *arena, const char *text, bool lines) MUST_CHECK;

/* Reads a delivery; cannot fail. Strings live in the arena, readable on a terminal. */
void parked_entry_read(
	struct parked_entry *out, struct arena *arena, const struct delivery *delivery);

/*
 * The message that tries the operation again: the next pass, as whoever claimed the parked one
 * ignores a second message for it. `due` stays empty: waiting here was no lag.
 */
void parked_entry_next(
	struct operation_message *out, struct arena *arena, const struct parked_entry *entry);

/* How long the queue may still keep it, in milliseconds, at least one. */
int64_t parked_entry_life_ms(const struct parked_entry *entry, int64_t now_wall_ms);

#endif
