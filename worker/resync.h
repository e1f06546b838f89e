/* SPDX-License-Identifier: MIT */
/*
 * The search for unfinished work: one thread of one worker asks VCD for the running tasks of this
 * deployment, at the start and every timing.resync, and revives those that nobody works on. So work
 * is lost with no message, nor with all of them.
 */
#ifndef WORKER_RESYNC_H
#define WORKER_RESYNC_H

/*
 * Body of a thread, for pthread_create; data is its struct thread_ctx. It has a connection of its
 * own and leads while that holds the exclusive queue; else it waits to. Ends when the worker stops.
 */
void *resync_thread(void *data);

#endif
