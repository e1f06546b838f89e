/* SPDX-License-Identifier: MIT */
#include "worker/pool.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "worker/admin.h"
#include "worker/catalog.h"
#include "worker/count.h"
#include "worker/identity.h"
#include "worker/operation_loop.h"
#include "worker/request_loop.h"
#include "worker/resync.h"
#include "worker/slot.h"
#include "worker/supervise.h"
#include "worker/vcd/vcd.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { RESYNC_THREADS = 1, JOIN_STEP_MS = 50, EXIT_DRAINED = 0, EXIT_FAILED = 1 };

struct thread {
	pthread_t id;
	bool running;
	struct thread_ctx ctx;
};

struct pool {
	struct shared shared;
	struct thread *threads;
	size_t count;
};

static void set_worker_id(struct shared *shared)
{
	struct utsname name;

	if (uname(&name) != 0)
		memcpy(name.nodename, "worker", sizeof("worker"));
	snprintf(shared->worker_id, sizeof(shared->worker_id), "%.48s-%d", name.nodename,
		(int)getpid());
}

static void pool_init(struct pool *pool, const struct config *config)
{
	struct vcd_watch watch = count_vcd(&pool->shared);

	*pool = (struct pool){.count = (size_t)(config->threads_request +
						config->threads_operation + RESYNC_THREADS)};
	pool->shared.config = config;
	set_worker_id(&pool->shared);
	pool->shared.vcd = vcd_shared_new(config);
	vcd_shared_watch(pool->shared.vcd, &watch);
	pool->shared.identities = identity_cache_new(config);
	pool->shared.templates = template_cache_new();
	pool->threads = xcalloc(pool->count, sizeof(*pool->threads));
	pool->shared.slot_count = pool->count;
	pool->shared.slots = slots_new(pool->shared.slot_count);
}

static void pool_release(struct pool *pool)
{
	template_cache_free(&pool->shared.templates);
	identity_cache_free(&pool->shared.identities);
	vcd_shared_free(&pool->shared.vcd);
	slots_free(&pool->shared.slots, pool->shared.slot_count);
	free(pool->threads);
}

static void start_thread(struct thread *thread, void *(*body)(void *))
{
	int status = pthread_create(&thread->id, NULL, body, &thread->ctx);

	if (status != 0) {
		log_event(LOG_ERROR, "thread.not_started", LOG_STR("name", thread->ctx.name),
			LOG_STR("reason", strerror(status)));
		abort();
	}
	thread->running = true;
}

static const struct {
	const char *name;
	void *(*body)(void *);
} kinds[] = {
	[SLOT_REQUEST] = {"request", request_thread},
	[SLOT_OPERATION] = {"operation", operation_thread},
	[SLOT_RESYNC] = {"resync", resync_thread},
};

/* Request threads, then operation threads, then the resync, which serves no deliveries. */
static void start_threads(struct pool *pool)
{
	const struct config *config = pool->shared.config;
	const size_t counts[ARRAY_LEN(kinds)] = {
		[SLOT_REQUEST] = (size_t)config->threads_request,
		[SLOT_OPERATION] = (size_t)config->threads_operation,
		[SLOT_RESYNC] = RESYNC_THREADS,
	};
	size_t next = 0;

	for (size_t kind = 0; kind < ARRAY_LEN(kinds); kind++) {
		for (size_t i = 0; i < counts[kind]; i++, next++) {
			struct thread_ctx *ctx = &pool->threads[next].ctx;

			ctx->shared = &pool->shared;
			snprintf(ctx->name, sizeof(ctx->name), "%s-%zu", kinds[kind].name, i);
			slot_assign(ctx, &pool->shared.slots[next], (enum slot_kind)kind);
			start_thread(&pool->threads[next], kinds[kind].body);
		}
	}
}

static size_t join_finished(struct pool *pool)
{
	size_t left = 0;

	for (size_t i = 0; i < pool->count; i++) {
		struct thread *thread = &pool->threads[i];

		if (thread->running && pthread_tryjoin_np(thread->id, NULL) == 0)
			thread->running = false;
		left += thread->running;
	}
	return left;
}

static void block_signals(sigset_t *signals)
{
	sigemptyset(signals);
	sigaddset(signals, SIGTERM);
	sigaddset(signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, signals, NULL);
}

static void wait_for_signal(struct supervisor *supervisor, const sigset_t *signals)
{
	int64_t ms = supervisor_interval_ms(supervisor);
	const struct timespec step = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
	int number;

	while ((number = sigtimedwait(signals, NULL, &step)) < 0)
		supervisor_look(supervisor);
	supervisor_say_stopping(supervisor);
	log_event(LOG_INFO, "worker.stopping", LOG_INT("signal", number));
}

/* True when all threads ended in time; does not return when a second signal comes. */
static bool drain(struct pool *pool, const sigset_t *signals)
{
	const struct timespec step = {.tv_nsec = JOIN_STEP_MS * 1000000L};
	int64_t end = clock_ms() + pool->shared.config->timing_drain;
	size_t left;

	atomic_store(&pool->shared.stop, true);
	while ((left = join_finished(pool)) > 0) {
		if (clock_ms() > end) {
			log_event(LOG_ERROR, "worker.not_drained", LOG_INT("threads", left));
			return false;
		}
		if (sigtimedwait(signals, NULL, &step) > 0) {
			log_event(LOG_WARN, "worker.killed", LOG_INT("threads", left));
			_exit(EXIT_FAILED);
		}
	}
	return true;
}

static void log_start(const struct shared *shared)
{
	const struct config *config = shared->config;

	log_event(LOG_INFO, "worker.started", LOG_STR("version", CSE_VERSION),
		LOG_STR("worker", shared->worker_id), LOG_STR("deployment", config->deployment),
		LOG_INT("request_threads", config->threads_request),
		LOG_INT("operation_threads", config->threads_operation));
	if (!config->broker_tls_enabled)
		log_event(LOG_WARN, "broker.plaintext",
			LOG_STR("reason", "broker.tls.enabled is false: requests and the tokens in "
					  "them cross the network in the clear"));
}

/* From the first thread to the last. */
static void run_threads(struct pool *pool, const sigset_t *signals)
{
	struct supervisor supervisor;

	supervisor_init(&supervisor, &pool->shared);
	start_threads(pool);
	wait_for_signal(&supervisor, signals);
	/* Threads that do not end still use what would be freed later. */
	if (!drain(pool, signals))
		_exit(EXIT_FAILED);
	supervisor_release(&supervisor);
}

int pool_run(const struct config *config)
{
	struct pool pool;
	struct admin *admin;
	sigset_t signals;
	struct error err;
	int status = EXIT_DRAINED;

	log_context()->thread = "main";
	block_signals(&signals);
	pool_init(&pool, config);
	log_start(&pool.shared);
	if (admin_start(&admin, &pool.shared, &err)) {
		log_event(LOG_ERROR, "admin.not_started", LOG_STR("reason", err.msg));
		status = EXIT_FAILED;
	} else {
		run_threads(&pool, &signals);
		admin_stop(&admin);
	}
	pool_release(&pool);
	log_event(LOG_INFO, "worker.stopped");
	return status;
}
