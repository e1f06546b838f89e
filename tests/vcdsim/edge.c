/* SPDX-License-Identifier: MIT */
#include "tests/vcdsim/edge.h"

#include "common/json.h"
#include "common/str.h"
#include "tests/vcdsim/cloud.h"

#include <arpa/inet.h>
#include <string.h>

bool address_parse(const char *text, uint32_t *out)
{
	struct in_addr address;

	if (!text || inet_pton(AF_INET, text, &address) != 1)
		return false;
	*out = ntohl(address.s_addr);
	return true;
}

bool address_or_network(const char *text)
{
	char address[INET_ADDRSTRLEN];
	const char *slash = text ? strchr(text, '/') : NULL;
	size_t len = slash ? (size_t)(slash - text) : 0;
	uint32_t number;
	int64_t prefix;

	if (!slash)
		return address_parse(text, &number);
	if (len >= sizeof(address) || !str_to_int(slash + 1, 0, 32, &prefix))
		return false;
	memcpy(address, text, len);
	address[len] = '\0';
	return address_parse(address, &number);
}

/* Calls visit for each range of the subnets until it returns true; its last answer. */
static bool each_range(struct json_object *subnets,
	bool (*visit)(uint32_t first, uint32_t last, void *context), void *context)
{
	struct json_object *list = json_at(subnets, "values");

	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		struct json_object *ranges =
			json_at(json_object_array_get_idx(list, i), "ipRanges.values");

		for (size_t j = 0; ranges && j < json_object_array_length(ranges); j++) {
			struct json_object *range = json_object_array_get_idx(ranges, j);
			uint32_t first, last;

			if (address_parse(json_str(range, "startAddress", NULL), &first) &&
				address_parse(json_str(range, "endAddress", NULL), &last) &&
				visit(first, last, context))
				return true;
		}
	}
	return false;
}

static bool range_holds(uint32_t first, uint32_t last, void *context)
{
	const uint32_t *address = context;

	return *address >= first && *address <= last;
}

static bool range_count(uint32_t first, uint32_t last, void *context)
{
	int64_t *sum = context;

	*sum += (int64_t)last - first + 1;
	return false;
}

bool subnets_contain(struct json_object *subnets, const char *address)
{
	uint32_t number;

	return address_parse(address, &number) && each_range(subnets, range_holds, &number);
}

int64_t subnets_size(struct json_object *subnets)
{
	int64_t sum = 0;

	each_range(subnets, range_count, &sum);
	return sum;
}

bool edge_has_address(struct json_object *edge, const char *address)
{
	struct json_object *uplinks = json_at(edge, "edgeGatewayUplinks");

	for (size_t i = 0; uplinks && i < json_object_array_length(uplinks); i++) {
		if (subnets_contain(
			    json_at(json_object_array_get_idx(uplinks, i), "subnets"), address))
			return true;
	}
	return false;
}

static void add_used(struct json_object *values, const char *name, const char *id,
	const char *address, const char *category)
{
	struct json_object *entry = json_object_new_object();

	json_set(entry, "networkRef", reference(name, id));
	json_set_str(entry, "ipAddress", address);
	json_set_str(entry, "category", category);
	json_object_array_add(values, entry);
}

static void add_primaries(struct json_object *values, struct json_object *uplink)
{
	struct json_object *subnets = json_at(uplink, "subnets.values");

	for (size_t i = 0; subnets && i < json_object_array_length(subnets); i++) {
		const char *primary =
			json_str(json_object_array_get_idx(subnets, i), "primaryIp", NULL);

		if (primary)
			add_used(values, json_str(uplink, "uplinkName", ""),
				json_str(uplink, "uplinkId", ""), primary, "PRIMARY_IP");
	}
}

struct json_object *edge_used(struct sim *sim, struct json_object *edge)
{
	struct json_object *values = json_object_new_array(), *seeded = json_at(edge, "_used");
	struct json_object *uplinks = json_at(edge, "edgeGatewayUplinks");
	struct json_object *first = uplinks && json_object_array_length(uplinks) > 0
					    ? json_object_array_get_idx(uplinks, 0)
					    : NULL;
	const char *name = json_str(first, "uplinkName", ""), *id = json_str(first, "uplinkId", "");

	for (size_t i = 0; uplinks && i < json_object_array_length(uplinks); i++)
		add_primaries(values, json_object_array_get_idx(uplinks, i));
	for (size_t i = 0; seeded && i < json_object_array_length(seeded); i++) {
		struct json_object *entry = json_object_array_get_idx(seeded, i);

		add_used(values, name, id, json_str(entry, "ipAddress", ""),
			json_str(entry, "category", "IPsec_VPN"));
	}
	for (size_t i = 0; i < json_object_array_length(sim->nat_rules); i++) {
		struct json_object *rule = json_object_array_get_idx(sim->nat_rules, i);

		if (str_eq(json_str(rule, "_edge", ""), json_str(edge, "id", NULL)))
			add_used(values, name, id, json_str(rule, "externalAddresses", ""),
				str_ends(json_str(rule, "ruleType", ""), "SNAT") ? "SNAT" : "DNAT");
	}
	return values;
}

/* Documents matching the filter; `_context` means: usable in that VDC or VDC group. */
struct in_context {
	struct json_object *doc;
	const char *context;
};

static const char *context_value(void *object, const char *key)
{
	const struct in_context *in = object;
	struct json_object *vdcs = json_at(in->doc, "_vdcs");

	if (!str_eq(key, "_context"))
		return filter_json_value(in->doc, key);
	if (!in->context)
		return NULL;
	if (str_eq(json_str(in->doc, "ownerRef.id", NULL), in->context))
		return in->context;
	for (size_t i = 0; vdcs && i < json_object_array_length(vdcs); i++) {
		if (str_eq(json_object_get_string(json_object_array_get_idx(vdcs, i)), in->context))
			return in->context;
	}
	return NULL;
}

struct listing {
	struct json_object *docs;
	struct json_object *(*show)(struct sim *sim, struct json_object *doc);
	int default_size, max_size;
};

static void list_docs(struct sim *sim, const struct sim_request *req, struct sim_reply *reply,
	const struct listing *listing)
{
	static const char *const keys[] = {"id", "name", "_context", "ownerRef.id", "ownerRef.name",
		"orgVdc.id", "orgRef.id", "networkType", "connection.routerRef.id", NULL};
	struct json_object *values;
	struct filter *filter;

	if (!list_filter(req, reply, keys, &filter))
		return;
	values = json_object_new_array();
	for (size_t i = 0; i < json_object_array_length(listing->docs); i++) {
		struct in_context in = {
			.doc = json_object_array_get_idx(listing->docs, i),
			.context = filter_demands(filter, "_context"),
		};

		if (doc_visible(sim, req->session, in.doc) &&
			filter_match(filter, &in, context_value))
			json_object_array_add(values, listing->show(sim, in.doc));
	}
	list_sort(req, values);
	reply_page(req, reply, values, listing->default_size, listing->max_size);
}

static bool uses_pool_of(const struct sim_vapp *vapp, const struct sim_vm *vm, const char *uuid)
{
	return str_eq(vapp->network_uuid, uuid) && vm->ip[0] != '\0';
}

static struct json_object *network_shown(struct sim *sim, struct json_object *network)
{
	struct json_object *doc = doc_shown(network), *subnets = json_at(doc, "subnets.values");
	const char *uuid = str_urn_uuid(json_str(network, "id", ""));
	int64_t total = subnets_size(json_at(doc, "subnets")), used = 0;

	for (const struct sim_vapp *vapp = sim->vapps; vapp; vapp = vapp->next) {
		for (const struct sim_vm *vm = vapp->vms; vm; vm = vm->next)
			used += uses_pool_of(vapp, vm, uuid);
	}
	json_set_int(doc, "totalIpCount", total);
	json_set_int(doc, "usedIpCount", used);
	if (subnets && json_object_array_length(subnets) == 1) {
		json_set_int(json_object_array_get_idx(subnets, 0), "totalIpCount", total);
		json_set_int(json_object_array_get_idx(subnets, 0), "usedIpCount", used);
	}
	return doc;
}

static void network_list(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	list_docs(sim, req, reply,
		&(struct listing){.docs = sim->networks,
			.show = network_shown,
			.default_size = 16,
			.max_size = 32});
}

static struct json_object *need_network(
	struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct json_object *network = find_doc(sim->networks, req->tokens[0]);

	if (network && doc_visible(sim, req->session, network))
		return network;
	reply_no_access(req, reply, "network", str_urn_uuid(req->tokens[0]));
	return NULL;
}

static void network_get(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct json_object *network = need_network(sim, req, reply);

	if (network)
		reply_json(req, reply, 200, network_shown(sim, network));
}

static struct json_object *allocated_shown(
	struct arena *arena, struct json_object *network, const struct sim_vm *vm)
{
	struct json_object *entry = json_object_new_object();

	json_set_str(entry, "id", vm->ip);
	json_set_str(entry, "entityId", arena_printf(arena, "urn:vcloud:vm:%s", vm->uuid));
	json_set_str(entry, "entityName", vm->name);
	json_set_str(entry, "vAppName", vm->vapp->name);
	json_set_str(entry, "ipAddress", vm->ip);
	json_set_bool(entry, "deployed", vm->deployed);
	json_set_str(entry, "allocationType", "VM_ALLOCATED");
	json_set(entry, "networkRef",
		reference(json_str(network, "name", ""), json_str(network, "id", "")));
	json_set(entry, "orgRef", json_copy(json_at(network, "orgRef")));
	return entry;
}

static void network_allocated(
	struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct json_object *network = need_network(sim, req, reply), *values;
	const char *uuid = str_urn_uuid(req->tokens[0]);

	if (!network)
		return;
	values = json_object_new_array();
	for (const struct sim_vapp *vapp = sim->vapps; vapp; vapp = vapp->next) {
		for (const struct sim_vm *vm = vapp->vms; vm; vm = vm->next) {
			if (uses_pool_of(vapp, vm, uuid))
				json_object_array_add(
					values, allocated_shown(req->arena, network, vm));
		}
	}
	reply_page(req, reply, values, 25, 128);
}

/* How many different used addresses lie within the subnets. */
static int64_t used_count(struct json_object *used, struct json_object *subnets)
{
	int64_t count = 0;

	for (size_t i = 0; i < json_object_array_length(used); i++) {
		const char *address = json_str(json_object_array_get_idx(used, i), "ipAddress", "");
		size_t same = 0;

		while (!str_eq(
			json_str(json_object_array_get_idx(used, same), "ipAddress", ""), address))
			same++;
		count += same == i && subnets_contain(subnets, address);
	}
	return count;
}

static struct json_object *edge_shown(struct sim *sim, struct json_object *edge)
{
	struct json_object *doc = doc_shown(edge), *uplinks = json_at(doc, "edgeGatewayUplinks");
	CLEANUP(json_release)
	struct json_object *used = edge_used(sim, edge);

	for (size_t i = 0; uplinks && i < json_object_array_length(uplinks); i++) {
		struct json_object *subnets =
			json_at(json_object_array_get_idx(uplinks, i), "subnets");
		struct json_object *list = json_at(subnets, "values");

		if (!list || json_object_array_length(list) != 1)
			continue;
		json_set_int(
			json_object_array_get_idx(list, 0), "totalIpCount", subnets_size(subnets));
		json_set_int(json_object_array_get_idx(list, 0), "usedIpCount",
			used_count(used, subnets));
	}
	return doc;
}

static void edge_list(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	list_docs(sim, req, reply,
		&(struct listing){.docs = sim->edges,
			.show = edge_shown,
			.default_size = 25,
			.max_size = 128});
}

struct json_object *need_edge(
	struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct json_object *edge = find_doc(sim->edges, req->tokens[0]);

	if (edge && doc_visible(sim, req->session, edge))
		return edge;
	reply_no_access(req, reply, "gateway", str_urn_uuid(req->tokens[0]));
	return NULL;
}

static void edge_get(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct json_object *edge = need_edge(sim, req, reply);

	if (edge)
		reply_json(req, reply, 200, edge_shown(sim, edge));
}

static void edge_addresses(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct json_object *edge = need_edge(sim, req, reply);

	if (edge)
		reply_page(req, reply, edge_used(sim, edge), 25, 128);
}

static void firewall_get(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct json_object *edge = need_edge(sim, req, reply), *body, *rule, *list;

	if (!edge)
		return;
	body = json_object_new_object();
	rule = reference("default_rule", "default");
	json_set_bool(rule, "enabled", true);
	json_set_str(rule, "action", sim->options.firewall_drop ? "DROP" : "ALLOW");
	json_set_str(rule, "direction", "IN_OUT");
	json_set_str(rule, "ipProtocol", "IPV4_IPV6");
	list = json_object_new_array();
	json_object_array_add(list, rule);
	json_set_str(body, "status", "REALIZED");
	json_set(body, "systemRules", json_object_new_array());
	json_set(body, "userDefinedRules",
		json_at(edge, "_firewall") ? json_copy(json_at(edge, "_firewall"))
					   : json_object_new_array());
	json_set(body, "defaultRules", list);
	reply_json(req, reply, 200, body);
}

#define NETWORK_VIEW "Organization vDC Network: View Properties"
#define GATEWAY_VIEW "Organization vDC Gateway: View"
#define NAT_VIEW "Organization vDC Gateway: View NAT"
#define NAT_SET "Organization vDC Gateway: Configure NAT"
#define NETWORKS "/cloudapi/1.0.0/orgVdcNetworks"
#define EDGES "/cloudapi/1.0.0/edgeGateways"
#define PROFILES "/cloudapi/1.0.0/applicationPortProfiles"

const struct sim_route edge_routes[] = {
	{"GET", NETWORKS, ACCESS_SESSION, NETWORK_VIEW, network_list, false},
	{"GET", NETWORKS "/{id}", ACCESS_SESSION, NETWORK_VIEW, network_get, false},
	{"GET", NETWORKS "/{id}/allocatedIpAddresses", ACCESS_SESSION, NETWORK_VIEW,
		network_allocated, false},
	{"GET", EDGES, ACCESS_SESSION, GATEWAY_VIEW, edge_list, false},
	{"GET", EDGES "/{id}", ACCESS_SESSION, GATEWAY_VIEW, edge_get, false},
	{"GET", EDGES "/{id}/usedIpAddresses", ACCESS_SESSION, GATEWAY_VIEW, edge_addresses, false},
	{"GET", EDGES "/{id}/firewall/rules", ACCESS_SESSION, GATEWAY_VIEW, firewall_get, false},
	{"GET", EDGES "/{id}/nat/rules", ACCESS_SESSION, NAT_VIEW, nat_list, false},
	{"POST", EDGES "/{id}/nat/rules", ACCESS_SESSION, NAT_SET, nat_create, false},
	{"GET", EDGES "/{id}/nat/rules/{rule}", ACCESS_SESSION, NAT_VIEW, nat_get, false},
	{"PUT", EDGES "/{id}/nat/rules/{rule}", ACCESS_SESSION, NAT_SET, nat_change, false},
	{"DELETE", EDGES "/{id}/nat/rules/{rule}", ACCESS_SESSION, NAT_SET, nat_delete, false},
	{"GET", PROFILES, ACCESS_SESSION, GATEWAY_VIEW, profile_list, false},
	{"POST", PROFILES, ACCESS_SESSION, NAT_SET, profile_create, false},
	{"GET", PROFILES "/{id}", ACCESS_SESSION, GATEWAY_VIEW, profile_get, false},
	{"DELETE", PROFILES "/{id}", ACCESS_SESSION, NAT_SET, profile_delete, false},
	{0},
};
