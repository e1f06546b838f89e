/* SPDX-License-Identifier: MIT */
#include "worker/task_record.h"

#include "common/buf.h"
#include "common/clock.h"
#include "common/str.h"
#include "worker/claim.h"

#include <inttypes.h>
#include <string.h>

enum { TEXT_MAX = 512, CAUSE_MAX = 1024, RECORD_FRESH_MS = 1000 };

void details_carry(struct details *into, const struct details *fresher)
{
	if (fresher->verdict.kind)
		into->verdict = fresher->verdict;
	/* Counted by the resync, together with the claim of the pass that it sends. */
	if (fresher->claim.pass >= into->claim.pass)
		into->revivals = fresher->revivals;
	details_doubt(into, fresher->doubt);
	if (!into->twin)
		into->twin = fresher->twin;
	if (!into->vapp)
		into->vapp = fresher->vapp;
	if (!into->edge)
		into->edge = fresher->edge;
}

void task_record_set(struct work *work, const struct vcd_task *task)
{
	work->task = *task;
	work->task_ms = clock_ms();
}

int task_record_read(struct work *work, struct error *err)
{
	struct details fresher;
	struct vcd_task task;
	struct error why;

	if (vcd_task_get(work->vcd, work->task.uuid, &task, err))
		return -1;
	task_record_set(work, &task);
	if (task_is_final(&task))
		return 1;
	/* Somebody emptied our record: what we hold is written again. */
	if (details_decode(&fresher, work->arena, work->config->deployment, task.details, &why) !=
		1)
		return 0;
	details_carry(work->details, &fresher);
	return claim_is_lost(&work->details->claim, &fresher.claim);
}

/* What is written must not be older than a moment: a verdict recorded meanwhile would be lost. */
static int refresh(struct work *work, struct error *err)
{
	return clock_ms() - work->task_ms < RECORD_FRESH_MS ? 0 : task_record_read(work, err);
}

int task_record_write(struct work *work, const char *text, int percent, struct error *err)
{
	struct vcd_task_write write = {
		.operation = text,
		.status = TASK_RUNNING,
	};
	struct vcd_task written;
	int status = refresh(work, err);

	if (status)
		return status;
	write.progress = percent > work->task.progress ? percent : work->task.progress;
	write.details = details_encode(work->arena, work->details, err);
	if (!write.details || vcd_task_put(work->vcd, &work->task, &write, &written, err))
		return -1;
	work->details->claim.replaces = NULL;
	task_record_set(work, &written);
	return 0;
}

int task_record_end(struct work *work, const char *text, const char *cause, struct error *err)
{
	struct vcd_task_write write = {
		.operation = text,
		.status = cause ? TASK_ERROR : TASK_SUCCESS,
		.error_message = cause ? arena_strndup(work->arena, cause, CAUSE_MAX) : NULL,
	};
	int status = refresh(work, err);

	if (status)
		return status;
	write.progress = cause ? work->task.progress : 100;
	work->details->claim.ended = true;
	write.details = details_encode(work->arena, work->details, err);
	if (!write.details)
		return -1;
	return vcd_task_put(work->vcd, &work->task, &write, &work->task, err);
}

const char *text_expand(
	struct arena *arena, const char *text, const char *name, const char *id, int64_t workers)
{
	CLEANUP(buf_release)
	struct buf buf;

	buf_init(&buf, TEXT_MAX);
	while (*text) {
		if (str_starts(text, "{name}")) {
			buf_add_str(&buf, name);
			text += strlen("{name}");
		} else if (str_starts(text, "{id}")) {
			buf_add_str(&buf, id);
			text += strlen("{id}");
		} else if (str_starts(text, "{workers}")) {
			buf_printf(&buf, "%" PRId64, workers);
			text += strlen("{workers}");
		} else {
			buf_add(&buf, text++, 1);
		}
	}
	return arena_strdup(arena, buf_str(&buf));
}

const char *text_quoted(struct arena *arena, const char *text)
{
	const char *open = text ? strchr(text, '\'') : NULL;

	return open ? arena_strndup(arena, open + 1, strcspn(open + 1, "'")) : "";
}
