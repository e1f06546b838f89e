/* SPDX-License-Identifier: MIT */
/*
 * How a pass ends: another one is sent, a verdict is recorded, or the task is ended. What cannot be
 * written now is done by the next pass. All of them fill pass->out, and ask VCD.
 */
#ifndef WORKER_PASS_END_H
#define WORKER_PASS_END_H

#include "worker/pass_state.h"
#include "worker/reconcile.h"

/* VCD works on what the step waits for: comes again when that usually is done. */
void pass_wait(struct pass *pass, const struct outcome *outcome);

/* The step failed for now, or the pass itself (NULL): comes again, later after each failure. */
void pass_retry(struct pass *pass, const struct step *step, const struct error *cause);

/* The step's act or look failed; for now, or for good, which ends in a verdict. */
void pass_failed(struct pass *pass, const struct reconcile *input, const struct step *step,
	const struct error *cause);

/*
 * A step cannot be met: because a stronger task took over, or for a reason of its own. What cannot
 * be undone now is tried again until it can.
 */
void pass_give_up(struct pass *pass, const struct step *step, const struct error *cause);

/* Records what failed and why, durably, before anything is undone; later passes walk the undo plan.
 */
void pass_verdict(struct pass *pass, const char *step, const char *cause);

/* Every step of the plan that was walked is met. */
void pass_finish(struct pass *pass, const struct plan *walked);

/* Ends the task, well without a cause: the last write of an operation. */
void pass_end(struct pass *pass, const char *text, const char *cause);

#endif
