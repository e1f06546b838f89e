/* SPDX-License-Identifier: MIT */
#include "worker/plans/twin.h"

#include "common/json.h"
#include "common/log.h"
#include "common/str.h"
#include "worker/cluster.h"
#include "worker/vcd/entity.h"

enum { TRIES = 3 };

/*
 * Entities are written by their owners: one whose claim is forged must at least be of the task's
 * org, and still look like a create that nobody has accepted.
 */
static bool is_twin(
	const struct work *work, const struct observed *seen, struct json_object *document)
{
	const char *id = json_str(document, "id", "");

	return !str_eq(id, work->cluster) && !str_eq(id, seen->twin_left) &&
	       str_eq(json_str(document, "org.id", ""), work->org_urn) &&
	       str_starts(json_str(document, "entity.status.phase", ""), "CREATE:");
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
	}
	return 0;
}

int look_twin(struct work *work, struct observed *seen, struct error *err)
{
	const struct details *details = work->details;

	seen->twin = TWIN_NONE;
	if (details->twin &&
		vcd_now_ms(work->vcd) - details->doubt < work->config->timing_delete_wait)
		seen->twin = TWIN_MAY_COME;
	else if (details->twin &&
		 (find_twin(work, seen, false, err) || find_twin(work, seen, true, err)))
		return -1;
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

/*
 * VCD deletes resolved entities only, and resolves valid ones only: its owner may write it too. One
 * that stays is no reason to give the cluster up.
 */
int act_twin(struct work *work, struct observed *seen, struct error *err)
{
	seen->seen &= ~(unsigned)SEE_TWIN;
	if (vcd_entity_resolve(work->vcd, VCD_SERVICE, seen->twin_urn, err) == 0 &&
		vcd_entity_delete(work->vcd, VCD_SERVICE, seen->twin_urn, err) == 0) {
		log_event(LOG_INFO, "entity.twin_removed", LOG_STR("twin", seen->twin_urn));
		return 0;
	}
	/* VCD still lists it. */
	if (err->code == ERR_GONE)
		return 1;
	if (error_may_retry(err->code) && work->attempt < TRIES)
		return -1;
	log_event(LOG_WARN, "entity.twin_left", LOG_STR("twin", seen->twin_urn),
		LOG_STR("reason", err->msg));
	seen->twin_left = seen->twin_urn;
	return 0;
}
