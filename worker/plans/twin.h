/* SPDX-License-Identifier: MIT */
/*
 * The twin of a cluster's entity. VCD does not keep the names of entities apart, and a create whose
 * POST had no answer makes its entity once more: should VCD make the first one after all, then
 * there are two of one request. The record says so (details.twin, with the time in details.doubt).
 * Whoever ends the create, or deletes the cluster later, waits as long as the other one may appear,
 * and removes it; changes in between hand the mark on. By then no delivery of the request is under
 * way any more; copies that have a task of their own answer for what they have made.
 */
#ifndef WORKER_PLANS_TWIN_H
#define WORKER_PLANS_TWIN_H

#include "worker/plans/plan.h"

/* The look of SEE_TWIN: two queries by externalId, none when the record knows of no twin. */
int look_twin(struct work *work, struct observed *seen, struct error *err) MUST_CHECK;

enum condition check_twin(const struct observed *seen, struct error *why);
int act_twin(struct work *work, struct observed *seen, struct error *err) MUST_CHECK;

#endif
