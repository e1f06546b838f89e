/* SPDX-License-Identifier: MIT */
/*
 * The main thread's regular look at the others: says in log and to systemd whether the worker is
 * well, and feeds the watchdog.
 *
 * The watchdog is for what a restart mends: it is fed while no thread is past its deadline. A
 * broker or a VCD that is away is no reason to be killed; reconnecting is what the threads do
 * anyway.
 */
#ifndef WORKER_SUPERVISE_H
#define WORKER_SUPERVISE_H

#include "worker/sd_notify.h"
#include "worker/thread.h"

struct supervisor {
	struct shared *shared;
	struct sd_notify notify;
	int64_t start_ms;
	bool announced;	  /* READY=1 was sent: consuming for the first time */
	char status[512]; /* the latest STATUS */
};

void supervisor_init(struct supervisor *supervisor, struct shared *shared);
void supervisor_release(struct supervisor *supervisor);

/* How often supervisor_look() is to be called, in milliseconds. */
int64_t supervisor_interval_ms(const struct supervisor *supervisor);

void supervisor_look(struct supervisor *supervisor);

/* STOPPING=1. */
void supervisor_say_stopping(struct supervisor *supervisor);

#endif
