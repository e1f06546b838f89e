/* SPDX-License-Identifier: MIT */
#include "worker/plans/twin.h"

#include "common/json.h"
#include "common/log.h"
#include "common/str.h"
#include "worker/cluster.h"
#include "worker/vcd/entity.h"
#include "worker/vcd/org.h"
#include "worker/vcd/vapp.h"

enum { TRIES = 3 };

/* The task of a create and its user are in both entities; later both have the same owner still. */
static bool is_of_request(
	const struct work *work, const struct observed *seen, struct json_object *document)
{
	if (work->details->op == OPERATION_CREATE)
		return cluster_is_made_for(
			document, work->task.uuid, str_last_segment(work->task.user_href));
	return seen->document && str_eq(json_str(document, "owner.id", ""),
					 json_str(seen->document, "owner.id", "-"));
}

static bool is_left(const struct observed *seen, const char *urn)
{
	for (size_t i = 0; i < seen->twins_left_count; i++) {
		if (str_eq(seen->twins_left[i], urn))
			return true;
	}
	return false;
}

/*
 * Entities are written by whom their owners let: a claim may be forged, also of a cluster that is
 * in use.
 */
static bool is_twin(
	const struct work *work, const struct observed *seen, struct json_object *document)
{
	const char *id = json_str(document, "id", "");
	const char *phase = json_str(document, "entity.status.phase", "");

	return !str_eq(id, work->cluster) && !is_left(seen, id) &&
	       str_eq(json_str(document, "org.id", ""), work->org_urn) &&
	       (str_eq(phase, "CREATE:IN_PROGRESS") || str_eq(phase, "CREATE:FAILED")) &&
	       is_of_request(work, seen, document);
}

static int find_twin(struct work *work, struct observed *seen, bool again, struct error *err)
{
	CLEANUP(json_release)
	struct json_object *list = NULL;

	if (vcd_entity_find(work->vcd, VCD_SERVICE, "externalId",
		    cluster_claim(work->arena, work->details->twin, again), &list, err))
		return -1;
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *document = json_object_array_get_idx(list, i);

		if (!is_twin(work, seen, document))
			continue;
		seen->twin = TWIN_THERE;
		seen->twin_urn = arena_strdup(work->arena, json_str(document, "id", ""));
		seen->twin_name = arena_strdup(work->arena, json_str(document, "name", ""));
		seen->twin_owner = arena_strdup(work->arena, json_str(document, "owner.id", ""));
	}
	return 0;
}

static int find_twins(struct work *work, struct observed *seen, struct error *err)
{
	/* Its owner is compared. */
	if (work->details->op != OPERATION_CREATE && observed_look(work, seen, SEE_ENTITY, err))
		return -1;
	return find_twin(work, seen, false, err) || find_twin(work, seen, true, err) ? -1 : 0;
}

int look_twin(struct work *work, struct observed *seen, struct error *err)
{
	const struct details *details = work->details;

	seen->twin = TWIN_NONE;
	if (details->twin &&
		vcd_now_ms(work->vcd) - details->doubt < work->config->timing_delete_wait)
		seen->twin = TWIN_MAY_COME;
	else if (details->twin && seen->twins_left_count < TWINS_MAX &&
		 find_twins(work, seen, err)) {
		if (error_may_retry(err->code))
			return -1;
		log_event(LOG_WARN, "entity.twin_not_looked_for", LOG_STR("reason", err->msg));
	}
	seen->seen |= SEE_TWIN;
	return 0;
}

enum condition check_twin(const struct observed *seen, struct error *why)
{
	(void)why;
	if (!(seen->seen & SEE_TWIN))
		return COND_UNSEEN;
	if (seen->twin == TWIN_THERE)
		return COND_UNMET;
	return seen->twin == TWIN_MAY_COME ? COND_PENDING : COND_MET;
}

/* A mark is written by the service alone, when a create goes on: then it is a cluster, no twin. */
static int refuse_marked(
	struct work *work, struct observed *seen, const struct vcd_vapp *vapp, struct error *err)
{
	struct vcd_metadata *entries = NULL;
	size_t count = 0;

	if (vcd_metadata_get(work->vcd, vapp->href, &entries, &count, err))
		return -1;
	if (!str_eq(cluster_mark(entries, count, "cse.cluster.id"), seen->twin_urn))
		return 0;
	return error_set(err, ERR_DENIED, "Its vApp is a cluster's");
}

/*
 * The vApp that a delivery had made for it before it died: only the twin leads to it. 0: there is
 * none; 1: it is being removed.
 */
static int remove_vapp(struct work *work, struct observed *seen, struct error *err)
{
	CLEANUP(vcd_vapp_release)
	struct vcd_vapp vapp = {0};
	const char *uuid, *task;

	if (str_empty(work->details->vdc))
		return 0;
	if (vcd_vapp_find(work->vcd, VCD_SERVICE, true, str_urn_uuid(work->details->vdc),
		    seen->twin_name, &uuid, err))
		return -1;
	if (uuid[0] == '\0')
		return 0;
	if (vcd_vapp_get(work->vcd, VCD_SERVICE, uuid, &vapp, err))
		return err->code == ERR_GONE ? 0 : -1;
	if (!str_eq(vapp.description, seen->twin_urn) ||
		!str_eq(str_urn_uuid(vapp.owner_urn), str_urn_uuid(seen->twin_owner)))
		return 0;
	if (refuse_marked(work, seen, &vapp, err))
		return -1;
	return vcd_vapp_delete(work->vcd, VCD_SERVICE, uuid, &task, err) ? -1 : 1;
}

/* A cluster that is made need not wait for it; of one that is removed nothing may stay. */
static bool may_stay(const struct work *work, const struct error *err)
{
	if (!error_may_retry(err->code))
		return true;
	return plan_for(work->details) == &plan_cluster_create && work->attempt >= TRIES;
}

/*
 * VCD deletes resolved entities only, and resolves valid ones only: its owner may write it too. One
 * that stays is no reason to give the cluster up.
 */
int act_twin(struct work *work, struct observed *seen, struct error *err)
{
	int removed = remove_vapp(work, seen, err);

	seen->seen &= ~(unsigned)SEE_TWIN;
	if (removed > 0)
		return 1;
	if (removed == 0 && vcd_entity_resolve(work->vcd, VCD_SERVICE, seen->twin_urn, err) == 0 &&
		vcd_entity_delete(work->vcd, VCD_SERVICE, seen->twin_urn, err) == 0) {
		log_event(LOG_INFO, "entity.twin_removed", LOG_STR("twin", seen->twin_urn));
		return 0;
	}
	if (!may_stay(work, err))
		return -1;
	/* One that is gone may be listed still. */
	if (err->code != ERR_GONE)
		log_event(LOG_WARN, "entity.twin_left", LOG_STR("twin", seen->twin_urn),
			LOG_STR("reason", err->msg));
	seen->twins_left[seen->twins_left_count++] = seen->twin_urn;
	return 0;
}
