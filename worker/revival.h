/* SPDX-License-Identifier: MIT */
/*
 * What becomes of one unfinished task that the resync found. A task whose claim is old has lost its
 * messages, or the worker that held them: it gets another pass. One that was never accepted is
 * ended. Tasks without a record of this deployment are left alone.
 *
 * Two workers may do this at once, and the operation may be alive after all: the pass that is sent
 * has a number and a claim like any other, so that one of two chains ends.
 */
#ifndef WORKER_REVIVAL_H
#define WORKER_REVIVAL_H

#include "worker/details.h"
#include "worker/thread.h"
#include "worker/vcd/task.h"

enum revival {
	REVIVAL_NONE,	/* final, or alive */
	REVIVAL_ORPHAN, /* nobody has claimed it, and admission may have died before accepting it */
	REVIVAL_PASS,	/* its next pass is sent */
	REVIVAL_END,	/* sent again and again, and no pass has ended: ended with an error */
};

/* now_ms is VCD's clock, lag_ms how late messages arrive on average. Pure. */
enum revival revival_judge(const struct config *config, const struct vcd_task *task,
	const struct details *details, int64_t now_ms, int64_t lag_ms);

/*
 * Reads the task, judges and does it, with ctx->vcd, ctx->bus and ctx->arena after vcd_begin(). 1
 * when a message was published, 0 when not, -1 with the error of VCD or the broker: the next round
 * tries again.
 */
int revival_run(struct thread_ctx *ctx, const char *task, struct error *err) MUST_CHECK;

#endif
