/* SPDX-License-Identifier: MIT */
#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/str.h"
#include "worker/check/check.h"
#include "worker/check/row.h"
#include "worker/options.h"
#include "worker/vcd/vcd.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A row's calls end at its limit by themselves; only what cannot be bounded takes longer. */
enum { GRACE_MS = 1000 };

const struct check_row check_rows[] = {
#define CHECK(function_, name_, needs_, group_, limit_s_, always_)                                 \
	{.name = (name_),                                                                          \
		.needs = (needs_),                                                                 \
		.group = CHECK_##group_,                                                           \
		.limit_ms = (limit_s_)*INT64_C(1000),                                              \
		.always = (always_),                                                               \
		.run = function_},
#include "worker/check/checks.def"
#undef CHECK
};
const size_t check_row_count = ARRAY_LEN(check_rows);

static struct check *check_new(const struct check_row *row, struct check_state *state)
{
	struct check *check = xcalloc(1, sizeof(*check));

	check->row = row;
	check->state = state;
	check->end_ms = clock_ms() + row->limit_ms;
	check->last = &check->first;
	return check;
}

void check_free(struct check **check)
{
	if (*check)
		arena_reset(&(*check)->arena);
	free(*check);
	*check = NULL;
}

void check_add(struct check *check, enum check_result result, const char *object,
	const char *remedy, const char *fmt, ...)
{
	struct check_finding *finding = arena_alloc(&check->arena, sizeof(*finding));
	CLEANUP(free_str)
	char *found = NULL;
	va_list args;
	int len;

	va_start(args, fmt);
	len = vasprintf(&found, fmt, args);
	va_end(args);
	if (len < 0)
		abort();
	*finding = (struct check_finding){
		.result = result,
		.object = str_or(object, ""),
		.found = arena_strdup(&check->arena, found),
		.remedy = str_or(remedy, ""),
	};
	*check->last = finding;
	check->last = &finding->next;
}

enum check_result check_worst(const struct check *check)
{
	enum check_result worst = CHECK_OK;

	for (const struct check_finding *at = check->first; at; at = at->next)
		if (at->result > worst)
			worst = at->result;
	return worst;
}

int check_left_ms(const struct check *check)
{
	int64_t left = check->end_ms - clock_ms();

	return left > 1 ? (int)left : 1;
}

/* A row in its thread. The thread owns it once nobody waits for it any more. */
struct running {
	struct check *check;
	pthread_mutex_t mutex; /* protects done */
	pthread_cond_t changed;
	bool done;
};

static void *run_row(void *data)
{
	struct running *running = data;

	running->check->row->run(running->check);
	pthread_mutex_lock(&running->mutex);
	running->done = true;
	pthread_cond_signal(&running->changed);
	pthread_mutex_unlock(&running->mutex);
	return NULL;
}

static struct timespec deadline_in(int64_t ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	return until;
}

static bool wait_for_row(struct running *running)
{
	struct timespec until = deadline_in(running->check->row->limit_ms + GRACE_MS);
	bool done;

	pthread_mutex_lock(&running->mutex);
	while (!running->done &&
		pthread_cond_timedwait(&running->changed, &running->mutex, &until) == 0)
		;
	done = running->done;
	pthread_mutex_unlock(&running->mutex);
	return done;
}

/* False when the row did not come back; its check then belongs to its thread. */
static bool run_limited(struct check *check)
{
	struct running *running = xcalloc(1, sizeof(*running));
	pthread_condattr_t attributes;
	pthread_t thread;

	running->check = check;
	pthread_mutex_init(&running->mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&running->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	if (pthread_create(&thread, NULL, run_row, running) != 0)
		abort();
	if (!wait_for_row(running)) {
		pthread_detach(thread);
		return false;
	}
	pthread_join(thread, NULL);
	pthread_cond_destroy(&running->changed);
	pthread_mutex_destroy(&running->mutex);
	free(running);
	return true;
}

/* The first needed check that is not there to build on; NULL when all are. */
static const struct check *unmet_need(
	struct arena *arena, struct check *const *checks, size_t count, const char *needs)
{
	const char *rest = *needs ? needs : NULL;
	const char *start;
	size_t len;

	while ((start = str_next(&rest, ' ', &len))) {
		const char *name = arena_strndup(arena, start, len);

		for (size_t i = 0; i < count; i++)
			if (str_eq(checks[i]->row->name, name) &&
				check_worst(checks[i]) >= CHECK_FAIL)
				return checks[i];
	}
	return NULL;
}

bool check_rows_run(struct check **checks, const struct check_row *rows, size_t count,
	struct check_state *state, bool extra, void (*done)(const struct check *check, void *data),
	void *data)
{
	const char *hanging[CHECK_GROUPS] = {NULL};
	bool all_back = true;

	for (size_t i = 0; i < count; i++) {
		const struct check_row *row = &rows[i];
		const struct check *unmet;

		checks[i] = check_new(row, state);
		unmet = unmet_need(&checks[i]->arena, checks, i, row->needs);
		if (!row->always && !extra)
			continue;
		if (hanging[row->group]) {
			check_add(checks[i], CHECK_SKIPPED, "", "", "%s still hangs",
				hanging[row->group]);
		} else if (unmet) {
			check_add(
				checks[i], CHECK_SKIPPED, "", "", "%s is not ok", unmet->row->name);
		} else if (!run_limited(checks[i])) {
			checks[i] = check_new(row, state);
			check_add(checks[i], CHECK_FAIL, "",
				"look for a peer or a name server that accepts and is silent",
				"no answer within %lld s", (long long)(row->limit_ms / 1000));
			hanging[row->group] = row->name;
			all_back = false;
		}
		done(checks[i], data);
	}
	return all_back;
}

static void release_state(struct check_state *state)
{
	bus_free(&state->bus);
	vcd_free(&state->vcd);
	vcd_shared_free(&state->vcd_shared);
	config_release(&state->config);
	free(state);
}

static void print_lines(const struct check *check, void *data)
{
	check_print_lines(check, data);
}

static void print_later(const struct check *check, void *data)
{
	(void)check;
	(void)data;
}

/* As monitoring knows them: ok, warning, critical. */
static int exit_status(struct check *const *checks, size_t count)
{
	enum { STATUS_OK, STATUS_WARN, STATUS_FAIL };
	size_t totals[CHECK_RESULTS];

	check_count(checks, count, totals);
	if (totals[CHECK_FAIL])
		return STATUS_FAIL;
	return totals[CHECK_WARN] + totals[CHECK_SKIPPED] ? STATUS_WARN : STATUS_OK;
}

int check_run(const struct check_options *options, FILE *out, bool *hangs)
{
	struct check_state *state = xcalloc(1, sizeof(*state));
	struct check *checks[ARRAY_LEN(check_rows)] = {NULL};
	const size_t count = ARRAY_LEN(checks);
	int status;

	log_set_level(LOG_NONE); /* the rows say it all */
	state->config_path = options->config_path;
	*hangs = !check_rows_run(checks, check_rows, count, state, options->orphans,
		options->json ? print_later : print_lines, out);
	if (options->json)
		check_print_json(checks, count, &state->config, out);
	else
		check_print_totals(checks, count, out);
	status = exit_status(checks, count);
	if (*hangs)
		return status;
	for (size_t i = 0; i < count; i++)
		check_free(&checks[i]);
	release_state(state);
	return status;
}
