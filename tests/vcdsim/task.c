/* SPDX-License-Identifier: MIT */
/* The life of tasks and the locks they hold. The legacy API's calls on them are in task_api.c. */
#include "common/clock.h"
#include "common/mem.h"
#include "common/str.h"
#include "tests/vcdsim/objects.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { NO_END = -1 };

int64_t sim_wall_ms(const struct sim *sim)
{
	return clock_wall_ms() + sim->options.clock_ahead_s * 1000;
}

bool task_is_final(const struct sim_task *task)
{
	return str_eq(task->status, "success") || str_eq(task->status, "error") ||
	       str_eq(task->status, "aborted") || str_eq(task->status, "canceled");
}

struct sim_task *task_start(struct sim *sim, struct sim_session *session,
	const char *operation_name, const char *operation, int64_t delay_ms,
	void (*done)(struct sim *, struct sim_task *), void *object)
{
	struct sim_task *task = xcalloc(1, sizeof(*task));

	uuid_make(task->uuid);
	task->status = "queued"; /* until the next tick, as VCD shows it for a moment */
	task->operation_name = operation_name;
	task->operation = keep(sim, operation);
	task->service_namespace = "com.vmware.vcloud";
	task->user = session == NULL ? NULL : session->user;
	task->org = session == NULL ? NULL : session->user->org;
	task->progress = -1;
	task->started_wall_ms = sim_wall_ms(sim);
	task->due_ms = delay_ms < 0 ? NO_END : clock_ms() + delay_ms;
	task->done = done;
	task->object = object;
	task->next = sim->tasks;
	sim->tasks = task;
	return task;
}

void task_fail(struct sim_task *task, const char *minor, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (task->error_message != NULL)
		return; /* the first cause is the one to show */
	task->error_message = xstrdup(text);
	task->error_minor = minor;
}

void task_finish(struct sim *sim, struct sim_task *task)
{
	if (task_is_final(task))
		return;
	if (task->ordered_error != NULL)
		task_fail(task, "INTERNAL_SERVER_ERROR", "%s", task->ordered_error);
	if (task->done != NULL && (task->ordered_error == NULL || task->cleans_up))
		task->done(sim, task);
	task->status = task->error_message == NULL ? "success" : "error";
	if (task->error_message == NULL)
		task->progress = 100;
	task->ended_wall_ms = sim_wall_ms(sim);
}

void tasks_end_due(struct sim *sim)
{
	int64_t now = clock_ms();

	for (struct sim_task *task = sim->tasks; task != NULL; task = task->next) {
		if (!task->external && !task_is_final(task) && task->due_ms != NO_END &&
			now >= task->due_ms)
			task_finish(sim, task);
	}
}

void tasks_tick(struct sim *sim)
{
	for (struct sim_task *task = sim->tasks; task != NULL; task = task->next) {
		if (!task->external && str_eq(task->status, "queued"))
			task->status = "running";
	}
	tasks_end_due(sim);
}

void tasks_free(struct sim *sim)
{
	while (sim->tasks != NULL) {
		struct sim_task *task = sim->tasks;

		sim->tasks = task->next;
		if (!task->external)
			free((void *)(uintptr_t)task->error_message);
		free(task);
	}
}

static bool locks(const struct sim_task *task, const char *id)
{
	for (size_t i = 0; i < ARRAY_LEN(task->locks); i++) {
		if (task->locks[i] != NULL && str_eq(task->locks[i], id))
			return true;
	}
	return false;
}

struct sim_task *lock_holder(struct sim *sim, const char *id)
{
	for (struct sim_task *task = sim->tasks; task != NULL; task = task->next) {
		if (!task->external && !task_is_final(task) && locks(task, id))
			return task;
	}
	return NULL;
}

struct sim_task *failed_task(struct sim *sim, const char *id)
{
	for (struct sim_task *task = sim->tasks; task != NULL; task = task->next) {
		if (!task->external && str_eq(task->status, "error") && locks(task, id))
			return task;
	}
	return NULL;
}

/* "vdcRecomposeVapp" as VCD writes it in its lock messages: VDC_RECOMPOSE_VAPP. */
static const char *upper_snake(struct arena *arena, const char *camel)
{
	char *out = arena_alloc(arena, 2 * 128 + 1);
	size_t used = 0;

	for (size_t i = 0; camel[i] != '\0' && used < 250; i++) {
		bool upper = camel[i] >= 'A' && camel[i] <= 'Z';
		bool lower = camel[i] >= 'a' && camel[i] <= 'z';

		if (upper && i > 0)
			out[used++] = '_';
		out[used++] = lower ? (char)(camel[i] - 'a' + 'A') : camel[i];
	}
	return out;
}

char *lock_busy_text(struct sim *sim, struct arena *arena, const char *type, const char *id)
{
	const struct sim_task *task = lock_holder(sim, id);

	if (task == NULL)
		return NULL;
	const char *operation = upper_snake(arena, task->operation_name);

	return arena_printf(arena,
		"The entity Ref: com.vmware.vcloud.entity.%s:%s is busy completing an operation "
		"%s. "
		"%s(com.vmware.vcloud.entity.task:%s)",
		type, str_urn_uuid(id), operation, operation, task->uuid);
}

bool reply_if_busy(struct sim *sim, const struct sim_request *req, struct sim_reply *reply,
	const char *type, const char *id)
{
	const char *text = lock_busy_text(sim, req->arena, type, id);

	if (text == NULL)
		return false;
	reply_error(req, reply, 400, "BUSY_ENTITY", "%s", text);
	return true;
}
