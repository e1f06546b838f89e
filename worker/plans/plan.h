/* SPDX-License-Identifier: MIT */
/* What the acts of plans work with, and the plans. */
#ifndef WORKER_PLANS_PLAN_H
#define WORKER_PLANS_PLAN_H

#include "worker/cluster.h"
#include "worker/details.h"
#include "worker/plans/observed.h"
#include "worker/reconcile.h"
#include "worker/thread.h"
#include "worker/vcd/task.h"

/* One pass's means. Borrowed members outlive the pass. */
struct work {
	struct thread_ctx *ctx;
	const struct config *config;
	struct vcd *vcd;
	struct arena *arena;
	struct vcd_task task;	 /* as read or written last */
	int64_t task_ms;	 /* clock_ms() of that */
	struct details *details; /* its record; looks and acts may add vapp, edge, doubt and twin,
				  the next write keeps them */
	bool unsettled;		 /* a NAT rule was sent for that nobody has seen or refused yet */
	const char *cluster;	 /* entity URN */
	const char *org_urn;
	int64_t mutate_until_ms;	  /* clock_ms() after which VCD is not changed any more */
	int64_t attempt;		  /* failures in a row before this pass */
	struct cluster_template template; /* name NULL until work_template() read it */
	/* Sleeps in small pieces and keeps the broker connection alive; TRANSIENT when that is
	 * gone. */
	int (*pause)(struct work *work, int64_t ms, struct error *err);
};

/*
 * The plan an operation walks now: its own, or what a verdict leaves to do. A verdict "rollback"
 * walks the delete plan, "fail" only makes the entity say so.
 */
const struct plan *plan_for(const struct details *details);

extern const struct plan plan_cluster_create;
extern const struct plan plan_cluster_unexpose;
extern const struct plan plan_cluster_delete;
extern const struct plan plan_cluster_failed;

/* Can nothing of an earlier operation, or of this one, appear any more? For plans that remove. */
enum condition check_superseded(const struct observed *seen, struct error *why);

/* Reads from VCD what is not seen yet of `needs`: the engine's look. */
int observed_look(
	struct work *work, struct observed *seen, unsigned needs, struct error *err) MUST_CHECK;

/*
 * Reads the task that a delete supersedes. 1: its record, in *theirs, is of this cluster; 0: the
 * task is none of this cluster's business, whatever its entity said when the delete was accepted.
 */
int work_superseded(struct work *work, struct vcd_task *out, struct details *theirs,
	struct error *err) MUST_CHECK;

/* Longest wait inside a pass for one of VCD's own tasks. */
enum { TASK_WAIT_MS = 15000 };

/* Pauses as long as such a task usually takes: a little more than the shortest rung. */
int work_pause(struct work *work, struct error *err) MUST_CHECK;

/* Pauses for the usual time, then waits for the task. As vcd_task_wait. */
int work_wait(
	struct work *work, const char *task_href, const char *what, struct error *err) MUST_CHECK;

/* Reads the wanted template into work->template, once per pass. */
int work_template(struct work *work, struct error *err) MUST_CHECK;

/*
 * Writes the entity: what a moment ago was read, merged with the change, this operation's task and
 * `edit` (may be NULL). Afterwards the entity counts as seen only as far as VCD's answer says.
 * Reads again first unless the last read was just now. INVALID: VCD refuses the content.
 */
int work_entity_put(struct work *work, struct observed *seen, const char *phase,
	void (*edit)(struct work *work, struct observed *seen, struct json_object *document),
	struct error *err) MUST_CHECK;

/*
 * Makes the entity's phase say that the operation failed, unless it is gone or a stronger task has
 * it. The record has its verdict already.
 */
int work_entity_fail(struct work *work, struct observed *seen, struct error *err) MUST_CHECK;

/* Resolves the entity when VCD has not done so; INVALID with VCD's message. */
int work_entity_resolve(struct work *work, struct observed *seen, struct error *err) MUST_CHECK;

/* Which of the vApp's metadata: only the address, what makes it ours, or what others read too. */
enum marks { MARKS_IP, MARKS_OURS, MARKS_ALL };

/* Writes them, with the address `ip` unless it is "", and waits for VCD. */
int work_marks_write(struct work *work, struct observed *seen, enum marks which, const char *ip,
	struct error *err) MUST_CHECK;

/*
 * Sets status.nodes of a document to the VMs that were seen; the control plane's address is given,
 * "" while it is not to be told.
 */
void work_nodes_set(struct work *work, const struct observed *seen, struct json_object *document,
	const char *control_plane_ip);

/* Makes the rule that exposes the control plane, on a free address or on `address` if it is not "".
 */
int work_rule_create(struct work *work, struct observed *seen, const char *address,
	struct error *err) MUST_CHECK;

/*
 * Writes ExtraConfig of one VM and gives VCD its usual time; the vApp counts as unseen. Our write
 * before it (seen->vm_task, not NULL) is waited for when VCD is still busy with it; 1: that takes
 * too long for this pass, nothing was written.
 */
int work_vm_write(struct work *work, struct observed *seen, const struct vcd_vm *vm,
	const struct vcd_extra *changes, size_t count, struct error *err) MUST_CHECK;

/*
 * For a write that a look does not show: waits for VCD's task of it. 1: still running, or not to be
 * told now; -1: it failed.
 */
int work_vm_settle(struct work *work, struct observed *seen, struct error *err) MUST_CHECK;

/* Deletes a NAT rule of ours; absent is success. The rules count as unseen. Call it again while
 * listed. */
int work_rule_delete(struct work *work, struct observed *seen, const struct vcd_nat_rule *rule,
	struct error *err) MUST_CHECK;

#endif
