/* SPDX-License-Identifier: MIT */
/* Networks and NSX-T edge gateways (cloudapi): where nodes live and how they are reached. */
#ifndef WORKER_VCD_NETWORK_H
#define WORKER_VCD_NETWORK_H

#include "worker/vcd/vcd.h"

struct vcd_network {
	const char *urn, *name, *type; /* NAT_ROUTED, ISOLATED, ... */
	const char *edge_urn;	       /* "" unless NAT_ROUTED */
	bool has_static_pool;
	int64_t free_addresses;
};

/* GET /cloudapi/1.0.0/orgVdcNetworks?filter=name==…;_context==<vdc>, VDC-group networks included.
 */
int vcd_network_find(struct vcd *vcd, struct vcd_as as, const char *vdc_urn, const char *name,
	struct vcd_network *out, struct error *err) MUST_CHECK;

struct vcd_ip_range {
	uint32_t first, last; /* IPv4, host byte order, inclusive */
};

struct vcd_edge {
	const char *urn, *name, *owner_urn; /* owner: VDC or VDC group */
	bool nsxt;
	struct vcd_ip_range *ranges; /* all connected uplinks, enabled IPv4 subnets */
	size_t range_count;
	uint32_t *reserved; /* gateways and primary addresses inside those subnets */
	size_t reserved_count;
};

/* GET /cloudapi/1.0.0/edgeGateways/{urn}. Right "Organization vDC Gateway: View". */
int vcd_edge_get(struct vcd *vcd, struct vcd_as as, const char *urn, struct vcd_edge *out,
	struct error *err) MUST_CHECK;

/* GET …/usedIpAddresses, all pages. */
int vcd_edge_used(struct vcd *vcd, struct vcd_as as, const char *urn, uint32_t **out, size_t *count,
	struct error *err) MUST_CHECK;

struct vcd_nat_rule {
	const char *id, *name, *type, *external, *internal, *external_port, *profile_id;
	bool enabled;
};

/* Does it forward that port of one external address there? Pure. */
bool nat_rule_forwards(const struct vcd_nat_rule *rule, const char *internal, int port) MUST_CHECK;

/* GET …/nat/rules, all pages by cursor. Right "Organization vDC Gateway: View NAT". */
int vcd_nat_list(struct vcd *vcd, struct vcd_as as, const char *edge_urn, struct vcd_nat_rule **out,
	size_t *count, struct error *err) MUST_CHECK;
/*
 * POST …/nat/rules: DNAT of one port. Returns the task's href; the rule's id only a later listing
 * tells. Right "Organization vDC Gateway: Configure NAT". BUSY while the edge is changing.
 */
int vcd_nat_create(struct vcd *vcd, struct vcd_as as, const char *edge_urn,
	const struct vcd_nat_rule *rule, const char **task, struct error *err) MUST_CHECK;
int vcd_nat_delete(struct vcd *vcd, struct vcd_as as, const char *edge_urn, const char *rule_id,
	const char **task, struct error *err) MUST_CHECK;

/*
 * Finds the application port profile of that name for exactly one TCP port in the edge owner's
 * context (several: lowest id), or makes a TENANT one, waits for its task and returns 1. *id is its
 * URN.
 */
int vcd_port_profile(struct vcd *vcd, const char *owner_urn, const char *org_urn, const char *name,
	int port, const char **id, struct error *err) MUST_CHECK;

/* IPv4 text to and from host order. */
bool ip4_parse(const char *text, uint32_t *out) MUST_CHECK;
const char *ip4_text(struct arena *arena, uint32_t ip) MUST_CHECK;

#endif
