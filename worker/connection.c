/* SPDX-License-Identifier: MIT */
#include "worker/connection.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/str.h"
#include "worker/slot.h"
#include "worker/topology.h"

#include <stdio.h>
#include <sys/random.h>

enum { CONNECT_LIMIT_MS = 5000, PAUSE_FIRST_MS = 200, PAUSE_MAX_MS = 15000, PAUSE_STEP_MS = 200 };

/* Unset file names of the configuration. */
static const char *or_null(const char *text)
{
	return str_empty(text) ? NULL : text;
}

static struct bus_options options_of(
	const struct config *config, const char *name, const _Atomic bool *stop)
{
	return (struct bus_options){.hosts = config->broker_hosts.items,
		.host_count = config->broker_hosts.count,
		.vhost = config->broker_vhost,
		.user = config->broker_user,
		.password = &config->broker_password,
		.heartbeat_s = (int)config->broker_heartbeat_s,
		.tls = config->broker_tls_enabled,
		.ca_file = or_null(config->broker_tls_ca_file),
		.cert_file = or_null(config->broker_tls_cert_file),
		.key_file = or_null(config->broker_tls_key_file),
		.name = name,
		.timeout_ms = CONNECT_LIMIT_MS,
		.stop = stop};
}

int connection_connect(struct bus **out, const struct config *config, const char *name,
	const _Atomic bool *stop, struct error *err)
{
	const struct bus_options options = options_of(config, name, stop);

	return bus_connect(out, &options, err);
}

static void note_blocked(void *data)
{
	connection_note_blocked(data);
}

static int connect_bus(struct thread_ctx *ctx, struct error *err)
{
	struct shared *shared = ctx->shared;
	char name[sizeof(shared->worker_id) + sizeof(ctx->name) + 1];
	struct bus_options options;

	snprintf(name, sizeof(name), "%s/%s", shared->worker_id, ctx->name);
	options = options_of(shared->config, name, &shared->stop);
	/* It mostly shows while a confirm is waited for, and that is as long as it lasts. */
	options.on_blocked = note_blocked;
	options.on_blocked_data = ctx;
	return bus_connect(&ctx->bus, &options, err);
}

/* A failed attempt: counted, and nothing is left of it. */
static int give_up(struct thread_ctx *ctx)
{
	counter_add(&ctx->shared->counters, COUNTER_BROKER_UNREACHABLE, 1);
	connection_close(ctx);
	return -1;
}

int connection_declare(struct thread_ctx *ctx, uint32_t *backlog, struct error *err)
{
	connection_close(ctx);
	if (connect_bus(ctx, err) ||
		topology_declare(ctx->bus, ctx->shared->config, &ctx->arena, backlog, err))
		return give_up(ctx);
	return 0;
}

int connection_consume(struct thread_ctx *ctx, const char *queue, struct error *err)
{
	struct counters *counters = &ctx->shared->counters;

	if (bus_consume(ctx->bus, queue, err))
		return give_up(ctx);
	counter_add(counters, COUNTER_BROKER_CONNECTED, 1);
	counter_add(counters, COUNTER_BROKER_RECONNECT, ctx->was_connected);
	ctx->was_connected = true;
	slot_set_consuming(ctx, true);
	return 0;
}

int connection_open(struct thread_ctx *ctx, const char *queue, uint32_t *backlog, struct error *err)
{
	if (connection_declare(ctx, backlog, err) || connection_consume(ctx, queue, err))
		return -1;
	return 0;
}

void connection_note_blocked(struct thread_ctx *ctx)
{
	struct counters *counters = &ctx->shared->counters;
	bool blocked = bus_is_blocked(ctx->bus);

	if (blocked == ctx->blocked)
		return;
	ctx->blocked = blocked;
	slot_note_blocked(ctx);
	counter_add(counters, COUNTER_BROKER_BLOCKED, blocked);
	counter_add(counters, COUNTER_BROKER_BLOCKED_NOW, blocked ? 1 : -1);
}

void connection_close(struct thread_ctx *ctx)
{
	slot_set_consuming(ctx, false);
	bus_free(&ctx->bus);
	connection_note_blocked(ctx);
}

static unsigned random_below(unsigned limit)
{
	unsigned number = 0;

	if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
		number = (unsigned)clock_ms();
	return number % limit;
}

void connection_pause(struct thread_ctx *ctx, unsigned attempt)
{
	unsigned base = attempt < 7 ? PAUSE_FIRST_MS << attempt : PAUSE_MAX_MS;
	int64_t end;

	if (base > PAUSE_MAX_MS)
		base = PAUSE_MAX_MS;
	end = clock_ms() + base / 2 + random_below(base / 2 + 1);
	while (clock_ms() < end && !atomic_load(&ctx->shared->stop))
		clock_sleep_ms(PAUSE_STEP_MS);
}

bool connection_tick(void *data)
{
	struct thread_ctx *ctx = data;
	bool alive = bus_tick(ctx->bus);

	connection_note_blocked(ctx);
	return alive;
}

/* Of what all threads say at the same moment one line is enough. */
static enum log_level level_of_news(_Atomic int64_t *said_ms, enum log_level level)
{
	enum { SILENCE_MS = 1000 };
	int64_t now = clock_ms();
	int64_t last = atomic_load(said_ms);

	return now - last >= SILENCE_MS && atomic_compare_exchange_strong(said_ms, &last, now)
		       ? level
		       : LOG_DEBUG;
}

void connection_log_failure(struct thread_ctx *ctx, const struct error *err, unsigned attempt)
{
	bool passing = err->code == ERR_TRANSIENT;

	log_event(level_of_news(&ctx->shared->failure_logged_ms, passing ? LOG_WARN : LOG_ERROR),
		passing ? "broker.unreachable" : "broker.unusable", LOG_STR("reason", err->msg),
		LOG_INT("attempt", attempt),
		LOG_STR("remedy", passing ? "" : "cse-worker check tells what to do"));
}

void connection_log_loss(struct thread_ctx *ctx, const struct error *err)
{
	log_event(level_of_news(&ctx->shared->loss_logged_ms, LOG_WARN), "broker.lost",
		LOG_STR("reason", err->msg));
}
