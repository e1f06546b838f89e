/* SPDX-License-Identifier: MIT */
/* What an operation's task says at its end; see text_expand() for what stands in braces. */
#ifndef WORKER_OPERATION_TEXT_H
#define WORKER_OPERATION_TEXT_H

#include "worker/plans/observed.h"

const char *operation_error_text(enum operation op);

/* With what the owner should know of a success, as far as this pass has seen it. */
const char *operation_done_text(enum operation op, const struct observed *seen);

/* The error of a task with a verdict: step, cause, and what to do now. In the arena. */
const char *operation_cause(struct arena *arena, const struct details *details, bool undone);

#endif
