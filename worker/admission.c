/* SPDX-License-Identifier: MIT */
#include "worker/admission.h"

#include "common/str.h"
#include "worker/vdc_cache.h"

#include <stdlib.h>
#include <string.h>

static int check_supported(struct admission *adm, struct error *err)
{
	if (adm->spec.nfs > 0)
		return error_set(err, ERR_INVALID,
			"spec.nfs.count %lld: NFS nodes is not supported by this version",
			(long long)adm->spec.nfs);
	return 0;
}

static int check_rights(struct admission *adm, struct error *err)
{
	static const char *const needed[] = {RIGHT_CLUSTER_FULL, RIGHT_VAPP_CREATE};

	for (size_t i = 0; i < ARRAY_LEN(needed); i++)
		if (identity_need_right(adm->ctx, &adm->caller.who, needed[i], err))
			return -1;
	if (!adm->spec.expose)
		return 0;
	return admission_check_expose_rights(adm->ctx, &adm->caller.who, err);
}

int admission_check_expose_rights(
	struct thread_ctx *ctx, const struct identity *who, struct error *err)
{
	static const char *const needed[] = {
		RIGHT_GATEWAY_VIEW, RIGHT_NAT_VIEW, RIGHT_NAT_CONFIGURE};

	for (size_t i = 0; i < ARRAY_LEN(needed); i++)
		if (identity_need_right(ctx, who, needed[i], err))
			return error_wrap(err, "expose");
	return 0;
}

static int check_template(struct admission *adm, struct error *err)
{
	const struct cluster_template *found = &adm->template;

	if (catalog_find(adm->ctx, adm->spec.template, adm->spec.revision, &adm->template, err))
		return -1;
	if (!str_eq(found->kind, adm->spec.kind))
		return error_set(err, ERR_INVALID,
			"kind '%s' does not fit template '%s' at revision %lld, which is of kind "
			"'%s'",
			adm->spec.kind, found->name, (long long)found->revision, found->kind);
	if (found->prepared[0] == '\0')
		return error_set(err, ERR_INVALID,
			"Template '%s' at revision %lld is not prepared: its catalog item '%s' "
			"has no metadata cse_prepared",
			found->name, (long long)found->revision, found->item_name);
	return catalog_source(adm->ctx, found, &adm->source, err);
}

static int check_vdc(struct admission *adm, struct error *err)
{
	if (vdc_get(adm->ctx, &adm->caller, adm->spec.vdc, &adm->vdc, err))
		return error_wrap(err, "metadata.ovdc_name '%s'", adm->spec.vdc);
	if (!adm->vdc.enabled)
		return error_set(err, ERR_INVALID, "VDC '%s' is disabled", adm->spec.vdc);
	return 0;
}

static int find_storage(const struct admission *adm, const char *path, const char *name,
	const struct vcd_ref **out, struct error *err)
{
	*out = NULL;
	if (!name)
		return 0;
	for (size_t i = 0; i < adm->vdc.storage_profile_count && !*out; i++)
		if (str_eq(adm->vdc.storage_profiles[i].name, name))
			*out = &adm->vdc.storage_profiles[i];
	if (!*out)
		return error_set(err, ERR_INVALID, "%s: no storage profile '%s' in VDC '%s'", path,
			name, adm->vdc.name);
	return 0;
}

static int check_storage(struct admission *adm, struct error *err)
{
	if (find_storage(adm, "spec.control_plane.storage_profile", adm->spec.control_plane_storage,
		    &adm->control_plane_storage, err))
		return -1;
	return find_storage(adm, "spec.workers.storage_profile", adm->spec.worker_storage,
		&adm->worker_storage, err);
}

static int find_sizing(const struct vcd_ref *policies, size_t count, const char *name,
	const struct vcd_ref **out, struct error *err)
{
	*out = NULL;
	if (!name)
		return 0;
	for (size_t i = 0; i < count; i++) {
		if (!str_eq(policies[i].name, name))
			continue;
		if (*out)
			return error_set(err, ERR_INVALID,
				"Duplicate sizing policies with the name %s", name);
		*out = &policies[i];
	}
	if (!*out)
		return error_set(err, ERR_INVALID,
			"No sizing policy with the name %s exists on the VDC", name);
	return 0;
}

static int check_sizing(struct admission *adm, struct error *err)
{
	struct vcd_ref *policies;
	size_t count;

	if (!adm->spec.control_plane_sizing && !adm->spec.worker_sizing)
		return 0;
	if (vdc_sizing_policies(adm->ctx, &adm->caller, &adm->vdc, &policies, &count, err))
		return -1;
	if (find_sizing(policies, count, adm->spec.control_plane_sizing, &adm->control_plane_sizing,
		    err))
		return -1;
	return find_sizing(policies, count, adm->spec.worker_sizing, &adm->worker_sizing, err);
}

/* VCD's own reference when the VDC lists the network, else the href every network has. */
static const char *network_href(struct admission *adm)
{
	const char *uuid = str_urn_uuid(adm->network.urn);

	for (size_t i = 0; i < adm->vdc.network_count; i++)
		if (str_eq(str_last_segment(adm->vdc.networks[i].href), uuid))
			return adm->vdc.networks[i].href;
	return vcd_href(adm->ctx->vcd, "/api/network/%s", uuid);
}

static int check_network(struct admission *adm, struct error *err)
{
	const char *name = adm->spec.network;
	int64_t needed = adm->spec.control_planes + adm->spec.workers;

	if (vcd_network_find(adm->ctx->vcd, adm->caller.as, adm->vdc.urn, name, &adm->network, err))
		return error_wrap(err, "spec.settings.network '%s'", name);
	if (adm->spec.expose && !str_eq(adm->network.type, "NAT_ROUTED"))
		return error_set(err, ERR_INVALID,
			"network '%s' is of type %s: expose needs a NAT_ROUTED network", name,
			adm->network.type);
	if (!adm->network.has_static_pool)
		return error_set(err, ERR_INVALID,
			"network '%s' has no static pool: nodes need IPv4 addresses from one, "
			"DHCP is not enough",
			name);
	if (adm->network.free_addresses < needed)
		return error_set(err, ERR_CONFLICT,
			"network '%s' has not enough addresses in its static pool: %lld free, "
			"%lld needed",
			name, (long long)adm->network.free_addresses, (long long)needed);
	adm->network_href = network_href(adm);
	return 0;
}

static int compare_addresses(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return (left > right) - (left < right);
}

static bool is_reserved(const struct vcd_edge *edge, uint32_t ip)
{
	for (size_t i = 0; i < edge->reserved_count; i++)
		if (edge->reserved[i] == ip)
			return true;
	return false;
}

bool admission_has_free_address(const struct vcd_edge *edge, uint32_t *used, size_t used_count)
{
	if (used_count)
		qsort(used, used_count, sizeof(*used), compare_addresses);
	for (size_t i = 0; i < edge->range_count; i++) {
		/* 64 bits, so that a range up to the last address ends. */
		for (uint64_t ip = edge->ranges[i].first; ip <= edge->ranges[i].last; ip++) {
			uint32_t key = (uint32_t)ip;

			if (is_reserved(edge, key))
				continue;
			if (!used_count ||
				!bsearch(&key, used, used_count, sizeof(*used), compare_addresses))
				return true;
		}
	}
	return false;
}

static int check_edge(struct admission *adm, struct error *err)
{
	struct vcd_edge edge;
	uint32_t *used;
	size_t used_count;

	if (!adm->spec.expose)
		return 0;
	if (vcd_edge_get(adm->ctx->vcd, adm->caller.as, adm->network.edge_urn, &edge, err))
		return -1;
	if (!edge.nsxt)
		return error_set(err, ERR_INVALID,
			"edge gateway '%s' of network '%s' is not NSX-T backed: expose is not "
			"possible",
			edge.name, adm->spec.network);
	if (vcd_edge_used(adm->ctx->vcd, adm->caller.as, edge.urn, &used, &used_count, err))
		return -1;
	if (!admission_has_free_address(&edge, used, used_count))
		return error_set(err, ERR_CONFLICT,
			"edge gateway '%s' has no free external address: expose is not possible",
			edge.name);
	return 0;
}

int admission_read(struct admission *adm, struct json_object *body, struct error *err)
{
	if (!body)
		return error_set(err, ERR_INVALID, "the request has no body");
	if (cluster_spec_read(&adm->spec, &adm->ctx->arena, body, err))
		return -1;
	return caller_choose_org(&adm->caller, adm->ctx, adm->spec.org, err);
}

int admission_check(struct admission *adm, struct error *err)
{
	static int (*const checks[])(struct admission *, struct error *) = {check_supported,
		check_rights, check_template, check_vdc, check_storage, check_sizing, check_network,
		check_edge};

	for (size_t i = 0; i < ARRAY_LEN(checks); i++)
		if (checks[i](adm, err))
			return -1;
	return 0;
}
