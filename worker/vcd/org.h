/* SPDX-License-Identifier: MIT */
/* Who and where: sessions, roles, orgs, virtual data centres, and what is in them to choose from.
 */
#ifndef WORKER_VCD_ORG_H
#define WORKER_VCD_ORG_H

#include "worker/vcd/vcd.h"

struct vcd_session {
	const char *user_urn, *user_name, *org_urn, *org_name;
	const char **role_urns, **role_names;
	size_t role_count;
};

/* GET /cloudapi/1.0.0/sessions/current with the caller's token. EXPIRED when VCD does not know it.
 */
int vcd_session_current(
	struct vcd *vcd, struct vcd_as as, struct vcd_session *out, struct error *err) MUST_CHECK;

/* GET /cloudapi/1.0.0/roles/{urn}/rights, all pages; service session. Names in the arena. */
int vcd_role_rights(struct vcd *vcd, const char *role_urn, const char ***names, size_t *count,
	struct error *err) MUST_CHECK;

/* Query organization by exact name. GONE when there is none. */
int vcd_org_find(struct vcd *vcd, struct vcd_as as, const char *name, const char **uuid,
	struct error *err) MUST_CHECK;

struct vcd_ref {
	const char *name, *href, *id; /* id: URN when known, else "" */
};

struct vcd_vdc {
	const char *uuid, *urn, *name;
	struct vcd_ref *networks; /* AvailableNetworks: hrefs for ParentNetwork */
	size_t network_count;
	struct vcd_ref *storage_profiles;
	size_t storage_profile_count;
	bool enabled;
};

/*
 * Query orgVdc (adminOrgVdc with org_uuid for a system administrator) by exact name, then GET
 * /api/vdc/{id}. GONE names the VDC.
 */
int vcd_vdc_find(struct vcd *vcd, struct vcd_as as, const char *name, const char *org_uuid,
	bool as_admin, struct vcd_vdc *out, struct error *err) MUST_CHECK;

/* GET /cloudapi/2.0.0/vdcs/{urn}/computePolicies?filter=isSizingOnly==true, all pages. */
int vcd_vdc_sizing_policies(struct vcd *vcd, struct vcd_as as, const char *vdc_urn,
	struct vcd_ref **out, size_t *count, struct error *err) MUST_CHECK;

/* Metadata entries of an entity href ("…/metadata" is added). Service session sees SYSTEM entries.
 */
struct vcd_metadata {
	const char *domain; /* GENERAL or SYSTEM */
	const char *visibility;
	const char *key, *value;
};
int vcd_metadata_get(struct vcd *vcd, const char *href, struct vcd_metadata **out, size_t *count,
	struct error *err) MUST_CHECK;
/* POST …/metadata, merging, strings only; *task is the href to wait for. */
int vcd_metadata_set(struct vcd *vcd, const char *href, const struct vcd_metadata *entries,
	size_t count, const char **task, struct error *err) MUST_CHECK;

/* Catalog items of org/catalog: names and hrefs. Service session. */
int vcd_catalog_items(struct vcd *vcd, const char *org, const char *catalog, struct vcd_ref **out,
	size_t *count, struct error *err) MUST_CHECK;

/* A catalog item's template: its first VM, which compose takes as source. Service session. */
struct vcd_template {
	struct vcd_ref vm;
	int nic_index; /* PrimaryNetworkConnectionIndex */
};
int vcd_template_get(struct vcd *vcd, const char *item_href, struct vcd_template *out,
	struct error *err) MUST_CHECK;

#endif
