/* SPDX-License-Identifier: MIT */
/* The VCD in memory: what there is before anything is made, which no test changes by a call. */
#include "common/str.h"

#include "tests/unit/fake_note.h"

#include <string.h>

int vcd_session_current(
	struct vcd *vcd, struct vcd_as as, struct vcd_session *out, struct error *err)
{
	static const char *roles[] = {"urn:vcloud:role:1"};

	(void)vcd, (void)as;
	READ("session", 1);
	*out = (struct vcd_session){.user_urn = fake.user,
		.user_name = "alice",
		.org_urn = fake.org,
		.org_name = fake.org_name,
		.role_urns = roles,
		.role_count = 1};
	return 0;
}

int vcd_role_rights(struct vcd *vcd, const char *role_urn, const char ***names, size_t *count,
	struct error *err)
{
	(void)vcd, (void)role_urn;
	READ("rights", 1);
	*names = arena_alloc(&fake.arena, sizeof(fake.rights));
	for (*count = 0; fake.rights[*count]; (*count)++)
		(*names)[*count] = fake.rights[*count];
	return 0;
}

int vcd_org_find(
	struct vcd *vcd, struct vcd_as as, const char *name, const char **uuid, struct error *err)
{
	(void)vcd, (void)as;
	READ("org", 1);
	if (!str_eq(name, "tenant1"))
		return error_set(err, ERR_GONE, "organization '%s' not found", name);
	*uuid = str_urn_uuid(FAKE_ORG);
	return 0;
}

int vcd_vdc_find(struct vcd *vcd, struct vcd_as as, const char *name, const char *org_uuid,
	bool as_admin, struct vcd_vdc *out, struct error *err)
{
	static struct vcd_ref networks[] = {{"net", "https://vcd/api/network/n1", ""}};
	static struct vcd_ref profiles[] = {{"gold", "https://vcd/api/vdcStorageProfile/p1", ""}};

	(void)vcd, (void)as, (void)org_uuid, (void)as_admin;
	READ("vdc", 2);
	if (!str_eq(name, "vdc-a"))
		return error_set(err, ERR_GONE, "VDC '%s' not found", name);
	*out = (struct vcd_vdc){.uuid = "d1",
		.urn = "urn:vcloud:vdc:d1",
		.name = "vdc-a",
		.networks = networks,
		.network_count = 1,
		.storage_profiles = profiles,
		.storage_profile_count = 1,
		.enabled = true};
	return 0;
}

int vcd_vdc_sizing_policies(struct vcd *vcd, struct vcd_as as, const char *vdc_urn,
	struct vcd_ref **out, size_t *count, struct error *err)
{
	static struct vcd_ref policies[] = {{"small", "h1", "i1"}, {"large", "h2", "i2"},
		{"twin", "h3", "i3"}, {"twin", "h4", "i4"}};

	(void)vcd, (void)as, (void)vdc_urn;
	READ("sizing", 1);
	*out = policies;
	*count = ARRAY_LEN(policies);
	return 0;
}

int vcd_metadata_get(struct vcd *vcd, const char *href, struct vcd_metadata **out, size_t *count,
	struct error *err)
{
	const char *const template[][2] = {{"name", "T"}, {"revision", "1"}, {"kind", "TKGm"},
		{"os", "ubuntu"}, {"kubernetes", "TKGm"}, {"kubernetes_version", "1.20"},
		{"cni", "antrea"}, {"cni_version", "0.11"}, {"cse_prepared", fake.prepared}};
	const char *const marks[][2] = {{"cse.cluster.id", fake.marked}, {"cse.deployment", "test"},
		{"cse.edge", "urn:vcloud:gateway:g1"}, {"cse.vdc", fake.marked_vdc}};
	bool item = strstr(href, "catalogItem");

	(void)vcd;
	READ("metadata", 1);
	*count = item ? ARRAY_LEN(template) : ARRAY_LEN(marks);
	*out = arena_alloc(&fake.arena, *count * sizeof(**out));
	for (size_t i = 0; i < *count; i++)
		(*out)[i] = (struct vcd_metadata){.domain = "SYSTEM",
			.key = item ? template[i][0] : marks[i][0],
			.value = item ? template[i][1] : marks[i][1]};
	return 0;
}

int vcd_catalog_items(struct vcd *vcd, const char *org, const char *catalog, struct vcd_ref **out,
	size_t *count, struct error *err)
{
	static struct vcd_ref items[] = {{"T_rev1", "https://vcd/api/catalogItem/c1", ""}};

	(void)vcd, (void)org, (void)catalog;
	READ("catalog", 2);
	*out = items;
	*count = 1;
	return 0;
}

int vcd_template_get(
	struct vcd *vcd, const char *item_href, struct vcd_template *out, struct error *err)
{
	(void)vcd, (void)item_href;
	READ("template", 2);
	*out = (struct vcd_template){.vm = {"t", "https://vcd/api/vAppTemplate/vm-t", ""}};
	return 0;
}

int vcd_network_find(struct vcd *vcd, struct vcd_as as, const char *vdc_urn, const char *name,
	struct vcd_network *out, struct error *err)
{
	(void)vcd, (void)as, (void)vdc_urn;
	READ("network", 1);
	if (!str_eq(name, "net"))
		return error_set(err, ERR_GONE, "network '%s' not found", name);
	*out = (struct vcd_network){.urn = "urn:vcloud:network:n1",
		.name = "net",
		.type = fake.network_type,
		.edge_urn = "urn:vcloud:gateway:g1",
		.has_static_pool = fake.static_pool,
		.free_addresses = fake.free_addresses};
	return 0;
}

int vcd_edge_get(
	struct vcd *vcd, struct vcd_as as, const char *urn, struct vcd_edge *out, struct error *err)
{
	static struct vcd_ip_range range = {10, 19};

	(void)vcd, (void)as;
	READ("edge", 1);
	*out = (struct vcd_edge){
		.urn = urn, .name = "edge1", .nsxt = fake.nsxt, .ranges = &range, .range_count = 1};
	return 0;
}

int vcd_edge_used(struct vcd *vcd, struct vcd_as as, const char *urn, uint32_t **out, size_t *count,
	struct error *err)
{
	(void)vcd, (void)as, (void)urn;
	READ("used", 1);
	*count = fake.used_last - 9;
	*out = arena_alloc(&fake.arena, *count * sizeof(**out));
	for (uint32_t i = 0; i < *count; i++)
		(*out)[i] = 10 + i;
	return 0;
}

int vcd_nat_list(struct vcd *vcd, struct vcd_as as, const char *edge_urn, struct vcd_nat_rule **out,
	size_t *count, struct error *err)
{
	(void)vcd, (void)as, (void)edge_urn;
	READ("rules", 1);
	*out = arena_alloc(&fake.arena, sizeof(**out));
	(*out)[0] = (struct vcd_nat_rule){.id = "r1",
		.name = arena_printf(&fake.arena, "lab7_%s_expose_dnat", fake.marked),
		.external = "203.0.113.9",
		.type = "DNAT",
		.internal = "192.168.0.10",
		.external_port = "6443",
		.enabled = true};
	*count = 1;
	return 0;
}
