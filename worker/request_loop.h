/* SPDX-License-Identifier: MIT */
/*
 * One request thread: receive, decode, route, handle, reply, acknowledge. The reply's confirm comes
 * before the acknowledgement, so a crash between gives a second equal reply and never none.
 */
#ifndef WORKER_REQUEST_LOOP_H
#define WORKER_REQUEST_LOOP_H

/* Runs until shared->stop; argument: struct thread_ctx. Returns NULL. */
void *request_thread(void *argument);

#endif
