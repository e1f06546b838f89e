/* SPDX-License-Identifier: MIT */
/* Which counter an event belongs to: tables from statuses, classes and outcomes to rows. */
#ifndef WORKER_COUNT_H
#define WORKER_COUNT_H

#include "worker/details.h"
#include "worker/thread.h"
#include "worker/vcd/vcd.h"

/* An answered request, by its HTTP status; ms since its delivery. */
void count_request(struct shared *shared, int status, int64_t ms);

/* A task that was ended here. */
void count_operation(struct shared *shared, enum operation operation, bool failed);

/* What to give vcd_shared_watch(): data is the struct shared. */
struct vcd_watch count_vcd(struct shared *shared) MUST_CHECK;

#endif
