/* SPDX-License-Identifier: MIT */
/*
 * One pass of an operation: read the task, claim it, look at VCD, do what is missing, say what
 * comes next. Short, and safe to be killed at any line: whatever comes after looks again.
 */
#ifndef WORKER_PASS_H
#define WORKER_PASS_H

#include "worker/operation.h"
#include "worker/thread.h"

/* An undo is given up after so many of its operation's deadlines. */
enum { GIVE_UP_DEADLINES = 2 };

struct pass_result {
	bool again; /* publish `next` after delay_ms, then acknowledge; else only acknowledge */
	struct operation_message next;
	int64_t delay_ms;
};

/*
 * Runs the pass that the message asks for, with ctx->vcd and ctx->arena; lasts at most timing.pass.
 * lag_ms is how late messages arrive on average. -1 (INVALID): the task's record cannot be read and
 * nothing can be done: park the message.
 */
int pass_run(struct thread_ctx *ctx, const struct operation_message *message, bool redelivered,
	int64_t lag_ms, struct pass_result *out, struct error *err) MUST_CHECK;

#endif
