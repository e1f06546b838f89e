/* SPDX-License-Identifier: MIT */
/*
 * The process: starts the threads, waits for a signal, ends them. The only file that creates
 * threads. Signals are blocked everywhere and taken here, so no handler ever runs.
 *
 * Lock order: no thread holds two of the mutexes in struct shared at a time.
 */
#ifndef WORKER_POOL_H
#define WORKER_POOL_H

#include "config/config.h"

/*
 * Runs the worker until SIGTERM or SIGINT: threads finish what they hold, at most timing.drain.
 * Returns the exit status: 0 drained, 1 not in time
 * or the admin port cannot be opened. A second signal ends the process at once.
 */
int pool_run(const struct config *config) MUST_CHECK;

#endif
