/* SPDX-License-Identifier: MIT */
/*
 * One JSON message per change of a task of ours, for whoever watches: exchange "<prefix>.events"
 * (topic). Routing key:
 *
 *	task.<create|update|delete|unknown>.<running|success|error|verdict>
 *
 * Body, members left out when unknown:
 *
 *	version 1 · id (uuid of the event) · time (ISO, VCD's clock) · event (the routing key)
 *	deployment · worker · operation · task (uuid) · cluster (URN) · org (URN) · user (name)
 *	request_id · pass · status · text · percent
 *	error: the task's, with status error
 *	verdict {v: rollback|fail, step, cause}: once the operation has failed
 *	evidence {…}: with key verdict only; see plans/evidence.h. It comes before the first undo.
 *
 * Events tell, they decide nothing: an event may come twice or, while the broker is away, blocked
 * or without that exchange, never. The task in VCD is what counts. No event carries a secret.
 */
#ifndef WORKER_EVENTS_H
#define WORKER_EVENTS_H

#include "worker/details.h"
#include "worker/thread.h"
#include "worker/vcd/task.h"

/*
 * For vcd_on_task(); data: the struct thread_ctx whose connection is used. Waits for the broker's
 * confirm for a second at most; what does not arrive is counted and logged.
 */
void event_task(void *data, const struct vcd_task *task, const struct vcd_task_write *write);

/* The verdict over the task's operation with its evidence (borrowed). As event_task. */
void event_verdict(struct thread_ctx *ctx, const struct vcd_task *task,
	const struct details *details, struct json_object *evidence);

#endif
