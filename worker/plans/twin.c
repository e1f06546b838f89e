/* SPDX-License-Identifier: MIT */
#include "worker/plans/twin.h"

#include "common/json.h"
#include "common/log.h"
#include "common/str.h"
#include "worker/cluster.h"
#include "worker/vcd/entity.h"

/* Another delivery of the request has a task of its own, and answers for what that has made. */
static bool is_twin(const struct work *work, struct json_object *document)
{
	const char *href = json_str(document, "entity.status.task_href", "");

	return str_eq(str_last_segment(href), work->details->twin.task) &&
	       str_eq(json_str(document, "org.id", ""), work->org_urn) &&
	       !str_eq(json_str(document, "id", ""), work->cluster);
}

static int find_twin(struct work *work, struct observed *seen, struct error *err)
{
	CLEANUP(json_release)
	struct json_object *list = NULL;

	if (vcd_entity_find(work->vcd, VCD_SERVICE, "externalId",
		    arena_printf(
			    work->arena, CLUSTER_REQUEST_PREFIX "%s", work->details->twin.request),
		    &list, err))
		return -1;
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *document = json_object_array_get_idx(list, i);

		if (!is_twin(work, document))
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
	if (details->twin.request && find_twin(work, seen, err))
		return -1;
	if (details->twin.request && seen->twin == TWIN_NONE &&
		vcd_now_ms(work->vcd) - details->doubt < work->config->timing_delete_wait)
		seen->twin = TWIN_MAY_COME;
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

/* VCD deletes resolved entities only, and resolves valid ones only: its owner may write it too. */
int act_twin(struct work *work, struct observed *seen, struct error *err)
{
	if (vcd_entity_resolve(work->vcd, VCD_SERVICE, seen->twin_urn, err) == 0 &&
		vcd_entity_delete(work->vcd, VCD_SERVICE, seen->twin_urn, err) == 0) {
		log_event(LOG_INFO, "entity.twin_removed", LOG_STR("twin", seen->twin_urn));
	} else if (error_may_retry(err->code)) {
		return -1;
	} else if (err->code != ERR_GONE) {
		/* No reason to give the cluster up. */
		log_event(LOG_WARN, "entity.twin_left", LOG_STR("twin", seen->twin_urn),
			LOG_STR("reason", err->msg));
		seen->twin = TWIN_NONE;
		return 0;
	}
	seen->seen &= ~(unsigned)SEE_TWIN;
	return 0;
}
