/* SPDX-License-Identifier: MIT */
#include "worker/plans/expose.h"

#include "common/str.h"
#include "worker/names.h"

#include <string.h>

const struct vcd_nat_rule *expose_rule_of(
	const struct vcd_nat_rule *rules, size_t count, const char *cluster)
{
	for (size_t i = 0; i < count; i++) {
		if (nat_rule_is_of(rules[i].name, cluster))
			return &rules[i];
	}
	return NULL;
}

static bool rule_is_right(const struct vcd_nat_rule *rule, const char *internal)
{
	return nat_rule_forwards(rule, internal, KUBE_API_PORT) && !str_empty(rule->profile_id);
}

/* Does this rule's external side hold the address? One address, a range or a network. */
static bool rule_covers(const struct vcd_nat_rule *rule, uint32_t address)
{
	char text[64];
	char *rest;
	uint32_t first, last;
	int64_t bits;

	if (str_empty(rule->external) || strlen(rule->external) >= sizeof(text))
		return false;
	memcpy(text, rule->external, strlen(rule->external) + 1);
	rest = strpbrk(text, "-/");
	if (!rest)
		return ip4_parse(text, &first) && first == address;
	if (*rest == '-') {
		*rest++ = '\0';
		return ip4_parse(text, &first) && ip4_parse(rest, &last) && first <= address &&
		       address <= last;
	}
	*rest++ = '\0';
	if (!ip4_parse(text, &first) || !str_to_int(rest, 0, 32, &bits))
		return false;
	return bits == 0 || (first ^ address) >> (32 - bits) == 0;
}

const struct vcd_nat_rule *expose_other_at(
	const struct vcd_nat_rule *rules, size_t count, const char *cluster, const char *address)
{
	uint32_t number;

	for (size_t i = 0; i < count && ip4_parse(address, &number); i++) {
		if (!nat_rule_is_of(rules[i].name, cluster) && rule_covers(&rules[i], number))
			return &rules[i];
	}
	return NULL;
}

/* What to do beside another user of our address: clusters of ours have an order, others were first.
 */
static enum expose_state judge_neighbour(
	const struct expose_view *view, const struct vcd_nat_rule *neighbour)
{
	size_t len;
	const char *urn = nat_rule_entity(neighbour->name, &len);
	int order;

	if (!urn)
		return EXPOSE_YIELD;
	order = strncmp(view->cluster, urn, len);
	if (order > 0 || view->looks >= EXPOSE_LOOKS)
		return EXPOSE_YIELD;
	return EXPOSE_WAIT;
}

struct expose_verdict expose_judge(const struct expose_view *view)
{
	struct expose_verdict out = {EXPOSE_NONE, NULL};
	uint32_t address;

	for (size_t i = 0; i < view->rule_count; i++) {
		const struct vcd_nat_rule *rule = &view->rules[i];

		if (!str_eq(rule->name, view->name))
			continue;
		if (!rule_is_right(rule, view->internal))
			return (struct expose_verdict){EXPOSE_EXTRA, rule};
		if (!out.rule) {
			out.rule = rule;
			continue;
		}
		/* Two of ours: every worker keeps the one with the lower id. */
		if (strcmp(rule->id, out.rule->id) < 0)
			rule = out.rule;
		return (struct expose_verdict){EXPOSE_EXTRA, rule};
	}
	if (!out.rule || !ip4_parse(out.rule->external, &address))
		return out;
	out.state = EXPOSE_SETTLED;
	for (size_t i = 0; i < view->rule_count; i++) {
		enum expose_state state;

		if (&view->rules[i] == out.rule || !rule_covers(&view->rules[i], address))
			continue;
		state = judge_neighbour(view, &view->rules[i]);
		if (out.state != EXPOSE_YIELD)
			out.state = state;
	}
	return out;
}

static bool is_free(const struct expose_pool *pool, uint32_t address)
{
	for (size_t i = 0; i < pool->edge->reserved_count; i++) {
		if (pool->edge->reserved[i] == address)
			return false;
	}
	for (size_t i = 0; i < pool->used_count; i++) {
		if (pool->used[i] == address)
			return false;
	}
	for (size_t i = 0; i < pool->rule_count; i++) {
		if (rule_covers(&pool->rules[i], address))
			return false;
	}
	return true;
}

bool expose_pick(const struct expose_pool *pool, uint32_t seed, uint32_t *out)
{
	uint64_t total = 0;

	for (size_t i = 0; i < pool->edge->range_count; i++)
		total += (uint64_t)pool->edge->ranges[i].last - pool->edge->ranges[i].first + 1;
	for (uint64_t i = 0; i < total; i++) {
		uint64_t place = (seed + i) % total;
		const struct vcd_ip_range *range = pool->edge->ranges;

		while (place > (uint64_t)range->last - range->first) {
			place -= (uint64_t)range->last - range->first + 1;
			range++;
		}
		if (is_free(pool, range->first + (uint32_t)place)) {
			*out = range->first + (uint32_t)place;
			return true;
		}
	}
	return false;
}
