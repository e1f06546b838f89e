/* SPDX-License-Identifier: MIT */
/* A thread's way to the broker: connect as configured, and wait sensibly when it does not work. */
#ifndef WORKER_CONNECTION_H
#define WORKER_CONNECTION_H

#include "common/amqp.h"
#include "worker/thread.h"

/*
 * Connects as configured, and no more. name is shown by the broker; once *stop is true nothing is
 * waited for, NULL: no such flag. As bus_connect.
 */
int connection_connect(struct bus **out, const struct config *config, const char *name,
	const _Atomic bool *stop, struct error *err) MUST_CHECK;

/*
 * Connects ctx->bus and declares all objects. Replaces a dead connection. *backlog, if not NULL, is
 * as topology_declare has it. Errors leave ctx->bus NULL.
 */
int connection_declare(struct thread_ctx *ctx, uint32_t *backlog, struct error *err) MUST_CHECK;

/* Starts consuming `queue`. Errors leave ctx->bus NULL. */
int connection_consume(struct thread_ctx *ctx, const char *queue, struct error *err) MUST_CHECK;

/* Both, one after the other. */
int connection_open(
	struct thread_ctx *ctx, const char *queue, uint32_t *backlog, struct error *err) MUST_CHECK;

/* Counts when the broker begins or ends to block publishing; call it now and then. */
void connection_note_blocked(struct thread_ctx *ctx);

/* Ends the connection: politely when it is healthy. */
void connection_close(struct thread_ctx *ctx);

/*
 * Sleeps before the next attempt: longer each time up to 15 s, with jitter, so that a broker that
 * comes back does not meet all threads at once. Returns early when the worker stops.
 */
void connection_pause(struct thread_ctx *ctx, unsigned attempt);

/* For struct http_options.tick and vcd_new: keeps the thread's connection alive. data: thread_ctx.
 */
bool connection_tick(void *data);

/*
 * Says that no connection could be made, or none that is of use; at most once a second for all
 * threads, which fail alike. The rest is for level debug.
 */
void connection_log_failure(struct thread_ctx *ctx, const struct error *err, unsigned attempt);

/* The same of a connection that was in use. */
void connection_log_loss(struct thread_ctx *ctx, const struct error *err);

#endif
