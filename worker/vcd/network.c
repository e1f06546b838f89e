/* SPDX-License-Identifier: MIT */
#include "worker/vcd/network.h"

#include "common/json.h"
#include "common/mem.h"
#include "common/str.h"
#include "worker/vcd/network_json.h"
#include "worker/vcd/query.h"

/* Lists of networks are shorter than all others. */
enum { NETWORK_PAGE = 32, ADDRESS_PAGE = 128, RANGES_MAX = 4096 };

static const char *member(struct arena *arena, struct json_object *object, const char *path)
{
	return arena_strdup(arena, json_str(object, path, ""));
}

/* The members of an array; 0 for anything else. */
static size_t items_of(struct json_object *object, const char *path, struct json_object **array)
{
	*array = json_at(object, path);
	return json_object_is_type(*array, json_type_array) ? json_object_array_length(*array) : 0;
}

static struct json_object *item(struct json_object *array, size_t index)
{
	return json_object_array_get_idx(array, index);
}

static bool is_ip4_subnet(struct json_object *subnet)
{
	uint32_t gateway;

	return json_flag(subnet, "enabled", true) &&
	       ip4_parse(json_str(subnet, "gateway", NULL), &gateway);
}

void network_read(struct arena *arena, struct json_object *document, struct vcd_network *out)
{
	struct json_object *subnets;
	struct json_object *ranges;
	size_t count = items_of(document, "subnets.values", &subnets);

	*out = (struct vcd_network){
		.urn = member(arena, document, "id"),
		.name = member(arena, document, "name"),
		.type = member(arena, document, "networkType"),
	};
	out->edge_urn = str_eq(out->type, "NAT_ROUTED")
				? member(arena, document, "connection.routerRef.id")
				: "";
	for (size_t i = 0; i < count; i++) {
		struct json_object *subnet = item(subnets, i);

		if (!is_ip4_subnet(subnet) || !items_of(subnet, "ipRanges.values", &ranges))
			continue;
		out->has_static_pool = true;
		out->free_addresses +=
			json_int(subnet, "totalIpCount", 0) - json_int(subnet, "usedIpCount", 0);
	}
}

/* Of several networks of that name the VDC's own goes before those of a VDC group. */
static struct json_object *pick_network(
	struct json_object *values, const char *name, const char *vdc_urn, size_t *matches)
{
	struct json_object *best = NULL;

	*matches = 0;
	for (size_t i = 0; i < json_object_array_length(values); i++) {
		struct json_object *value = item(values, i);

		if (!str_eq(json_str(value, "name", NULL), name))
			continue;
		if (str_eq(json_str(value, "ownerRef.id", NULL), vdc_urn)) {
			*matches = 1;
			return value;
		}
		++*matches;
		best = value;
	}
	return best;
}

int vcd_network_find(struct vcd *vcd, struct vcd_as as, const char *vdc_urn, const char *name,
	struct vcd_network *out, struct error *err)
{
	CLEANUP(json_release)
	struct json_object *values = NULL;
	struct arena *arena = vcd_arena(vcd);
	const char *what = arena_printf(arena, "network %s: find", name);
	const char *filter = filter_and(
		arena, filter_term(arena, "name", name), filter_term(arena, "_context", vdc_urn));
	struct json_object *found;
	size_t matches;

	if (list_pages(vcd, as, "/cloudapi/1.0.0/orgVdcNetworks",
		    arena_printf(arena, "sortAsc=name&%s", query_filter(arena, filter)),
		    NETWORK_PAGE, what, &values, err) < 0)
		return -1;
	found = pick_network(values, name, vdc_urn, &matches);
	if (!found)
		return error_set(err, ERR_GONE,
			"network %s does not exist in the VDC or is not visible", name);
	if (matches > 1)
		return error_set(err, ERR_INVALID,
			"%zu networks named %s can be used in the VDC; rename one", matches, name);
	network_read(arena, found, out);
	return 0;
}

static void add_reserved(struct vcd_edge *edge, const char *text)
{
	if (ip4_parse(text, &edge->reserved[edge->reserved_count]))
		edge->reserved_count++;
}

static void read_subnet(struct json_object *subnet, struct vcd_edge *out)
{
	struct json_object *ranges;
	size_t count = items_of(subnet, "ipRanges.values", &ranges);

	add_reserved(out, json_str(subnet, "gateway", NULL));
	add_reserved(out, json_str(subnet, "primaryIp", NULL));
	for (size_t i = 0; i < count; i++) {
		struct vcd_ip_range *range = &out->ranges[out->range_count];
		const char *first = json_str(item(ranges, i), "startAddress", NULL);
		const char *last = json_str(item(ranges, i), "endAddress", first);

		if (ip4_parse(first, &range->first) && ip4_parse(last, &range->last) &&
			range->first <= range->last)
			out->range_count++;
	}
}

/* Calls read_subnet for each usable subnet when out is given; counts ranges and subnets. */
static void walk_uplinks(
	struct json_object *document, struct vcd_edge *out, size_t *ranges, size_t *subnets)
{
	struct json_object *uplinks;
	struct json_object *list;
	struct json_object *ignored;
	size_t count = items_of(document, "edgeGatewayUplinks", &uplinks);

	*ranges = *subnets = 0;
	for (size_t i = 0; i < count; i++) {
		struct json_object *uplink = item(uplinks, i);
		size_t inner = items_of(uplink, "subnets.values", &list);

		if (!json_flag(uplink, "connected", true))
			continue;
		for (size_t k = 0; k < inner; k++) {
			if (!is_ip4_subnet(item(list, k)))
				continue;
			*ranges += items_of(item(list, k), "ipRanges.values", &ignored);
			++*subnets;
			if (out)
				read_subnet(item(list, k), out);
		}
	}
}

int edge_read(
	struct arena *arena, struct json_object *document, struct vcd_edge *out, struct error *err)
{
	size_t ranges;
	size_t subnets;

	*out = (struct vcd_edge){
		.urn = member(arena, document, "id"),
		.name = member(arena, document, "name"),
		.owner_urn = member(arena, document, "ownerRef.id"),
		.nsxt = str_eq(
			json_str(document, "gatewayBacking.gatewayType", NULL), "NSXT_BACKED"),
	};
	/* Before 35.0 there is only the VDC. */
	if (!*out->owner_urn)
		out->owner_urn = member(arena, document, "orgVdc.id");
	walk_uplinks(document, NULL, &ranges, &subnets);
	if (ranges > RANGES_MAX || subnets > RANGES_MAX)
		return error_set(err, ERR_INVALID,
			"edge gateway %s has more than %d address ranges", out->name, RANGES_MAX);
	/* One more than needed: a text that is no address is written and not counted. */
	out->ranges = arena_alloc(arena, (ranges + 1) * sizeof(*out->ranges));
	out->reserved = arena_alloc(arena, (2 * subnets + 1) * sizeof(*out->reserved));
	walk_uplinks(document, out, &ranges, &subnets);
	return 0;
}

int vcd_edge_get(
	struct vcd *vcd, struct vcd_as as, const char *urn, struct vcd_edge *out, struct error *err)
{
	CLEANUP(json_release)
	struct json_object *document = NULL;
	struct arena *arena = vcd_arena(vcd);
	const char *path =
		arena_printf(arena, "/cloudapi/1.0.0/edgeGateways/%s", path_segment(arena, urn));
	const char *what = arena_printf(arena, "edge gateway %s: read", str_urn_uuid(urn));

	if (vcd_json(vcd, as, "GET", path, NULL, what, NULL, &document, err) < 0)
		return -1;
	return edge_read(arena, document, out, err);
}

int vcd_edge_used(struct vcd *vcd, struct vcd_as as, const char *urn, uint32_t **out, size_t *count,
	struct error *err)
{
	CLEANUP(json_release)
	struct json_object *values = NULL;
	struct arena *arena = vcd_arena(vcd);
	const char *path = arena_printf(
		arena, "/cloudapi/1.0.0/edgeGateways/%s/usedIpAddresses", path_segment(arena, urn));
	const char *what =
		arena_printf(arena, "edge gateway %s: list used addresses", str_urn_uuid(urn));
	size_t total;

	if (list_pages(vcd, as, path, NULL, ADDRESS_PAGE, what, &values, err) < 0)
		return -1;
	total = json_object_array_length(values);
	*out = arena_alloc(arena, (total + 1) * sizeof(**out));
	*count = 0;
	for (size_t i = 0; i < total; i++) {
		if (ip4_parse(json_str(item(values, i), "ipAddress", NULL), &(*out)[*count]))
			++*count;
	}
	return 0;
}
