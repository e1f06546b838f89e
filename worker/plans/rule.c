/* SPDX-License-Identifier: MIT */
/* Making and removing the NAT rule that exposes a control plane. */
#include "worker/plans/plan.h"

#include "common/str.h"

static int choose_address(struct work *work, struct observed *seen, const struct vcd_edge *edge,
	const char **out, struct error *err)
{
	struct expose_pool pool = {
		.edge = edge, .rules = seen->rules, .rule_count = seen->rule_count};
	uint32_t *used = NULL;
	uint32_t address;

	if (vcd_edge_used(work->vcd, VCD_SERVICE, seen->edge, &used, &pool.used_count, err))
		return -1;
	pool.used = used;
	/* Others may be giving one back: an edge is full only after some looks. */
	if (!expose_pick(&pool, address_seed(work->cluster) + (uint32_t)work->attempt, &address))
		return error_set(err, work->attempt < EXPOSE_LOOKS ? ERR_BUSY : ERR_INVALID,
			"No free external address on edge gateway %s: release one or add a range",
			edge->name);
	*out = ip4_text(work->arena, address);
	return 0;
}

/* A listing did not show the change made a moment ago: VCD's task tells what became of it. */
static int rule_wait(struct work *work, struct observed *seen, const char *task, const char *what,
	struct error *err)
{
	seen->seen &= ~(unsigned)SEE_RULES;
	return vcd_task_wait(work->vcd, task, TASK_WAIT_MS, what, err);
}

static int await_made(struct work *work, struct observed *seen, struct error *err)
{
	int failed = rule_wait(
		work, seen, STEAL(seen->rule_making), "Exposing the cluster by a NAT rule", err);

	if (failed && !error_may_retry(err->code))
		work->unsettled = false;
	return failed;
}

/* Another one may be under way, of which this one's fate tells nothing. */
static int send_rule(struct work *work, struct observed *seen, const struct vcd_nat_rule *rule,
	struct error *err)
{
	int failed;

	if (work->unsettled)
		details_doubt(work->details, vcd_now_ms(work->vcd));
	failed = vcd_nat_create(work->vcd, VCD_SERVICE, seen->edge, rule, &seen->rule_making, err);
	work->unsettled = !failed || vcd_in_doubt(work->vcd);
	return failed;
}

/* A profile takes VCD its time, in which another pass may have made the rule. */
static int look_again(struct work *work, struct observed *seen, struct error *err)
{
	seen->seen &= ~(unsigned)SEE_RULES;
	return observed_look(work, seen, SEE_RULES, err);
}

int work_rule_create(
	struct work *work, struct observed *seen, const char *address, struct error *err)
{
	struct vcd_nat_rule rule = {
		.name = nat_rule_name(work->arena, seen->vapp_name, seen->cluster),
		.type = "DNAT",
		.external = address,
		.internal = seen->control_plane.ip,
		.external_port = "6443",
		.enabled = true,
	};
	struct vcd_edge edge = {0};
	int made;

	if (seen->rule_making)
		return await_made(work, seen, err);
	if (vcd_edge_get(work->vcd, VCD_SERVICE, seen->edge, &edge, err))
		return -1;
	made = vcd_port_profile(work->vcd, edge.owner_urn, work->org_urn, PORT_PROFILE_NAME,
		KUBE_API_PORT, &rule.profile_id, err);
	if (made < 0 || (made && look_again(work, seen, err)))
		return -1;
	if (made && seen->rule.state != EXPOSE_NONE)
		return 0;
	if (!address[0] && choose_address(work, seen, &edge, &rule.external, err))
		return -1;
	seen->seen &= ~(unsigned)SEE_RULES;
	if (send_rule(work, seen, &rule, err))
		return -1;
	return work_pause(work, err);
}

int work_rule_delete(struct work *work, struct observed *seen, const struct vcd_nat_rule *rule,
	struct error *err)
{
	if (seen->rule_leaving)
		return rule_wait(work, seen, STEAL(seen->rule_leaving),
			"Removing the cluster's NAT rule", err);
	seen->rule_making = NULL;
	seen->seen &= ~(unsigned)SEE_RULES;
	if (vcd_nat_delete(work->vcd, VCD_SERVICE, seen->edge, rule->id, &seen->rule_leaving, err))
		return err->code == ERR_GONE ? 0 : -1;
	return work_pause(work, err);
}
