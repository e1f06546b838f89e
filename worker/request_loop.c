/* SPDX-License-Identifier: MIT */
#include "worker/request_loop.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/redact.h"
#include "common/str.h"
#include "worker/accept.h"
#include "worker/connection.h"
#include "worker/count.h"
#include "worker/envelope.h"
#include "worker/events.h"
#include "worker/park.h"
#include "worker/reply.h"
#include "worker/route.h"
#include "worker/slot.h"
#include "worker/slow.h"
#include "worker/topology.h"
#include "worker/vcd/vcd.h"

#include <string.h>

enum { RECEIVE_MS = 500, REPLY_MIN_MS = 500, FIRST_OWN_FAILURE = 500 };

/* What is known of one delivery while it is worked on. */
struct job {
	const struct delivery *delivery;
	struct envelope envelope;
	struct reply reply;
	bool old; /* stood in a queue without TTL when we connected: VCD has given up */
	const char *malformed; /* why it is no request; NULL when it is one */
	const char *failure;   /* why it was not done; NULL when it was */
};

static int call_handler(
	struct thread_ctx *ctx, const struct route *route, struct job *job, struct error *err)
{
	const struct request *request = &job->envelope.request;
	const struct config *config = ctx->shared->config;
	int64_t end = request->received_ms + config->timing_reply;
	int status;

	vcd_begin(ctx->vcd, &ctx->arena, end, end);
	if (route->pace == QUICK)
		return route->handler(ctx, request, &job->reply, err);
	if (!slow_enter(ctx->shared, job->envelope.org_hint)) {
		reply_set_busy(&job->reply);
		return 0;
	}
	status = route->handler(ctx, request, &job->reply, err);
	slow_leave(ctx->shared, job->envelope.org_hint);
	return status;
}

/* The checks in the order clients know, then the handler. */
static int answer(struct thread_ctx *ctx, struct job *job, struct error *err)
{
	struct request *request = &job->envelope.request;
	const struct config *config = ctx->shared->config;
	const struct route *route;

	if (accept_version(&request->api_version, &ctx->arena, job->envelope.accept, err))
		return -1;
	route = route_find(route_table(), request, config->vcd_api_version, &ctx->arena, err);
	if (!route)
		return -1;
	if (job->old && !str_eq(request->method, "GET")) {
		log_event(LOG_WARN, "request.too_old", LOG_STR("method", request->method),
			LOG_STR("path", request->path));
		return error_set(err, ERR_BUSY, "The request came too late, please send it again.");
	}
	if (envelope_open(&job->envelope, &ctx->arena, config, err))
		return -1;
	return call_handler(ctx, route, job, err);
}

static void refuse(struct job *job, const char *reason)
{
	job->malformed = reason;
	reply_set_malformed(&job->reply, reason);
}

static void work_on(struct thread_ctx *ctx, struct job *job)
{
	struct error err = {0};

	if (job->delivery->too_large) {
		refuse(job, "the message is larger than limits.message_bytes");
		return;
	}
	if (envelope_decode(
		    &job->envelope, &ctx->arena, job->delivery, ctx->shared->config, &err)) {
		refuse(job, arena_strdup(&ctx->arena, err.msg));
		return;
	}
	log_context()->request_id = job->envelope.request.id;
	log_context()->org = str_empty(job->envelope.org_hint) ? NULL : job->envelope.org_hint;
	if (answer(ctx, job, &err)) {
		reply_set_error(&job->reply, &err);
		job->failure = redact(&ctx->arena, err.msg);
	}
	if (err.code == ERR_INTERNAL)
		log_event(LOG_ERROR, "request.failed", LOG_STR("reason", err.msg));
}

/* A reply that cannot be delivered is the caller's loss alone; the request was handled. */
static void send_reply(struct thread_ctx *ctx, struct job *job)
{
	const struct delivery *delivery = job->delivery;
	const struct config *config = ctx->shared->config;
	int64_t left = job->envelope.request.received_ms + config->timing_reply - clock_ms();
	struct message message = {.exchange = str_or(delivery->reply_exchange, ""),
		.routing_key = delivery->reply_to,
		.correlation_id = delivery->correlation_id,
		.mandatory = true};
	struct error err;

	/* Whoever asked has been told that nobody answered. */
	if (left <= 0) {
		counter_add(&ctx->shared->counters, COUNTER_REPLY_LOST, 1);
		log_event(LOG_WARN, "reply.late", LOG_INT("status", job->reply.status),
			LOG_INT("late_ms", -left));
		return;
	}
	message.body = reply_encode(&ctx->arena, job->envelope.request.id, &job->reply);
	message.body_len = strlen(message.body);
	if (bus_reply(ctx->bus, &message, left > REPLY_MIN_MS ? (int)left : REPLY_MIN_MS, &err)) {
		counter_add(&ctx->shared->counters, COUNTER_REPLY_LOST, 1);
		/* Not a caller that has gone, but rights: nobody gets an answer. */
		log_event(err.code == ERR_DENIED ? LOG_ERROR : LOG_WARN, "reply.lost",
			LOG_STR("exchange", message.exchange), LOG_STR("reason", err.msg));
	}
}

/*
 * What cannot be run or answered is kept for a person, without its headers and body. What could not
 * be kept is not acknowledged: the next connection makes the queue again.
 */
static int park(struct thread_ctx *ctx, const struct delivery *delivery, const char *id,
	const char *reason, struct error *err)
{
	slot_set_publishing(ctx);
	log_event(LOG_WARN, "request.parked", LOG_STR("reason", reason),
		LOG_INT("bytes", delivery->body_len));
	if (park_request(ctx->bus, ctx->shared->config, &ctx->arena, delivery, id, reason, err)) {
		log_event(LOG_ERROR, "request.not_parked", LOG_STR("reason", err->msg));
		return -1;
	}
	counter_add(&ctx->shared->counters, COUNTER_PARKED_REQUEST, 1);
	return 0;
}

static void note_done(struct thread_ctx *ctx, const struct job *job)
{
	const struct request *request = &job->envelope.request;
	int64_t took_ms = clock_ms() - request->received_ms;

	if (job->malformed) {
		counter_add(&ctx->shared->counters, COUNTER_REQUEST_MALFORMED, 1);
		return;
	}
	count_request(ctx->shared, job->reply.status, took_ms);
	log_event(job->reply.status >= FIRST_OWN_FAILURE ? LOG_WARN : LOG_INFO, "request.done",
		LOG_STR("method", request->method), LOG_STR("path", request->path),
		LOG_INT("status", job->reply.status), LOG_STR("reason", job->failure),
		LOG_INT("ms", took_ms), LOG_INT("redelivered", request->redelivered));
}

static int handle_request(
	struct thread_ctx *ctx, const struct delivery *delivery, bool old, struct error *err)
{
	struct job job = {.delivery = delivery, .old = old};
	int status = 0;

	job.envelope.request = (struct request){.id = "", .received_ms = clock_ms()};
	slot_begin(ctx, ctx->shared->config->timing_reply);
	counter_add(&ctx->shared->counters, COUNTER_REQUESTS_NOW, 1);
	work_on(ctx, &job);
	send_reply(ctx, &job);
	counter_add(&ctx->shared->counters, COUNTER_REQUESTS_NOW, -1);
	note_done(ctx, &job);
	if (job.malformed) /* after the reply, which somebody waits for */
		status = park(ctx, delivery, job.envelope.request.id, job.malformed, err);
	slot_end(ctx, job.malformed ? "malformed" : "answered");
	reply_release(&job.reply);
	envelope_release(&job.envelope);
	log_context()->request_id = NULL;
	log_context()->org = NULL;
	return status;
}

/* Nobody would learn what was done: it is kept, not run. */
static int park_unanswerable(
	struct thread_ctx *ctx, const struct delivery *delivery, struct error *err)
{
	counter_add(&ctx->shared->counters, COUNTER_REQUEST_NO_REPLY_TO, 1);
	return park(ctx, delivery, "", "no reply_to: nobody waits for the answer", err);
}

/*
 * Whether the next delivery may be one that stood in the queue before this worker came. Several
 * threads take deliveries in any order, so as many more are taken for old as there are threads.
 */
static bool is_old(const struct thread_ctx *ctx)
{
	struct shared *shared = ctx->shared;

	if (atomic_load_explicit(&shared->backlog, memory_order_relaxed) <= 0 ||
		ctx->past == atomic_load(&shared->backlogs))
		return false;
	return atomic_fetch_sub(&shared->backlog, 1) > 0;
}

/*
 * Nothing came for a while, and the queue has nothing ready either: one more may have been on its
 * way meanwhile. After the next silence what comes to this thread is new; others may still hold an
 * old one.
 */
static int note_silence(struct thread_ctx *ctx, struct error *err)
{
	struct shared *shared = ctx->shared;
	const struct queue_spec queue = {
		.name = topology_request_queue(shared->config), .passive = true};
	unsigned backlog = atomic_load(&shared->backlogs);
	uint32_t ready = 0;

	ctx->past = ctx->emptied;
	if (atomic_load(&shared->backlog) <= 0 || ctx->past == backlog)
		return 0;
	if (bus_declare_queue(ctx->bus, &queue, &ready, err))
		return -1;
	if (ready == 0)
		ctx->emptied = backlog;
	return 0;
}

static int handle_delivery(
	struct thread_ctx *ctx, const struct delivery *delivery, struct error *err)
{
	bool old = is_old(ctx);
	int status = 0;

	/* VCD's copies of its own responses, when a response filter matches too. */
	if (str_eq(delivery->message_type, "ProcessHttpResponse"))
		log_event(LOG_DEBUG, "response.dropped");
	else if (str_empty(delivery->reply_to))
		status = park_unanswerable(ctx, delivery, err);
	else
		status = handle_request(ctx, delivery, old, err);
	if (status)
		return -1;
	/* Before the last acknowledgement, so that no further delivery is on its way. */
	if (atomic_load(&ctx->shared->stop) && bus_cancel(ctx->bus, err))
		return -1;
	return bus_ack(ctx->bus, delivery->tag, err);
}

/* 1 after a delivery, 0 when there was none, -1 when the connection is lost. */
static int serve_one(struct thread_ctx *ctx, int timeout_ms, struct error *err)
{
	struct delivery delivery;
	int got = bus_receive(ctx->bus, &ctx->arena,
		(size_t)ctx->shared->config->limits_message_bytes, timeout_ms, &delivery, err);

	connection_note_blocked(ctx);
	if (got > 0 && handle_delivery(ctx, &delivery, err))
		got = -1;
	arena_recycle(&ctx->arena);
	return got;
}

/* *attempt starts anew with a connection that is of some use. */
static int serve(struct thread_ctx *ctx, unsigned *attempt, struct error *err)
{
	while (!atomic_load(&ctx->shared->stop)) {
		int got = serve_one(ctx, RECEIVE_MS, err);

		if (got < 0 || (got == 0 && note_silence(ctx, err)))
			return -1;
		*attempt = 0;
	}
	if (bus_cancel(ctx->bus, err))
		return -1;
	/* One may have been sent before the broker saw the cancel. */
	return serve_one(ctx, 0, err);
}

/*
 * A queue without TTL holds requests VCD has given up. Called before consuming: whoever finds no
 * consumer of this worker has counted all of them, and none is handled before that is noted.
 */
static void note_backlog(struct shared *shared, uint32_t backlog)
{
	if (atomic_load(&shared->request_connections) == 0) {
		atomic_store(
			&shared->backlog, backlog ? backlog + shared->config->threads_request : 0);
		atomic_fetch_add(&shared->backlogs, 1);
	}
	atomic_fetch_add(&shared->request_connections, 1);
}

static int open_connection(struct thread_ctx *ctx, struct error *err)
{
	uint32_t backlog = 0;

	if (connection_declare(ctx, &backlog, err))
		return -1;
	note_backlog(ctx->shared, backlog);
	if (connection_consume(ctx, topology_request_queue(ctx->shared->config), err) == 0)
		return 0;
	atomic_fetch_sub(&ctx->shared->request_connections, 1);
	return -1;
}

/* One connection from its beginning to its end. */
static void use_connection(struct thread_ctx *ctx, unsigned *attempt)
{
	struct error err;

	if (open_connection(ctx, &err)) {
		connection_log_failure(ctx, &err, *attempt + 1);
	} else {
		log_event(*attempt ? LOG_INFO : LOG_DEBUG, "broker.connected");
		arena_reset(&ctx->arena);
		if (serve(ctx, attempt, &err) < 0)
			connection_log_loss(ctx, &err);
		atomic_fetch_sub(&ctx->shared->request_connections, 1);
		connection_close(ctx);
	}
	arena_reset(&ctx->arena);
}

void *request_thread(void *argument)
{
	struct thread_ctx *ctx = argument;
	unsigned attempt = 0;

	log_context()->thread = ctx->name;
	ctx->vcd = vcd_new(ctx->shared->vcd, connection_tick, ctx);
	vcd_on_task(ctx->vcd, event_task, ctx);
	while (!atomic_load(&ctx->shared->stop)) {
		use_connection(ctx, &attempt);
		connection_pause(ctx, attempt++);
	}
	vcd_free(&ctx->vcd);
	return NULL;
}
