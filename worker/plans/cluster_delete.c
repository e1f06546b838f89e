/* SPDX-License-Identifier: MIT */
/*
 * Delete, from every state; what is absent is done. The rules go first, because an address they
 * forward to may belong to somebody else as soon as the vApp is gone; rules and vApp are looked at
 * once more after it; the entity goes last, since with it nothing would lead back to the rest. The
 * same plan undoes a failed create whose verdict says so.
 */
#include "worker/plans/create_steps.h"
#include "worker/plans/twin.h"

#include "common/json.h"
#include "common/log.h"
#include "common/str.h"
#include "worker/cluster.h"
#include "worker/vcd/entity.h"
#include "worker/vcd/network.h"

/* ---- a verdict's mark on the entity, before anything is undone ---- */

static enum condition check_failed(const struct observed *seen, struct error *why)
{
	(void)why;
	if (!seen->failed_phase[0])
		return COND_MET;
	if (!(seen->seen & SEE_ENTITY))
		return COND_UNSEEN;
	/* An entity that a stronger task owns says what that task wants. */
	return seen->entity_absent || seen->stronger[0] ||
			       str_eq(seen->entity_phase, seen->failed_phase)
		       ? COND_MET
		       : COND_UNMET;
}

static int act_failed(struct work *work, struct observed *seen, struct error *err)
{
	if (work_entity_put(work, seen, seen->failed_phase, NULL, err))
		return err->code == ERR_CONFLICT || err->code == ERR_GONE ? 0 : -1;
	return 0;
}

/* A change that failed half-way: exposed is what the rules say. */
static void edit_kept(struct work *work, struct observed *seen, struct json_object *document)
{
	const struct cluster_change change = {
		.exposed = seen->our_rule != NULL, .expose = seen->our_rule != NULL, .workers = -1};
	const char *ip = seen->our_rule ? seen->our_rule->external : seen->control_plane.ip;

	(void)work;
	cluster_apply(document, &change);
	if (!str_empty(ip))
		json_set_str(document, "entity.status.nodes.control_plane.ip", ip);
}

/* The same for an operation that keeps what there is. What VCD does not show stays as it was. */
static int act_kept(struct work *work, struct observed *seen, struct error *err)
{
	bool known = work->details->op != OPERATION_CREATE;

	if (known && observed_look(work, seen, SEE_MARKS | SEE_RULES, err)) {
		if (error_may_retry(err->code))
			return -1;
		known = false;
	}
	known = known && seen->edge[0];
	if (work_entity_put(work, seen, seen->failed_phase, known ? edit_kept : NULL, err))
		return err->code == ERR_CONFLICT || err->code == ERR_GONE ? 0 : -1;
	return 0;
}

/* ---- a delete's own mark ---- */

/*
 * A stale write of the operation before may have taken it away: whoever reads the entity then sees
 * a task that is over, and an apply would be welcome.
 */
static enum condition check_named(const struct observed *seen, struct error *why)
{
	(void)why;
	if (seen->failed_phase[0] || seen->named)
		return COND_MET;
	if (!(seen->seen & SEE_ENTITY))
		return COND_UNSEEN;
	return seen->entity_absent || seen->stronger[0] || str_eq(seen->entity_task, seen->task)
		       ? COND_MET
		       : COND_UNMET;
}

static int act_named(struct work *work, struct observed *seen, struct error *err)
{
	/* VCD may refuse what the owner has made of the entity: no reason to keep the cluster. */
	seen->named = true;
	if (work_entity_put(work, seen, "DELETE:IN_PROGRESS", NULL, err) == 0)
		return 0;
	return error_may_retry(err->code) ? -1 : 0;
}

/* ---- delete ---- */

enum condition check_superseded(const struct observed *seen, struct error *why)
{
	(void)why;
	if (!(seen->seen & SEE_SUPERSEDED))
		return COND_UNSEEN;
	return seen->superseded_done ? COND_MET : COND_PENDING;
}

static enum condition check_rules(const struct observed *seen, struct error *why)
{
	(void)why;
	/* The marks tell the edge, so they come first. */
	if (!(seen->seen & SEE_MARKS) || !(seen->seen & SEE_RULES))
		return COND_UNSEEN;
	return seen->our_rule ? COND_UNMET : COND_MET;
}

static int act_rules(struct work *work, struct observed *seen, struct error *err)
{
	return work_rule_delete(work, seen, seen->our_rule, err);
}

/* A vApp that is not ours is as good as none: an entity's href is only a hint. */
static bool has_vapp(const struct observed *seen)
{
	return seen->vapp != VAPP_ABSENT && seen->vapp_ours;
}

static enum condition check_off(const struct observed *seen, struct error *why)
{
	(void)why;
	if (!(seen->seen & SEE_VAPP))
		return COND_UNSEEN;
	if (!has_vapp(seen))
		return COND_MET;
	if (seen->vapp == VAPP_BUSY)
		return COND_PENDING;
	return seen->vapp_on && !seen->undeployed ? COND_UNMET : COND_MET;
}

static int act_off(struct work *work, struct observed *seen, struct error *err)
{
	const char *task = NULL;

	if (vcd_undeploy(work->vcd, VCD_SERVICE, seen->vapp_href, &task, err)) {
		if (err->code != ERR_GONE)
			return -1;
		seen->seen &= ~(unsigned)SEE_VAPP;
		return 0;
	}
	/* Still busy when the delete is sent: VCD says so, and a later pass sends it again. */
	seen->undeployed = true;
	return work_pause(work, err);
}

static enum condition check_vapp(const struct observed *seen, struct error *why)
{
	(void)why;
	if (!(seen->seen & SEE_VAPP))
		return COND_UNSEEN;
	return has_vapp(seen) ? COND_UNMET : COND_MET;
}

static int act_vapp(struct work *work, struct observed *seen, struct error *err)
{
	/* Both are looked at again: a pass of the task before this one may have been under way. */
	seen->seen &= ~(unsigned)(SEE_VAPP | SEE_RULES);
	/* Still there after it was removed: VCD's task says why. */
	if (seen->vapp_task)
		return vcd_task_wait(work->vcd, STEAL(seen->vapp_task), TASK_WAIT_MS,
			"Removing the cluster's vApp", err);
	if (vcd_vapp_delete(work->vcd, VCD_SERVICE, seen->vapp_uuid, &seen->vapp_task, err))
		return err->code == ERR_GONE ? 0 : -1;
	return work_pause(work, err);
}

static enum condition check_entity(const struct observed *seen, struct error *why)
{
	(void)why;
	/* Deleting needs no look before; what counts is the look afterwards. */
	return (seen->seen & SEE_ENTITY) && seen->entity_absent ? COND_MET : COND_UNMET;
}

/* VCD deletes resolved entities only, and resolves valid ones only. */
static int make_deletable(struct work *work, struct observed *seen, struct error *err)
{
	const char *phase = seen->failed_phase[0] ? seen->failed_phase : "DELETE:IN_PROGRESS";

	seen->seen &= ~(unsigned)SEE_ENTITY;
	if (observed_look(work, seen, SEE_ENTITY, err))
		return -1;
	if (seen->entity_absent)
		return 0;
	if (work_entity_put(work, seen, phase, NULL, err) || work_entity_resolve(work, seen, err))
		return -1;
	return vcd_entity_delete(work->vcd, VCD_SERVICE, work->cluster, err);
}

static int act_entity(struct work *work, struct observed *seen, struct error *err)
{
	int failed = vcd_entity_delete(work->vcd, VCD_SERVICE, work->cluster, err);

	if (failed && err->code == ERR_INVALID)
		failed = make_deletable(work, seen, err);
	if (failed && err->code != ERR_GONE)
		return -1;
	seen->seen &= ~(unsigned)SEE_ENTITY;
	return observed_look(work, seen, SEE_ENTITY, err);
}

/* A chain whose messages were lost would never end its task itself. */
static enum condition check_ended(const struct observed *seen, struct error *why)
{
	(void)why;
	return !seen->supersedes || seen->superseded_ended ? COND_MET : COND_UNMET;
}

/*
 * Only a task whose record names this cluster: the entity, which its owner may write, told of it. A
 * create that died in admission names none, and is ended by the resync.
 */
static int act_ended(struct work *work, struct observed *seen, struct error *err)
{
	struct vcd_task other;
	struct details theirs;
	struct vcd_task_write write = {.status = TASK_ERROR};
	int known = work_superseded(work, &other, &theirs, err);

	if (known < 0 && err->code != ERR_GONE)
		return -1;
	if (known > 0 && !task_is_final(&other)) {
		write.operation = other.operation;
		write.details = other.details;
		write.progress = other.progress;
		write.error_message =
			arena_printf(work->arena, "Superseded by task %s", work->task.uuid);
		if (vcd_task_put(work->vcd, &other, &write, NULL, err))
			return -1;
	}
	seen->superseded_ended = true;
	return 0;
}

#define TEXT "Deleting cluster '{name}' ({id})"

static const struct step steps[] = {
	{"failed", "Error creating cluster '{name}'. Deleting cluster (rollback=True)", 0, 1,
		SEE_ENTITY, check_failed, act_failed},
	{"named", TEXT, 5, 1, SEE_ENTITY, check_named, act_named},
	{"superseded", TEXT, 5, 5, SEE_SUPERSEDED, check_superseded, NULL},
	{"rules", TEXT, 15, 5, SEE_MARKS | SEE_RULES, check_rules, act_rules},
	{"power-off", TEXT, 35, 5, SEE_VAPP, check_off, act_off},
	{"vapp", TEXT, 60, 5, SEE_VAPP, check_vapp, act_vapp},
	{"twin", TEXT, 90, 5, SEE_TWIN, check_twin, act_twin},
	{"entity", TEXT, 90, 1, SEE_ENTITY, check_entity, act_entity},
	{"superseded-end", TEXT, 95, 1, 0, check_ended, act_ended},
};

const struct plan plan_cluster_delete = {"delete", steps, ARRAY_LEN(steps)};

/* ---- what a failed operation keeps ---- */

/* What nodes were to take has no use any more, and every process in them may read it. */
static enum condition check_kept_secrets(const struct observed *seen, struct error *why)
{
	bool create = str_eq(seen->failed_phase, operation_failed_phase(OPERATION_CREATE));

	if (!create || seen->secrets_given_up)
		return COND_MET;
	if (!(seen->seen & SEE_VAPP))
		return COND_UNSEEN;
	return has_vapp(seen) ? check_secrets(seen, why) : COND_MET;
}

static int act_kept_secrets(struct work *work, struct observed *seen, struct error *err)
{
	int status = act_secrets(work, seen, err);

	/* A refusal counts when another look did not help. */
	if (status >= 0 || error_may_retry(err->code) || work->attempt == 0)
		return status;
	/* The failure is told all the same. */
	log_event(LOG_WARN, "vapp.secrets_left", LOG_STR("reason", err->msg));
	seen->secrets_given_up = true;
	return 0;
}

/*
 * A create that failed before its vApp was marked: once its task is gone, only the marks tell a
 * delete at which edge to look for its rule.
 */
static enum condition check_kept_marks(const struct observed *seen, struct error *why)
{
	(void)why;
	if (!seen->want_expose || !seen->edge[0] || seen->marks_written)
		return COND_MET;
	if (!(seen->seen & SEE_VAPP))
		return COND_UNSEEN;
	return has_vapp(seen) && !seen->control_plane.has_data ? write_condition(seen) : COND_MET;
}

static int act_kept_marks(struct work *work, struct observed *seen, struct error *err)
{
	if (work_marks_write(work, seen, MARKS_OURS, "", err) == 0)
		return 0;
	if (error_may_retry(err->code))
		return -1;
	log_event(LOG_WARN, "vapp.not_marked", LOG_STR("reason", err->msg));
	seen->marks_written = true;
	return 0;
}

#define TEXT_KEPT "Error in cluster '{name}' ({id})"

/* The entity first: whoever looks learns of the failure, however long the vApp stays busy. */
static const struct step failed_steps[] = {
	{"failed", TEXT_KEPT, 0, 1, SEE_ENTITY, check_failed, act_kept},
	{"secrets", TEXT_KEPT, 0, 1, SEE_VAPP, check_kept_secrets, act_kept_secrets},
	{"marks", TEXT_KEPT, 0, 1, SEE_VAPP, check_kept_marks, act_kept_marks},
	{"twin", TEXT_KEPT, 0, 5, SEE_TWIN, check_twin, act_twin},
};

const struct plan plan_cluster_failed = {"failed", failed_steps, ARRAY_LEN(failed_steps)};
