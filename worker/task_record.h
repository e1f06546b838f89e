/* SPDX-License-Identifier: MIT */
/*
 * Writing an operation's own task. Every write reads first and carries forward what another worker
 * may have recorded since: verdict, revivals, doubt, twin, and vApp and edge once they are known.
 */
#ifndef WORKER_TASK_RECORD_H
#define WORKER_TASK_RECORD_H

#include "worker/plans/plan.h"

/* Takes verdict, revivals and doubt, and twin, vapp and edge where unset, from a fresher record.
 * Pure. */
void details_carry(struct details *into, const struct details *fresher);

/* Keeps what was read or written just now. */
void task_record_set(struct work *work, const struct vcd_task *task);

/*
 * Reads the task into work->task and carries its record forward. 0; 1 when the task is final or its
 * claim is not that of work->details any more: somebody else goes on. -1 as vcd_task_get.
 */
int task_record_read(struct work *work, struct error *err) MUST_CHECK;

/*
 * PUT of text, percent (never going back) and record; work->task is what VCD answered. Reads first
 * when the last read is older than a second: 1 as task_record_read, nothing was written then.
 */
int task_record_write(
	struct work *work, const char *text, int percent, struct error *err) MUST_CHECK;

/* The last write, as above: success with `text`, or error with `text` and `cause` if not NULL. */
int task_record_end(
	struct work *work, const char *text, const char *cause, struct error *err) MUST_CHECK;

/* Replaces {name}, {id} and {workers} in a step's text. */
const char *text_expand(
	struct arena *arena, const char *text, const char *name, const char *id, int64_t workers);

/* The text between the first quotes of a task's text: the cluster's name while VCD was not asked.
 */
const char *text_quoted(struct arena *arena, const char *text);

#endif
