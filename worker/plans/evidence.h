/* SPDX-License-Identifier: MIT */
/*
 * What there is to be known when an operation fails, before anything is undone: what the nodes said
 * last and which of VCD's own tasks failed. For operators: the log and the event of the verdict
 * carry all of it, the tenant's task only the cause.
 */
#ifndef WORKER_PLANS_EVIDENCE_H
#define WORKER_PLANS_EVIDENCE_H

#include "worker/plans/plan.h"

enum { EVIDENCE_MAX_BYTES = 64 * 1024 };

/*
 * {step, cause, vapp, nodes: [{name, role, address, on, phase, status, command, text}], tasks:
 * [{id, operation, started, error}], left_out}, at most EVIDENCE_MAX_BYTES as text, redacted; nodes
 * that failed come first. Looks at the vApp when this pass has not; what cannot be read is missing.
 * The caller releases it.
 */
struct json_object *evidence_collect(
	struct work *work, struct observed *seen, const char *step, const char *cause) MUST_CHECK;

/* One line "operation.evidence" in the log for the vApp, each node and each task. */
void evidence_log(struct json_object *evidence);

/* "mstr-ab12: nodes running, node-cd34: silent": the nodes that are not finished; "" when none. */
const char *evidence_nodes(struct arena *arena, const struct observed *seen);

/*
 * Why VCD's latest task on the vApp failed, should it have; "" otherwise. A broken vApp itself does
 * not tell. One query, and one read of the task. As vcd_task_failures on failure.
 */
int evidence_vapp(
	struct work *work, const char *vapp_href, const char **out, struct error *err) MUST_CHECK;

#endif
