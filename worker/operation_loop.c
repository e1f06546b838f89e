/* SPDX-License-Identifier: MIT */
#include "worker/operation_loop.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/str.h"
#include "worker/catalog.h"
#include "worker/connection.h"
#include "worker/events.h"
#include "worker/park.h"
#include "worker/pass.h"
#include "worker/schedule.h"
#include "worker/slot.h"
#include "worker/topology.h"
#include "worker/vcd/task.h"

enum { RECEIVE_MS = 500, CONFIRM_MS = 10000 };

/* How late the pass began; what it took itself is not lag. */
static void note_lag(
	struct thread_ctx *ctx, const struct operation_message *message, int64_t took_ms)
{
	int64_t now = vcd_estimate_ms(ctx->vcd);
	int64_t due;

	if (now && clock_parse_iso(message->due, &due))
		lag_note(&ctx->shared->lag, now - took_ms - due);
}

/* Put on the longest rung. */
static int send_on(struct thread_ctx *ctx, const struct delivery *delivery, struct error *err)
{
	const struct config *config = ctx->shared->config;
	const struct message copy = {
		.exchange = "",
		.routing_key = topology_delay_queue(&ctx->arena, config,
			config->timing_rungs[ARRAY_LEN(config->timing_rungs) - 1]),
		.body = delivery->body,
		.body_len = delivery->body_len,
		.content_type = "application/json",
		.message_id = delivery->message_id,
		.persistent = true,
		.mandatory = true,
	};

	return bus_publish(ctx->bus, &copy, CONFIRM_MS, err);
}

static int park(struct thread_ctx *ctx, const struct delivery *delivery, bool readable,
	const struct error *why, struct error *err)
{
	if (park_operation(
		    ctx->bus, ctx->shared->config, &ctx->arena, delivery, readable, why->msg, err))
		return -1;
	counter_add(&ctx->shared->counters, COUNTER_PARKED_OPERATION, 1);
	return 0;
}

/* After this age an operation has ended, undo and all, wherever its program still runs. */
static int64_t oldest_ms(const struct config *config)
{
	const int64_t deadlines[] = {config->timing_deadline_create, config->timing_deadline_update,
		config->timing_deadline_delete};
	int64_t longest = 0;

	for (size_t i = 0; i < ARRAY_LEN(deadlines); i++)
		longest = deadlines[i] > longest ? deadlines[i] : longest;
	return GIVE_UP_DEADLINES * longest;
}

/*
 * A message of a newer program is kept for a worker that knows it, as long as its task runs and may
 * still be finished.
 */
static int keep_unknown(struct thread_ctx *ctx, const struct delivery *delivery,
	const struct error *why, struct error *err)
{
	const struct config *config = ctx->shared->config;
	const char *uuid = operation_task(&ctx->arena, delivery->body, delivery->body_len);
	int64_t now = clock_ms();
	struct vcd_task task;
	struct error unread = {0};

	vcd_begin(ctx->vcd, &ctx->arena, now + config->timing_pass, now);
	if (uuid[0] && vcd_task_get(ctx->vcd, uuid, &task, &unread))
		return unread.code == ERR_GONE ? 0 : send_on(ctx, delivery, err);
	if (uuid[0] && task_is_final(&task))
		return 0;
	if (uuid[0] && vcd_now_ms(ctx->vcd) - task.start_ms < oldest_ms(config))
		return send_on(ctx, delivery, err);
	return park(ctx, delivery, true, why, err);
}

/* message is NULL when it could not be read. */
static int refuse(struct thread_ctx *ctx, const struct delivery *delivery,
	const struct operation_message *message, const struct error *why, struct error *err)
{
	log_event(LOG_ERROR, "operation.unreadable", LOG_STR("id", message ? message->id : ""),
		LOG_STR("class", error_name(why->code)), LOG_STR("reason", why->msg));
	counter_add(&ctx->shared->counters, COUNTER_PASS_UNREADABLE, 1);
	return why->code == ERR_FORMAT ? keep_unknown(ctx, delivery, why, err)
				       : park(ctx, delivery, message != NULL, why, err);
}

/* What came of a pass, counted and said in one word. */
static const char *note_pass(
	struct thread_ctx *ctx, const struct pass_result *result, int64_t took_ms)
{
	enum counter row = COUNTER_PASS_LAST;
	const char *word = "last";

	if (result->again && result->next.attempt > 0) {
		row = COUNTER_PASS_RETRY;
		word = "retry";
	} else if (result->again) {
		row = COUNTER_PASS_AGAIN;
		word = "again";
	}
	counter_add(&ctx->shared->counters, row, 1);
	timing_note(&ctx->shared->counters, TIMING_PASS, took_ms);
	return word;
}

/* One pass and its follow-up; *outcome is one word. -1: nothing may be acknowledged. */
static int run(struct thread_ctx *ctx, const struct delivery *delivery,
	const struct operation_message *message, const char **outcome, struct error *err)
{
	int64_t start = clock_ms();
	struct pass_result result;
	struct error why;
	int64_t took_ms;

	slot_begin(ctx, ctx->shared->config->timing_pass);
	slot_set_pass(ctx, operation_name(message->operation), message->task, message->cluster,
		message->pass);
	if (pass_run(ctx, message, delivery->redelivered, lag_average_ms(&ctx->shared->lag),
		    &result, &why)) {
		*outcome = "unreadable";
		slot_set_publishing(ctx);
		return refuse(ctx, delivery, message, &why, err);
	}
	took_ms = clock_ms() - start;
	note_lag(ctx, message, took_ms);
	*outcome = note_pass(ctx, &result, took_ms);
	slot_set_publishing(ctx);
	if (!result.again)
		return 0;
	/* Its delivery lives on elsewhere already. */
	if (bus_is_dead(ctx->bus))
		return error_set(err, ERR_TRANSIENT, "The connection died during the pass");
	return operation_publish(
		ctx->bus, ctx->shared->config, &ctx->arena, &result.next, result.delay_ms, err);
}

static int handle_delivery(
	struct thread_ctx *ctx, const struct delivery *delivery, struct error *err)
{
	struct operation_message message;
	struct error why;
	const char *outcome = "unreadable";
	int status;

	if (delivery->too_large) {
		error_set(&why, ERR_INVALID, "The message is larger than limits.message_bytes");
		status = refuse(ctx, delivery, NULL, &why, err);
	} else if (operation_decode(
			   &message, &ctx->arena, delivery->body, delivery->body_len, &why)) {
		status = refuse(ctx, delivery, NULL, &why, err);
	} else {
		log_context()->request_id = message.request_id;
		log_context()->task = message.task;
		log_context()->cluster = message.cluster;
		log_context()->org = message.org;
		status = run(ctx, delivery, &message, &outcome, err);
		if (status)
			counter_add(&ctx->shared->counters, COUNTER_PASS_LOST, 1);
	}
	slot_end(ctx, status ? "lost" : outcome);
	*log_context() = (struct log_context){.thread = ctx->name};
	if (status)
		return -1;
	/* Before the last acknowledgement, so that no further delivery is on its way. */
	if (atomic_load(&ctx->shared->stop) && bus_cancel(ctx->bus, err))
		return -1;
	return bus_ack(ctx->bus, delivery->tag, err);
}

/* 1 after a delivery, 0 when there was none, -1 when the connection is of no more use. */
static int serve_one(struct thread_ctx *ctx, int timeout_ms, struct error *err)
{
	struct delivery delivery;
	int got = bus_receive(ctx->bus, &ctx->arena,
		(size_t)ctx->shared->config->limits_message_bytes, timeout_ms, &delivery, err);

	connection_note_blocked(ctx);
	if (got > 0 && handle_delivery(ctx, &delivery, err))
		got = -1;
	/* A thread without work proves that nothing waits. */
	if (got == 0 && timeout_ms > 0)
		lag_note(&ctx->shared->lag, 0);
	arena_reset(&ctx->arena);
	return got;
}

static int serve(struct thread_ctx *ctx, struct error *err)
{
	while (!atomic_load(&ctx->shared->stop))
		if (serve_one(ctx, RECEIVE_MS, err) < 0)
			return -1;
	if (bus_cancel(ctx->bus, err))
		return -1;
	/* One may have been sent before the broker saw the cancel. */
	return serve_one(ctx, 0, err);
}

static bool open_connection(struct thread_ctx *ctx, unsigned *attempt)
{
	const char *queue = topology_operations_queue(&ctx->arena, ctx->shared->config);
	struct error err;
	int status = connection_open(ctx, queue, NULL, &err);

	arena_reset(&ctx->arena);
	if (status == 0) {
		*attempt = 0;
		return true;
	}
	connection_log_failure(ctx, &err, *attempt + 1);
	connection_pause(ctx, (*attempt)++);
	return false;
}

/* One thread is enough, since all share the cache; there is no connection yet to be kept alive. */
static void warm(struct thread_ctx *ctx)
{
	if (!str_ends(ctx->name, "-0"))
		return;
	ctx->vcd = vcd_new(ctx->shared->vcd, NULL, NULL);
	catalog_warm(ctx);
	vcd_free(&ctx->vcd);
	arena_reset(&ctx->arena);
}

void *operation_thread(void *data)
{
	struct thread_ctx *ctx = data;
	unsigned attempt = 0;

	log_context()->thread = ctx->name;
	warm(ctx);
	ctx->vcd = vcd_new(ctx->shared->vcd, connection_tick, ctx);
	vcd_on_task(ctx->vcd, event_task, ctx);
	while (!atomic_load(&ctx->shared->stop)) {
		struct error err;

		if (!open_connection(ctx, &attempt))
			continue;
		if (serve(ctx, &err) < 0) {
			connection_log_loss(ctx, &err);
			connection_close(ctx);
			connection_pause(ctx, attempt++);
			continue;
		}
		connection_close(ctx);
	}
	vcd_free(&ctx->vcd);
	arena_reset(&ctx->arena);
	return NULL;
}
