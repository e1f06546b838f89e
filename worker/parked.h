/* SPDX-License-Identifier: MIT */
/*
 * The commands for the parked queue. Each holds all its messages while it works and gives back what
 * it did not settle: ended at any line, nothing is lost; at worst something stands there twice.
 */
#ifndef WORKER_PARKED_H
#define WORKER_PARKED_H

#include "config/config.h"

#include <stdio.h>

enum parked_action { PARKED_NONE, PARKED_LIST, PARKED_SHOW, PARKED_RETRY, PARKED_DROP };

struct parked_options {
	enum parked_action action;
	const char *id; /* borrowed; NULL: none */
	bool all;	/* retry, drop: every one that can be */
	bool json;
};

/*
 * Connects, works, prints. Returns an exit status: 0 done, 1 a problem, which is on stderr: the
 * broker, no such id, one that cannot be retried, another of these commands at work.
 */
int parked_run(
	const struct config *config, const struct parked_options *options, FILE *out) MUST_CHECK;

#endif
