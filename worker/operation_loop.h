/* SPDX-License-Identifier: MIT */
/*
 * The thread that works operations off: receive, run one pass, publish the next one, acknowledge.
 * The order is what keeps work from being lost: the follow-up is confirmed before the old message
 * goes.
 */
#ifndef WORKER_OPERATION_LOOP_H
#define WORKER_OPERATION_LOOP_H

/* Body of a thread, for pthread_create; data is its struct thread_ctx. Ends when the worker stops.
 */
void *operation_thread(void *data);

#endif
