/* SPDX-License-Identifier: MIT */
/*
 * From a composed vApp to a cluster. Admission made the vApp with the caller's token; everything
 * here is done by the service and may be done twice. What a node needs is written before it boots:
 * address first (it goes into the certificate), then the control plane's data with the secrets that
 * are made once, then the workers', from what VCD shows of the control plane.
 *
 * A step that a later one proves is met without asking VCD: data in a node says that entity,
 * address and marks were there before. So waiting costs one read.
 */
#include "worker/plans/create_steps.h"
#include "worker/plans/twin.h"

#include "common/json.h"
#include "common/str.h"
#include "worker/vcd/entity.h"

#include <inttypes.h>

/* Longer than another cluster looks before it moves. */
enum { SHARED_LOOKS = 2 * EXPOSE_LOOKS };

/* ---- vApp ---- */

static enum condition check_vapp(const struct observed *seen, struct error *why)
{
	if (!(seen->seen & SEE_VAPP))
		return COND_UNSEEN;
	switch (seen->vapp) {
	case VAPP_ABSENT:
		error_set(why, ERR_GONE, "The cluster's vApp does not exist any more");
		return COND_FAILED;
	case VAPP_BROKEN:
		error_set(why, ERR_INVALID, "VCD could not make the vApp: %.300s",
			str_empty(seen->vapp_error) ? "no reason given" : seen->vapp_error);
		return COND_FAILED;
	case VAPP_BUSY:
		/* Later VCD works on it because of us: what matters then is what the nodes say. */
		return seen->control_plane.has_data ? COND_MET : COND_PENDING;
	case VAPP_READY:
		break;
	}
	if (!seen->vapp_ours) {
		error_set(why, ERR_DENIED, "The vApp that is named is not this cluster's: %s",
			seen->vapp_doubt);
		return COND_FAILED;
	}
	if (!seen->control_plane.name || (int64_t)seen->worker_count != seen->want_workers) {
		error_set(why, ERR_INVALID,
			"The vApp has %s control plane and %zu of %" PRId64 " workers%s%.200s",
			seen->control_plane.name ? "a" : "no", seen->worker_count,
			seen->want_workers, seen->vapp_error[0] ? ": " : "", seen->vapp_error);
		return COND_FAILED;
	}
	return COND_MET;
}

/* ---- entity ---- */

/* `otherwise` unless a stronger task, or nobody, has the entity. */
static enum condition check_rival_or(
	const struct observed *seen, enum condition otherwise, struct error *why)
{
	if (seen->entity_absent) {
		error_set(why, ERR_CONFLICT, "The cluster's entity was deleted");
		return COND_FAILED;
	}
	if (seen->stronger[0]) {
		error_set(why, ERR_CONFLICT, "Superseded by task %s", seen->stronger);
		return COND_FAILED;
	}
	return otherwise;
}

/*
 * VCD validates an entity when it is resolved, and deletes it only afterwards. Admission wrote it
 * and nobody resolves it but us, so it is done without a look; names and addresses follow at the
 * end.
 */
static enum condition check_entity(const struct observed *seen, struct error *why)
{
	if (seen->control_plane.has_data || seen->resolved)
		return COND_MET;
	return seen->seen & SEE_ENTITY ? check_rival_or(seen, COND_UNMET, why) : COND_UNMET;
}

static int act_entity(struct work *work, struct observed *seen, struct error *err)
{
	if (vcd_entity_resolve(work->vcd, VCD_SERVICE, work->cluster, err))
		return -1;
	seen->resolved = true;
	return 0;
}

/* ---- external address ---- */

static enum condition check_address(const struct observed *seen, struct error *why)
{
	if (!seen->want_expose || seen->control_plane.has_data)
		return COND_MET;
	if (!seen->edge[0]) {
		error_set(why, ERR_INVALID,
			"The cluster's network has no edge gateway that could expose it");
		return COND_FAILED;
	}
	if (!seen->control_plane.ip[0])
		return COND_PENDING;
	/* The first pass of all has no rule to find; a twin's is found by the listing afterwards.
	 */
	if (!(seen->seen & SEE_RULES))
		return seen->untouched ? COND_UNMET : COND_UNSEEN;
	return seen->rule.state == EXPOSE_SETTLED ? COND_MET : COND_UNMET;
}

static int act_address(struct work *work, struct observed *seen, struct error *err)
{
	seen->untouched = false;
	switch (seen->rule.state) {
	case EXPOSE_NONE:
		return work_rule_create(work, seen, "", err);
	case EXPOSE_EXTRA:
	case EXPOSE_YIELD:
		return work_rule_delete(work, seen, seen->rule.rule, err);
	case EXPOSE_WAIT:
		return error_set(err, ERR_BUSY,
			"External address %s has two users, the other one has to move",
			seen->rule.rule->external);
	case EXPOSE_SETTLED:
		break;
	}
	return 0;
}

/* ---- marks ---- */

static const char *master_ip(const struct observed *seen)
{
	return seen->want_expose ? seen->external : seen->control_plane.ip;
}

static enum condition check_marks(const struct observed *seen, struct error *why)
{
	(void)why;
	return seen->control_plane.has_data || seen->marks_written ? COND_MET : COND_UNMET;
}

static int act_marks(struct work *work, struct observed *seen, struct error *err)
{
	return work_marks_write(work, seen, MARKS_ALL, master_ip(seen), err);
}

/* ---- the end ---- */

/*
 * The rule is looked at once more: a tenant may have removed it while the nodes booted, or of the
 * rules that two passes had made the other one was kept. It comes back to the certificate's
 * address, unless somebody has that by now.
 */
static enum condition check_rule(const struct observed *seen, struct error *why)
{
	const char *told = seen->control_plane.external;
	const struct vcd_nat_rule *rule = seen->rule.rule, *other;

	if (!seen->want_expose)
		return COND_MET;
	if (!(seen->seen & SEE_RULES))
		return COND_UNSEEN;
	if (seen->rule.state == EXPOSE_SETTLED && str_eq(seen->external, told))
		return COND_MET;
	other = expose_other_at(seen->rules, seen->rule_count, seen->cluster, told);
	if (!other || seen->rule.state == EXPOSE_EXTRA || (rule && str_eq(rule->external, told)))
		return COND_UNMET;
	error_set(why, ERR_INVALID,
		"External address %s, which is in the cluster's certificate, is used by NAT rule "
		"'%s' now",
		told, str_or(other->name, ""));
	return COND_FAILED;
}

static int act_rule(struct work *work, struct observed *seen, struct error *err)
{
	const char *told = seen->control_plane.external;
	const struct vcd_nat_rule *rule = seen->rule.rule;
	bool shared = seen->rule.state == EXPOSE_WAIT || seen->rule.state == EXPOSE_YIELD;

	if (!rule)
		return work_rule_create(work, seen, told, err);
	/* Whoever has no certificate yet moves; nobody else does. */
	if (shared && str_eq(rule->external, told))
		return error_set(err, work->attempt < SHARED_LOOKS ? ERR_BUSY : ERR_INVALID,
			"External address %s, which is in the cluster's certificate, has another "
			"user that does not move",
			told);
	return work_rule_delete(work, seen, rule, err);
}

static const char *shown_ip(const struct observed *seen)
{
	return seen->want_expose ? seen->control_plane.external : seen->control_plane.ip;
}

static enum condition check_final(const struct observed *seen, struct error *why)
{
	bool final;

	if (!(seen->seen & SEE_ENTITY))
		return COND_UNSEEN;
	final = str_eq(seen->entity_phase, "CREATE:SUCCEEDED") &&
		str_eq(seen->entity_state, "RESOLVED") && str_eq(seen->entity_task, seen->task) &&
		str_eq(seen->entity_external_id, seen->vapp_href) &&
		str_eq(seen->entity_cp_name, seen->control_plane.name) &&
		str_eq(seen->entity_cp_ip, shown_ip(seen)) &&
		seen->entity_exposed == seen->want_expose &&
		seen->entity_expose == seen->want_expose &&
		seen->entity_workers == (int64_t)seen->worker_count;
	return check_rival_or(seen, final ? COND_MET : COND_UNMET, why);
}

static void edit_final(struct work *work, struct observed *seen, struct json_object *document)
{
	const struct cluster_change change = {
		.exposed = seen->want_expose,
		.expose = seen->want_expose,
		.workers = (int64_t)seen->worker_count,
	};

	work_nodes_set(work, seen, document, shown_ip(seen));
	json_set_str(document, "externalId", seen->vapp_href);
	cluster_apply(document, &change);
}

static int act_final(struct work *work, struct observed *seen, struct error *err)
{
	if (work_entity_put(work, seen, "CREATE:SUCCEEDED", edit_final, err) ||
		work_entity_resolve(work, seen, err))
		return -1;
	seen->seen &= ~(unsigned)SEE_ENTITY; /* read back before the task may say so */
	return 0;
}

#define TEXT_VAPP "Creating cluster vApp {name} ({id})"
#define TEXT_CONTROL_PLANE "Creating control plane node for cluster '{name}' ({id})"
#define TEXT_NODES "Creating {workers} node(s) for cluster '{name}' ({id})"
#define TEXT_INIT "Initializing cluster '{name}' ({id})"
#define TEXT_FINAL "Updating cluster `{name}` ({id}) defined entity"

static const struct step steps[] = {
	{"vapp", TEXT_VAPP, 5, 1, SEE_VAPP, check_vapp, NULL},
	{"entity", TEXT_VAPP, 15, 1, 0, check_entity, act_entity},
	{"address", "Exposing cluster '{name}' ({id})", 20, 5, SEE_RULES, check_address,
		act_address},
	{"marks", TEXT_VAPP, 25, 1, 0, check_marks, act_marks},
	{"astray", TEXT_NODES, 30, 1, 0, check_astray, act_astray},
	{"control-plane-data", TEXT_CONTROL_PLANE, 30, 1, 0, check_control_plane,
		act_control_plane},
	{"workers-data", TEXT_NODES, 35, 0, 0, check_workers, act_workers},
	{"read-back", TEXT_NODES, 40, 1, 0, check_read_back, NULL},
	{"power-on", TEXT_INIT, 50, 15, 0, check_power, act_power},
	{"boot", TEXT_INIT, 50, 15, 0, check_boot, NULL},
	{"init", TEXT_INIT, 50, 5, 0, check_init, NULL},
	{"cni", "Installing the network of cluster '{name}' ({id})", 65, 5, 0, check_cni, NULL},
	{"join", "Adding {workers} node(s) to cluster '{name}' ({id})", 75, 5, 0, check_joined,
		NULL},
	{"publish", "Reading the kubeconfig of cluster '{name}' ({id})", 85, 1, 0, check_published,
		NULL},
	{"secrets", "Removing the bootstrap secrets of cluster '{name}' ({id})", 90, 1,
		STEP_HARMLESS, check_secrets, act_secrets},
	{"twin", TEXT_FINAL, 95, 5, SEE_TWIN, check_twin, act_twin},
	{"rule", TEXT_FINAL, 95, 5, SEE_RULES, check_rule, act_rule},
	{"final", TEXT_FINAL, 97, 1, SEE_ENTITY, check_final, act_final},
};

const struct plan plan_cluster_create = {"create", steps, ARRAY_LEN(steps)};
