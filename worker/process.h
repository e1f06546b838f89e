/* SPDX-License-Identifier: MIT */
/* What the process asks of the system before it has threads. */
#ifndef WORKER_PROCESS_H
#define WORKER_PROCESS_H

/*
 * No core dumps and no debugger (memory holds tokens), no death by a closed pipe, few heaps (each
 * thread would otherwise get one of its own).
 */
void process_harden(void);

/* The level of config key log.level, which is valid. */
void process_set_log_level(const char *name);

#endif
