/* SPDX-License-Identifier: MIT */
/* Org networks and NSX-T edge gateways: which addresses they have, and who uses them. */
#ifndef VCDSIM_EDGE_H
#define VCDSIM_EDGE_H

#include "tests/vcdsim/http.h"

/* The edge that the path names, NULL after a 403. */
struct json_object *need_edge(
	struct sim *sim, const struct sim_request *req, struct sim_reply *reply);

/*
 * All used addresses of an edge as the cloudapi lists them: the uplinks' own, those of the rules,
 * and those that the seed gives in "_used". The caller owns the array.
 */
struct json_object *edge_used(struct sim *sim, struct json_object *edge) MUST_CHECK;

/* Is the address within the ranges that were given to one of the edge's uplinks? */
bool edge_has_address(struct json_object *edge, const char *address);

/* Addresses within the ranges of a list {"values":[{"ipRanges":…}]} of subnets. */
int64_t subnets_size(struct json_object *subnets);
bool subnets_contain(struct json_object *subnets, const char *address);

/* IPv4 only: the address as a number; false when it is none. */
bool address_parse(const char *text, uint32_t *out);
/* One address, or a network "a.b.c.d/n". */
bool address_or_network(const char *text);

sim_handler_fn nat_list, nat_get, nat_create, nat_change, nat_delete;
sim_handler_fn profile_list, profile_get, profile_create, profile_delete;

#endif
