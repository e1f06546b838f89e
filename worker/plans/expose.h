/* SPDX-License-Identifier: MIT */
/*
 * Choosing and settling a cluster's external address. Nothing in VCD reserves an address: two
 * workers may choose the same one, so it counts only once a listing shows our rule as its only
 * user. Pure.
 */
#ifndef WORKER_PLANS_EXPOSE_H
#define WORKER_PLANS_EXPOSE_H

#include "worker/vcd/network.h"

enum expose_state {
	EXPOSE_NONE,	/* no rule of our name: choose an address */
	EXPOSE_SETTLED, /* ours is right and alone on its address */
	EXPOSE_EXTRA,	/* one to delete: a second rule of our name, or one that is not what we make
			 */
	EXPOSE_YIELD,	/* the address is shared and ours moves: delete our rule */
	EXPOSE_WAIT,	/* shared with a cluster that must move: look again */
};

enum { EXPOSE_LOOKS = 3 };

struct expose_view {
	const struct vcd_nat_rule *rules;
	size_t rule_count;
	const char *name;     /* of our rule */
	const char *cluster;  /* entity URN */
	const char *internal; /* what the rule must forward to */
	int64_t looks;	      /* how often a shared address was seen already */
};

struct expose_verdict {
	enum expose_state state;
	const struct vcd_nat_rule *rule; /* the one in question; NULL with EXPOSE_NONE */
};

struct expose_verdict expose_judge(const struct expose_view *view);

/* Some rule "<cluster>_<entity urn>_expose_dnat" of this entity, whatever its cluster's name; or
 * NULL. */
const struct vcd_nat_rule *expose_rule_of(
	const struct vcd_nat_rule *rules, size_t count, const char *cluster);

/* A rule of anybody but this entity whose external side holds the address, or NULL. */
const struct vcd_nat_rule *expose_other_at(
	const struct vcd_nat_rule *rules, size_t count, const char *cluster, const char *address);

struct expose_pool {
	const struct vcd_edge *edge;
	const uint32_t *used; /* every address the edge calls used */
	size_t used_count;
	const struct vcd_nat_rule *rules;
	size_t rule_count;
};

/* A free address: the first one from a place that `seed` gives, around once. False: all are used.
 */
bool expose_pick(const struct expose_pool *pool, uint32_t seed, uint32_t *out) MUST_CHECK;

#endif
