/* SPDX-License-Identifier: MIT */
/*
 * `cse-worker check`: looks at everything a worker needs before it is started, or while it runs,
 * and changes nothing. It never asks VCD for a change (the client refuses them here), makes nothing
 * at the broker and takes no message.
 */
#ifndef WORKER_CHECK_H
#define WORKER_CHECK_H

#include "common/base.h"

#include <stdio.h>

struct check_options {
	const char *config_path;
	bool json;    /* one object at the end instead of a line per finding */
	bool orphans; /* also the unfinished tasks that are not this deployment's */
};

/*
 * Runs all checks and writes to out. Blocks for at most the sum of the rows' limits (checks.def).
 * Returns the program's exit status: 0 all is well, 1 there are warnings, 2 something fails. A
 * check that did not come back in time leaves a thread behind: end the process then
 * with _exit, as *hangs says.
 */
int check_run(const struct check_options *options, FILE *out, bool *hangs) MUST_CHECK;

#endif
