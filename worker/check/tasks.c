/* SPDX-License-Identifier: MIT */
#include "worker/vcd/task.h"

#include "common/str.h"
#include "worker/check/row.h"
#include "worker/revival.h"

#include <inttypes.h>

/* Each is read on its own. */
enum { TASKS_MAX = 1000 };

struct check_task {
	struct vcd_task task;
	struct details details;
	bool ours;
};

/* "3 h 5 min" */
static const char *age_text(struct arena *arena, int64_t ms)
{
	int64_t minutes = ms / 60000;

	if (minutes < 60)
		return arena_printf(arena, "%" PRId64 " min", minutes);
	return arena_printf(arena, "%" PRId64 " h %" PRId64 " min", minutes / 60, minutes % 60);
}

static int64_t age_of(const struct check_state *state, const struct check_task *at)
{
	return vcd_now_ms(state->vcd) - at->task.start_ms;
}

/* 1 with *out; 0 when it has ended meanwhile; -1. */
static int read_task(
	struct check *check, const char *uuid, struct check_task *out, struct error *err)
{
	const struct config *config = &check->state->config;
	struct error ignored;

	*out = (struct check_task){0};
	if (vcd_task_get(check->state->vcd, uuid, &out->task, err))
		return err->code == ERR_GONE ? 0 : -1;
	/* A record of ours that cannot be read is shown among the others: nobody will go on. */
	out->ours = details_decode(&out->details, &check->arena, config->deployment,
			    out->task.details, &ignored) == 1;
	return !task_is_final(&out->task);
}

static int read_tasks(struct check *check, struct error *err)
{
	struct check_state *state = check->state;
	struct vcd_task_ref *found;
	size_t count;

	if (vcd_task_running(check_vcd(check), &found, &count, err))
		return -1;
	if (count > TASKS_MAX)
		count = TASKS_MAX;
	state->tasks = arena_alloc(&check->arena, (count + 1) * sizeof(*state->tasks));
	for (size_t i = 0; i < count; i++) {
		int got = read_task(check, found[i].uuid, &state->tasks[state->task_count], err);

		if (got < 0)
			return -1;
		state->task_count += got > 0;
	}
	return 0;
}

static void judge_ours(struct check *check, const struct check_task *at)
{
	const struct check_state *state = check->state;

	if (revival_judge(&state->config, &at->task, &at->details, vcd_now_ms(state->vcd), 0) ==
		REVIVAL_NONE)
		return;
	check_add(check, CHECK_WARN, at->task.uuid,
		"start a worker: within timing.resync one takes it up; if one runs, its log says "
		"why it does not",
		"%s: started %s ago, and nobody works on it", at->task.operation,
		age_text(&check->arena, age_of(state, at)));
}

void check_tasks(struct check *check)
{
	const struct check_state *state = check->state;
	size_t ours = 0;
	struct error err;

	if (read_tasks(check, &err)) {
		check_add(check, CHECK_FAIL, "", check_vcd_remedy(&err), "%s", err.msg);
		return;
	}
	for (size_t i = 0; i < state->task_count; i++) {
		ours += state->tasks[i].ours;
		if (state->tasks[i].ours)
			judge_ours(check, &state->tasks[i]);
	}
	if (check_worst(check) == CHECK_OK)
		check_add(check, CHECK_OK, "", "",
			"%zu unfinished of this deployment, %zu of others", ours,
			state->task_count - ours);
}

/* Whose it is, as far as its record tells. */
static const char *maker_of(struct arena *arena, const struct vcd_task *task)
{
	const char *deployment = details_deployment(arena, task->details);

	if (!deployment)
		return "no cse-worker made it (CSE?)";
	return arena_printf(arena, "of deployment %.64s", deployment);
}

void check_orphans(struct check *check)
{
	const struct check_state *state = check->state;
	const struct config *config = &state->config;

	for (size_t i = 0; i < state->task_count; i++) {
		const struct check_task *at = &state->tasks[i];
		int64_t age = age_of(state, at);
		bool old = age > config->timing_deadline_create;

		if (at->ours)
			continue;
		check_add(check, old ? CHECK_WARN : CHECK_OK, at->task.uuid,
			old ? "no operation takes that long: if its server is gone, end the task "
			      "in VCD; this worker never touches it"
			    : "",
			"%s: %s, user %s, running for %s", at->task.operation,
			maker_of(&check->arena, &at->task), at->task.user_name,
			age_text(&check->arena, age));
	}
	if (!check->first)
		check_add(check, CHECK_OK, "", "", "no unfinished task of others");
}
