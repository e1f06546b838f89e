/* SPDX-License-Identifier: MIT */
/*
 * Un-expose: the NAT rules of our name are made absent and read back. Nodes never notice, since all
 * of them use the internal address.
 */
#include "worker/plans/plan.h"

#include "common/json.h"
#include "common/str.h"

static enum condition check_owned(const struct observed *seen, struct error *why)
{
	if (!(seen->seen & SEE_MARKS))
		return COND_UNSEEN;
	if (seen->want_expose) {
		error_set(why, ERR_INVALID,
			"Exposing a cluster later is not supported by this version");
		return COND_FAILED;
	}
	if (seen->vapp == VAPP_ABSENT || !seen->control_plane.name) {
		error_set(why, ERR_GONE, "The cluster's vApp or its control plane does not exist");
		return COND_FAILED;
	}
	if (!seen->vapp_ours) {
		error_set(why, ERR_DENIED,
			"The vApp that its entity names is not this cluster's: %s",
			seen->vapp_doubt);
		return COND_FAILED;
	}
	return COND_MET;
}

static enum condition check_rule(const struct observed *seen, struct error *why)
{
	(void)why;
	if (!(seen->seen & SEE_RULES))
		return COND_UNSEEN;
	return seen->our_rule ? COND_UNMET : COND_MET;
}

static int act_rule(struct work *work, struct observed *seen, struct error *err)
{
	return work_rule_delete(work, seen, seen->our_rule, err);
}

static bool entity_is_final(const struct observed *seen)
{
	return str_eq(seen->entity_phase, "UPDATE:SUCCEEDED") &&
	       str_eq(seen->entity_task, seen->task) && !seen->entity_exposed &&
	       !seen->entity_expose && str_eq(seen->entity_cp_ip, seen->control_plane.ip);
}

static enum condition check_entity_named(const struct observed *seen, struct error *why)
{
	if (!(seen->seen & SEE_ENTITY))
		return COND_UNSEEN;
	if (!seen->entity_absent && !seen->stronger[0])
		return COND_MET;
	error_set(why, ERR_CONFLICT, "Superseded by task %s", seen->stronger);
	return COND_FAILED;
}

/* Written again by each pass that has not seen the end: cheaper than reading it. */
static enum condition check_address(const struct observed *seen, struct error *why)
{
	(void)why;
	if (seen->marks_written)
		return COND_MET;
	return (seen->seen & SEE_ENTITY) && entity_is_final(seen) ? COND_MET : COND_UNMET;
}

static int act_address(struct work *work, struct observed *seen, struct error *err)
{
	return work_marks_write(work, seen, MARKS_IP, seen->control_plane.ip, err);
}

static enum condition check_final(const struct observed *seen, struct error *why)
{
	enum condition named = check_entity_named(seen, why);

	if (named != COND_MET)
		return named;
	return entity_is_final(seen) ? COND_MET : COND_UNMET;
}

static void edit_final(struct work *work, struct observed *seen, struct json_object *document)
{
	const struct cluster_change change = {.exposed = 0, .expose = 0, .workers = -1};

	work_nodes_set(work, seen, document, seen->control_plane.ip);
	cluster_apply(document, &change);
}

static int act_final(struct work *work, struct observed *seen, struct error *err)
{
	if (work_entity_put(work, seen, "UPDATE:SUCCEEDED", edit_final, err))
		return -1;
	seen->seen &= ~(unsigned)SEE_ENTITY; /* read back before the task may say so */
	return 0;
}

#define TEXT "Un-exposing cluster '{name}' ({id})"

static const struct step steps[] = {
	{"owned", TEXT, 10, 5, SEE_MARKS, check_owned, NULL},
	{"superseded", TEXT, 10, 5, SEE_SUPERSEDED, check_superseded, NULL},
	{"rule", TEXT, 30, 5, SEE_RULES, check_rule, act_rule},
	{"address", TEXT, 60, 1, 0, check_address, act_address},
	{"final", "Updating cluster `{name}` ({id}) defined entity", 90, 1, SEE_ENTITY, check_final,
		act_final},
};

const struct plan plan_cluster_unexpose = {"un-expose", steps, ARRAY_LEN(steps)};
