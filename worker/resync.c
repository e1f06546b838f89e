/* SPDX-License-Identifier: MIT */
#include "worker/resync.h"

#include "common/clock.h"
#include "common/crypto.h"
#include "common/log.h"
#include "common/str.h"
#include "worker/connection.h"
#include "worker/events.h"
#include "worker/revival.h"
#include "worker/slot.h"
#include "worker/topology.h"
#include "worker/vcd/vcd.h"

/*
 * A round sends few enough messages to do no harm when it is wrong, and none while messages are
 * late anyway; it ends when VCD or the broker fails again and again.
 */
enum { SENT_MAX = 50, FAILURES_MAX = 3, LAG_PART = 3, SLICES = 6, NAP_MS = 200 };

struct round {
	const char **tasks;
	size_t count;
	size_t sent, failures;
};

static bool stopped(const struct thread_ctx *ctx)
{
	return atomic_load(&ctx->shared->stop);
}

/* True when this connection holds the leader's queue, for as long as it lives. */
static bool lead(struct thread_ctx *ctx)
{
	const struct queue_spec queue = {
		.name = topology_leader_queue(&ctx->arena, ctx->shared->config),
		.kind = QUEUE_EXCLUSIVE};
	struct error err;
	bool leader = bus_declare_queue(ctx->bus, &queue, NULL, &err) == 0;

	if (!leader && err.code != ERR_CONFLICT)
		log_event(LOG_WARN, "resync.no_leader", LOG_STR("reason", err.msg));
	counter_set(&ctx->shared->counters, COUNTER_RESYNC_LEADER, leader);
	return leader;
}

static void begin_calls(struct thread_ctx *ctx)
{
	const struct config *config = ctx->shared->config;
	int64_t now = clock_ms();

	slot_allow(ctx, config->timing_pass);
	vcd_begin(ctx->vcd, &ctx->arena, now + config->timing_pass,
		now + config->timing_last_mutation);
}

/* In random order, so that a round which ends early is not always about the same ones. */
static void shuffle(const char **tasks, size_t count)
{
	for (size_t left = count; left > 1; left--) {
		uint32_t number;
		const char *last = tasks[left - 1];

		crypto_random((unsigned char *)&number, sizeof(number));
		tasks[left - 1] = tasks[number % left];
		tasks[number % left] = last;
	}
}

static int list_tasks(struct thread_ctx *ctx, struct arena *kept, struct round *round)
{
	struct vcd_task_ref *found;
	struct error err;

	begin_calls(ctx);
	if (vcd_task_running(ctx->vcd, &found, &round->count, &err)) {
		log_event(LOG_WARN, "resync.failed", LOG_STR("reason", err.msg));
		return -1;
	}
	round->tasks = arena_alloc(kept, (round->count + 1) * sizeof(*round->tasks));
	for (size_t i = 0; i < round->count; i++)
		round->tasks[i] = arena_strdup(kept, found[i].uuid);
	shuffle(round->tasks, round->count);
	return 0;
}

static bool may_go_on(struct thread_ctx *ctx, const struct round *round)
{
	int64_t lag = lag_average_ms(&ctx->shared->lag);

	return !stopped(ctx) && round->sent < SENT_MAX && round->failures < FAILURES_MAX &&
	       lag <= ctx->shared->config->timing_takeover / LAG_PART && bus_tick(ctx->bus);
}

static void revive_one(struct thread_ctx *ctx, struct round *round, const char *task)
{
	struct error err;
	int sent;

	begin_calls(ctx);
	sent = revival_run(ctx, task, &err);
	if (sent < 0)
		log_event(LOG_WARN, "resync.task_failed", LOG_STR("task", task),
			LOG_STR("class", error_name(err.code)), LOG_STR("reason", err.msg));
	round->sent += sent > 0;
	/* A task that fails for a reason of its own says nothing about the next one. */
	round->failures = sent < 0 && error_may_retry(err.code) ? round->failures + 1 : 0;
	*log_context() = (struct log_context){.thread = ctx->name};
	arena_reset(&ctx->arena);
}

static void run_round(struct thread_ctx *ctx)
{
	struct arena kept = {0};
	struct round round = {0};
	size_t i = 0;

	if (may_go_on(ctx, &round) && list_tasks(ctx, &kept, &round) == 0) {
		arena_reset(&ctx->arena);
		for (; i < round.count && may_go_on(ctx, &round); i++)
			revive_one(ctx, &round, round.tasks[i]);
		counter_add(&ctx->shared->counters, COUNTER_RESYNC_ROUND, 1);
		log_event(LOG_INFO, "resync.done", LOG_INT("running", round.count),
			LOG_INT("looked_at", i), LOG_INT("revived", round.sent),
			LOG_INT("lag_ms", lag_average_ms(&ctx->shared->lag)));
	}
	arena_reset(&kept);
}

/* Keeps the connection alive; false when it died. */
static bool wait_slice(struct thread_ctx *ctx, int64_t ms)
{
	int64_t end = clock_ms() + ms;

	while (!stopped(ctx) && clock_ms() < end) {
		clock_sleep_ms(NAP_MS);
		if (!bus_tick(ctx->bus))
			return false;
	}
	return true;
}

/* How much is parked, for the metrics: nobody else asks the broker regularly. */
static void note_parked(struct thread_ctx *ctx)
{
	const struct queue_spec parked = {
		.name = topology_parked_queue(&ctx->arena, ctx->shared->config), .passive = true};
	uint32_t count = 0;
	struct error err;

	if (bus_declare_queue(ctx->bus, &parked, &count, &err) == 0)
		counter_set(&ctx->shared->counters, COUNTER_PARKED_NOW, count);
}

/* A worker without work finds out as well that VCD is back. */
static void ensure_session(struct thread_ctx *ctx)
{
	struct error err;

	begin_calls(ctx);
	if (vcd_log_in(ctx->vcd, &err))
		log_event(LOG_DEBUG, "resync.no_session", LOG_STR("reason", err.msg));
}

/* What is due in this slice. Followers try to lead in every slice, a leader looks for work in every
 * last one. */
static void look(struct thread_ctx *ctx, bool *leader, unsigned *slice)
{
	slot_begin(ctx, ctx->shared->config->timing_pass);
	if (!*leader || ++*slice == SLICES) {
		*leader = lead(ctx);
		*slice = 0;
		if (*leader)
			run_round(ctx);
	}
	note_parked(ctx);
	ensure_session(ctx);
	arena_reset(&ctx->arena);
	slot_end(ctx, *leader ? "leads" : "follows");
}

static void serve(struct thread_ctx *ctx)
{
	int64_t slice_ms = ctx->shared->config->timing_resync / SLICES;
	bool leader = false;
	unsigned slice = 0;

	slot_set_consuming(ctx, true);
	do
		look(ctx, &leader, &slice);
	while (!stopped(ctx) && wait_slice(ctx, slice_ms));
	counter_set(&ctx->shared->counters, COUNTER_RESYNC_LEADER, 0);
}

void *resync_thread(void *data)
{
	struct thread_ctx *ctx = data;
	unsigned attempt = 0;

	log_context()->thread = ctx->name;
	ctx->vcd = vcd_new(ctx->shared->vcd, connection_tick, ctx);
	vcd_on_task(ctx->vcd, event_task, ctx);
	while (!stopped(ctx)) {
		struct error err;

		if (connection_declare(ctx, NULL, &err)) {
			connection_log_failure(ctx, &err, attempt + 1);
			connection_pause(ctx, attempt++);
			continue;
		}
		serve(ctx);
		/* Not at once again: what killed this connection may kill the next one. */
		attempt = stopped(ctx) ? attempt : 1;
		connection_close(ctx);
		if (!stopped(ctx))
			connection_pause(ctx, attempt);
	}
	vcd_free(&ctx->vcd);
	arena_reset(&ctx->arena);
	return NULL;
}
