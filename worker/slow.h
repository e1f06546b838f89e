/* SPDX-License-Identifier: MIT */
/*
 * Keeps threads free for quick requests: of T request threads at most T - 4 are in slow handlers,
 * at most T / 2 for one org. What does not get in is answered at once, without asking VCD.
 */
#ifndef WORKER_SLOW_H
#define WORKER_SLOW_H

#include "worker/thread.h"

/* False: too many already. True: call slow_leave with the same org when the handler returned. */
bool slow_enter(struct shared *shared, const char *org) MUST_CHECK;
void slow_leave(struct shared *shared, const char *org);

#endif
