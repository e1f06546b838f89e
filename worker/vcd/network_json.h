/* SPDX-License-Identifier: MIT */
/* Readers and writers of networking documents, for the files of the client and its unit tests. */
#ifndef WORKER_VCD_NETWORK_JSON_H
#define WORKER_VCD_NETWORK_JSON_H

#include "worker/vcd/network.h"

#include <json-c/json.h>

void network_read(struct arena *arena, struct json_object *document, struct vcd_network *out);
/* INVALID when it has absurdly many address ranges. */
int edge_read(struct arena *arena, struct json_object *document, struct vcd_edge *out,
	struct error *err) MUST_CHECK;
void nat_rule_read(struct arena *arena, struct json_object *document, struct vcd_nat_rule *out);
/* The body of a new rule; from API 36 on the rule's type has another key. The caller releases it.
 */
struct json_object *nat_rule_body(const struct vcd_nat_rule *rule, bool api_36) MUST_CHECK;

/*
 * The id of the profile of that name for exactly this TCP port, the lowest of several; NULL when
 * none fits.
 */
const char *port_profile_pick(
	struct arena *arena, struct json_object *values, const char *name, int port) MUST_CHECK;

#endif
