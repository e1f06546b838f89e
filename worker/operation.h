/* SPDX-License-Identifier: MIT */
/*
 * The message of queue cse.operations: it says which pass of which operation is due, never what is
 * wanted. Losing one costs time, not work.
 */
#ifndef WORKER_OPERATION_H
#define WORKER_OPERATION_H

#include "common/amqp.h"
#include "config/config.h"
#include "worker/details.h"

struct operation_message {
	const char *id; /* uuid of this message */
	enum operation operation;
	const char *cluster; /* entity URN */
	const char *task;    /* uuid */
	int64_t pass;	     /* from 1 */
	int64_t claimed; /* the last claim, by its pass, that may be of this chain; see claim.h */
	int64_t attempt; /* failures in a row before this pass */
	const char *due; /* ISO: when it should arrive */
	const char *request_id, *user, *org;
};

/* JSON text, in the arena. */
char *operation_encode(struct arena *arena, const struct operation_message *message) MUST_CHECK;

/* INVALID names the member; an unknown version is FORMAT (it goes on a long rung, not to parking).
 */
int operation_decode(struct operation_message *out, struct arena *arena, const char *text,
	size_t len, struct error *err) MUST_CHECK;

/* The task that a message of any version names; "" when it names none. */
const char *operation_task(struct arena *arena, const char *text, size_t len) MUST_CHECK;

/*
 * What a wish for a delay becomes: 0, or the shortest rung that is not shorter (the longest rung
 * when all are).
 */
int64_t operation_delay_ms(const struct config *config, int64_t delay_ms) MUST_CHECK;

/*
 * Publishes persistently with confirm: delay_ms 0 straight to the operations queue, else to the
 * smallest rung that is not shorter. Blocks up to 10 s.
 */
int operation_publish(struct bus *bus, const struct config *config, struct arena *arena,
	const struct operation_message *message, int64_t delay_ms, struct error *err) MUST_CHECK;

#endif
