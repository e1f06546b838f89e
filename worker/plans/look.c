/* SPDX-License-Identifier: MIT */
/* The reads of a pass: VCD's answers become facts only here. */
#include "worker/plans/evidence.h"
#include "worker/plans/twin.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/str.h"
#include "worker/claim.h"
#include "worker/cluster.h"
#include "worker/vcd/entity.h"
#include "worker/vcd/org.h"

#include <string.h>

/* The last part of the vApp's href that the entity names; "" for anything else. */
static const char *vapp_of_entity(const struct observed *seen)
{
	const char *last = str_last_segment(seen->entity_external_id);
	bool named = str_starts(last, "vapp-") && str_is_uuid(last + strlen("vapp-"));

	return named ? last + strlen("vapp-") : "";
}

/*
 * A delete beats all others, else the later start, else the greater id. A task that is final or not
 * ours to judge is weaker.
 */
static bool task_beats(
	const struct work *work, const struct vcd_task *other, const struct details *theirs)
{
	if (task_is_final(other))
		return false;
	if ((theirs->op == OPERATION_DELETE) != (work->details->op == OPERATION_DELETE))
		return theirs->op == OPERATION_DELETE;
	if (other->start_ms != work->task.start_ms)
		return other->start_ms > work->task.start_ms;
	return strcmp(other->uuid, work->task.uuid) > 0;
}

/* The entity names another task: yield to it, or take the entity back with the next write. */
static int look_rival(struct work *work, struct observed *seen, struct error *err)
{
	struct vcd_task other;
	struct details theirs;
	struct error why;

	if (!str_is_uuid(seen->entity_task) || str_eq(seen->entity_task, seen->task))
		return 0;
	if (vcd_task_get(work->vcd, seen->entity_task, &other, err))
		return error_may_retry(err->code) ? -1 : 0;
	if (details_decode(&theirs, work->arena, work->config->deployment, other.details, &why) !=
			1 ||
		!str_eq(str_or(theirs.cluster, work->cluster), work->cluster))
		return 0;
	if (task_beats(work, &other, &theirs))
		seen->stronger = seen->entity_task;
	return 0;
}

static int look_entity(struct work *work, struct observed *seen, struct error *err)
{
	struct json_object *document = NULL;

	seen->stronger = "";
	if (vcd_entity_get(work->vcd, VCD_SERVICE, work->cluster, &document, err)) {
		if (err->code != ERR_GONE)
			return -1;
		seen->entity_absent = true;
		seen->seen |= SEE_ENTITY;
		return 0;
	}
	json_release(&seen->document);
	seen->document = document;
	seen->document_ms = clock_ms();
	observed_set_entity(seen, document);
	return look_rival(work, seen, err);
}

/* The recorded vApp; else the one the entity names, a hint; else the one of the cluster's name. */
static int find_vapp(struct work *work, struct observed *seen, struct error *err)
{
	if (seen->vapp_uuid[0])
		return 0;
	if (!(seen->seen & SEE_ENTITY) && look_entity(work, seen, err))
		return -1;
	seen->vapp_uuid = arena_strdup(work->arena, vapp_of_entity(seen));
	if (seen->vapp_uuid[0] || str_empty(work->details->vdc) || !seen->entity_name[0])
		return 0;
	return vcd_vapp_find(work->vcd, VCD_SERVICE, true, str_urn_uuid(work->details->vdc),
		seen->entity_name, &seen->vapp_uuid, err);
}

/*
 * Ours without a mark: the vApp that admission recorded, or one that carries what only the caller's
 * compose gave it: our Description, which its owner may edit later, in the recorded VDC. Marked
 * ones are judged by look_marks().
 */
static void judge_vapp(struct work *work, struct observed *seen)
{
	const struct vcd_vapp *vapp = &seen->raw_vapp;
	const struct details *details = work->details;
	bool recorded = str_eq(details->vapp, vapp->uuid);

	seen->vapp_ours = false;
	seen->vapp_doubt = "it does not carry this cluster's mark";
	if (details->op != OPERATION_CREATE) {
		/* Recorded by us, in this task or one before it, never taken from the entity. */
		seen->vapp_ours = recorded;
		return;
	}
	if (details->vdc && !str_eq(str_last_segment(vapp->vdc_href), str_urn_uuid(details->vdc))) {
		seen->vapp_doubt = "it lies in another virtual data centre";
	} else if (!recorded && !str_eq(vapp->description, work->cluster)) {
		seen->vapp_doubt = "its description does not name this cluster";
	} else if (!recorded &&
		   !str_eq(str_urn_uuid(vapp->owner_urn), str_last_segment(work->task.user_href))) {
		seen->vapp_doubt = "it belongs to another user";
	} else {
		seen->vapp_ours = true;
		seen->vapp_doubt = "";
		work->details->vapp = vapp->uuid;
	}
}

/*
 * A vApp that is still being made although no task works on it: between two of VCD's tasks for a
 * moment, or for ever. A second look tells.
 */
static int get_vapp(struct work *work, const char *uuid, struct vcd_vapp *out, struct error *err)
{
	for (int looks = 0; looks < 2; looks++) {
		vcd_vapp_release(out);
		*out = (struct vcd_vapp){0};
		if (looks && work_pause(work, err))
			return -1;
		if (vcd_vapp_get(work->vcd, VCD_SERVICE, uuid, out, err))
			return -1;
		if (out->status != 0 || !str_empty(out->task_href))
			break;
	}
	return 0;
}

static int look_vapp(struct work *work, struct observed *seen, struct error *err)
{
	struct vcd_vapp vapp = {0};

	if (find_vapp(work, seen, err))
		return -1;
	seen->vapp = VAPP_ABSENT;
	seen->seen |= SEE_VAPP;
	if (seen->vapp_uuid[0] == '\0')
		return 0;
	if (get_vapp(work, seen->vapp_uuid, &vapp, err)) {
		seen->seen &= ~(unsigned)SEE_VAPP;
		if (err->code != ERR_GONE)
			return -1;
		seen->seen |= SEE_VAPP;
		return 0;
	}
	vcd_vapp_release(&seen->raw_vapp);
	seen->raw_vapp = vapp;
	observed_set_vapp(seen, work->arena, &seen->raw_vapp);
	if (seen->vapp == VAPP_BROKEN && !seen->vapp_error[0] &&
		evidence_vapp(work, seen->vapp_href, &seen->vapp_error, err)) {
		seen->seen &= ~(unsigned)SEE_VAPP;
		return -1;
	}
	judge_vapp(work, seen);
	return 0;
}

/*
 * A create that failed early left its vApp without marks. It is adopted when it names this cluster
 * and belongs to the entity's owner, who could delete it anyway.
 */
static int look_unmarked(struct work *work, struct observed *seen, struct error *err)
{
	const struct vcd_vapp *vapp = &seen->raw_vapp;

	if (observed_look(work, seen, SEE_ENTITY, err))
		return -1;
	if (seen->document && str_eq(vapp->description, work->cluster) &&
		str_eq(vapp->name, seen->entity_name) &&
		str_eq(str_urn_uuid(vapp->owner_urn),
			str_urn_uuid(json_str(seen->document, "owner.id", "-")))) {
		seen->vapp_ours = true;
		seen->vapp_doubt = "";
		/* It stays ours until it is gone, whatever is looked at in between. */
		work->details->vapp = seen->vapp_uuid;
	}
	return 0;
}

/* What the vApp's marks say; its edge is known from them too. */
static int read_marks(struct work *work, struct observed *seen, struct error *err)
{
	struct vcd_metadata *entries = NULL;
	size_t count = 0;
	const char *vdc = str_last_segment(seen->raw_vapp.vdc_href), *marked_vdc;
	bool moved;

	seen->marked_edge = "";
	if (vcd_metadata_get(work->vcd, seen->vapp_href, &entries, &count, err))
		return -1;
	seen->marked_edge = cluster_mark(entries, count, "cse.edge");
	/* A copy of the vApp may carry its marks. */
	marked_vdc = cluster_mark(entries, count, "cse.vdc");
	moved = marked_vdc[0] && !str_eq(str_urn_uuid(marked_vdc), vdc);
	seen->marked =
		!moved && str_eq(cluster_mark(entries, count, "cse.cluster.id"), work->cluster) &&
		str_eq(cluster_mark(entries, count, "cse.deployment"), work->config->deployment);
	if (moved)
		seen->vapp_doubt = "it lies in another virtual data centre";
	if (seen->marked) {
		seen->vapp_ours = true;
		seen->vapp_doubt = "";
		/* Kept in the task: when the vApp is gone nothing else knows them. */
		work->details->vapp = seen->vapp_uuid;
		if (str_empty(work->details->edge) && seen->marked_edge[0])
			work->details->edge = seen->marked_edge;
	}
	seen->edge = str_or(work->details->edge, "");
	return 0;
}

/* Whose the vApp is that was looked at. */
static int look_owner(struct work *work, struct observed *seen, struct error *err)
{
	seen->marked = false;
	if (seen->vapp == VAPP_ABSENT || seen->vapp_ours)
		return 0;
	if (read_marks(work, seen, err))
		return -1;
	return seen->vapp_ours ? 0 : look_unmarked(work, seen, err);
}

/*
 * A tenant may have changed where the entity points. A delete then looks for the cluster's name in
 * the entity's org, where each VDC may have one; the marks say which is ours.
 */
static int look_by_name(struct work *work, struct observed *seen, struct error *err)
{
	const char *seen_before = seen->vapp_uuid;
	const char **uuids;
	size_t count;

	if (work->details->op != OPERATION_DELETE || !str_empty(work->details->vapp))
		return 0;
	if (observed_look(work, seen, SEE_ENTITY, err))
		return -1;
	if (!seen->entity_name[0])
		return 0;
	if (vcd_vapp_find_in_org(
		    work->vcd, str_urn_uuid(work->org_urn), seen->entity_name, &uuids, &count, err))
		return -1;
	for (size_t i = 0; i < count && !seen->vapp_ours; i++) {
		if (str_eq(uuids[i], seen_before))
			continue;
		seen->vapp_uuid = uuids[i];
		if (look_vapp(work, seen, err) || look_owner(work, seen, err))
			return -1;
	}
	return 0;
}

static int look_marks(struct work *work, struct observed *seen, struct error *err)
{
	if (!(seen->seen & SEE_VAPP) && look_vapp(work, seen, err))
		return -1;
	if (look_owner(work, seen, err) || (!seen->vapp_ours && look_by_name(work, seen, err)))
		return -1;
	seen->seen |= SEE_MARKS;
	return 0;
}

/*
 * An edge gateway that is gone took its rules along; only a create needs it. That it is gone it has
 * to say itself.
 */
static int list_rules(struct work *work, struct observed *seen, struct vcd_nat_rule **rules,
	size_t *count, struct error *err)
{
	struct vcd_edge edge;

	if (vcd_nat_list(work->vcd, VCD_SERVICE, seen->edge, rules, count, err) == 0)
		return 0;
	if (err->code != ERR_GONE || plan_for(work->details) == &plan_cluster_create ||
		vcd_edge_get(work->vcd, VCD_SERVICE, seen->edge, &edge, err) == 0 ||
		err->code != ERR_GONE)
		return -1;
	log_event(LOG_WARN, "edge.gone", LOG_STR("edge", seen->edge));
	*count = 0;
	return 0;
}

static int look_rules(struct work *work, struct observed *seen, struct error *err)
{
	struct vcd_nat_rule *rules = NULL;
	size_t count = 0;

	if (!seen->edge[0] && work->details->op == OPERATION_DELETE) {
		if (observed_look(work, seen, SEE_ENTITY, err))
			return -1;
		seen->edge_lost |= !seen->entity_absent && seen->entity_exposed;
	}
	if (seen->edge[0] && list_rules(work, seen, &rules, &count, err))
		return -1;
	observed_set_rules(seen, work->arena, rules, count, work->attempt);
	if (seen->rule.state != EXPOSE_NONE && seen->rule.state != EXPOSE_EXTRA)
		work->unsettled = false;
	return 0;
}

/* What that task recorded is as good as a mark, which a create may not have written yet. */
static void take_over(struct work *work, struct observed *seen, const struct details *theirs)
{
	details_doubt(work->details, theirs->doubt);
	if (!work->details->twin)
		work->details->twin = theirs->twin;
	if (theirs->vapp && !work->details->vapp)
		work->details->vapp = seen->vapp_uuid = theirs->vapp;
	if (theirs->edge && !work->details->edge)
		work->details->edge = seen->edge = theirs->edge;
}

int work_superseded(
	struct work *work, struct vcd_task *out, struct details *theirs, struct error *err)
{
	struct error why;

	if (vcd_task_get(work->vcd, work->details->supersedes, out, err))
		return -1;
	return details_decode(theirs, work->arena, work->config->deployment, out->details, &why) ==
		       1 &&
	       str_eq(theirs->cluster, work->cluster);
}

/* 1: the task that a delete supersedes cannot act any more; one that is gone cannot either. */
static int superseded_ended(struct work *work, struct observed *seen, struct error *err)
{
	struct vcd_task other;
	struct details theirs = {0};
	int64_t claimed;
	int known;

	if (str_empty(work->details->supersedes))
		return 1;
	known = work_superseded(work, &other, &theirs, err);
	if (known < 0)
		return error_may_retry(err->code) ? -1 : err->code == ERR_GONE;
	/* Somebody else's, forged into the entity: it tells nothing of who works on this cluster.
	 */
	if (!known)
		return 0;
	take_over(work, seen, &theirs);
	/* Ended by somebody else, an administrator perhaps, beside a pass that did not hear of it.
	 */
	if (task_is_final(&other) && claim_is_open(&theirs.claim) &&
		clock_parse_iso(str_or(theirs.claim.at, ""), &claimed))
		details_doubt(work->details, claimed);
	return task_is_final(&other) || theirs.claim.ended;
}

/*
 * Who removes acts when nobody else does, and when what somebody has sent for would have appeared.
 * A task that neither ends nor says that its pass is over is waited for as long.
 */
static int look_superseded(struct work *work, struct observed *seen, struct error *err)
{
	int64_t wait_ms = work->config->timing_delete_wait;
	int ended = superseded_ended(work, seen, err);
	int64_t now;

	if (ended < 0)
		return -1;
	now = vcd_now_ms(work->vcd);
	seen->superseded_done = (ended || now - work->task.start_ms >= wait_ms) &&
				now - work->details->doubt >= wait_ms;
	seen->seen |= SEE_SUPERSEDED;
	return 0;
}

int observed_look(struct work *work, struct observed *seen, unsigned needs, struct error *err)
{
	static const struct {
		unsigned bit;
		int (*look)(struct work *, struct observed *, struct error *);
	} looks[] = {
		{SEE_SUPERSEDED, look_superseded},
		{SEE_TWIN, look_twin},
		{SEE_ENTITY, look_entity},
		{SEE_VAPP, look_vapp},
		{SEE_MARKS, look_marks},
		{SEE_RULES, look_rules},
	};

	for (size_t i = 0; i < ARRAY_LEN(looks); i++) {
		if ((needs & looks[i].bit) && !(seen->seen & looks[i].bit) &&
			looks[i].look(work, seen, err))
			return -1;
	}
	return 0;
}
