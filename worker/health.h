/* SPDX-License-Identifier: MIT */
/*
 * Three questions about this worker, answered from what its threads last said: nobody is asked, and
 * nothing blocks. Each appends its reasons to a list of sentences that name threads and counts,
 * never a tenant's object.
 */
#ifndef WORKER_HEALTH_H
#define WORKER_HEALTH_H

#include "common/json.h"
#include "worker/thread.h"

/* No thread is past the deadline of what it does: what a restart would mend. */
bool health_moving(struct shared *shared, struct json_object *reasons);

/* Requests and operations are consumed: connected, objects declared, and not about to stop. */
bool health_consuming(struct shared *shared, struct json_object *reasons);

/* There is a session with VCD. */
bool health_session(struct shared *shared, struct json_object *reasons);

#endif
