/* SPDX-License-Identifier: MIT */
/*
 * GET /api/cse/3.0/cluster/{id} and GET …/config. They never write. Whoever may read the entity
 * gets its kubeconfig; where that is found is decided by marks that only this service can set,
 * never by the entity's hrefs and names.
 */
#include "common/json.h"
#include "common/log.h"
#include "common/str.h"
#include "worker/admission.h"
#include "worker/handlers/cluster_common.h"
#include "worker/kubeconfig.h"
#include "worker/names.h"
#include "worker/vcd/vapp.h"

#include <string.h>

int handle_cluster_info(
	struct thread_ctx *ctx, const struct request *req, struct reply *reply, struct error *err)
{
	CLEANUP(json_release)
	struct json_object *document = NULL;
	struct caller caller;

	if (caller_begin(&caller, ctx, req, err))
		return -1;
	if (cluster_load(ctx, req, &caller, &document, err))
		return -1;
	cluster_reply(reply, 200, document);
	return 0;
}

static const char no_config[] = "Couldn't get cluster configuration";

static int check_state(struct json_object *document, struct error *err)
{
	if (str_eq(json_str(document, "state", ""), "RESOLVED"))
		return 0;
	return error_set(err, ERR_CONFLICT,
		"Cluster %s with id %s is not in a valid state for this operation. Please contact "
		"the administrator",
		cluster_name_of(document), json_str(document, "id", ""));
}

/* VCD's query finds it in the VDC that admission resolved inside the entity's org. */
static int check_place(
	struct thread_ctx *ctx, const struct vcd_vapp *vapp, const char *vdc_urn, struct error *err)
{
	const char *uuid;

	if (vcd_vapp_find(
		    ctx->vcd, VCD_SERVICE, true, str_urn_uuid(vdc_urn), vapp->name, &uuid, err))
		return error_wrap(err, "%s", no_config);
	if (str_eq(uuid, vapp->uuid))
		return 0;
	return error_set(err, ERR_CONFLICT, "%s: the cluster's vApp is not in its VDC", no_config);
}

/* The vApp the entity points to, if our marks on it name the entity. *edge: "" when unknown. */
static int find_vapp(struct thread_ctx *ctx, struct json_object *document, struct vcd_vapp *vapp,
	const char **edge, struct error *err)
{
	const char *segment = str_last_segment(json_str(document, "externalId", ""));
	struct vcd_metadata *entries;
	size_t count;

	if (!str_starts(segment, "vapp-"))
		return error_set(err, ERR_CONFLICT, "%s: the cluster has no vApp yet", no_config);
	if (vcd_vapp_get(ctx->vcd, VCD_SERVICE, segment + strlen("vapp-"), vapp, err))
		return error_wrap(err, "%s", no_config);
	if (vcd_metadata_get(ctx->vcd, vapp->href, &entries, &count, err))
		return error_wrap(err, "%s", no_config);
	if (!str_eq(cluster_mark(entries, count, "cse.cluster.id"), json_str(document, "id", "")) ||
		!str_eq(cluster_mark(entries, count, "cse.deployment"),
			ctx->shared->config->deployment))
		return error_set(err, ERR_CONFLICT,
			"%s: the entity's externalId names a vApp that is not this cluster's",
			no_config);
	*edge = cluster_mark(entries, count, "cse.edge");
	return check_place(ctx, vapp, cluster_mark(entries, count, "cse.vdc"), err);
}

static struct vcd_vm *find_control_plane(const struct vcd_vapp *vapp)
{
	for (size_t i = 0; i < vapp->vm_count; i++) {
		enum role role;

		if (vm_role(vapp->vms[i].name, &role) && role == ROLE_CONTROL_PLANE)
			return &vapp->vms[i];
	}
	return NULL;
}

static int read_fields(
	struct thread_ctx *ctx, const struct vcd_vm *vm, struct kubeconfig *out, struct error *err)
{
	const char *message = vcd_vm_extra(vm, "guestinfo.cse.kubeconfig");
	const char *key_text = vcd_vm_extra(vm, "cse.key");
	struct secret key;
	char *text;
	size_t len;
	int failed;

	if (str_empty(message) || str_empty(key_text))
		return error_set(err, ERR_CONFLICT,
			"%s: control plane '%s' has not published it yet", no_config, vm->name);
	key = secret_new(key_text, strlen(key_text));
	failed = kubeconfig_open(&text, &len, &ctx->arena, &key, vm->name, message, err) ||
		 kubeconfig_read(out, &ctx->arena, text, len, err);
	secret_release(&key);
	if (!failed)
		return 0;
	log_event(LOG_WARN, "kubeconfig.refused", LOG_STR("vm", vm->name),
		LOG_STR("cause", err->msg));
	return error_set(err, ERR_CONFLICT, "%s: what control plane '%s' published is not valid",
		no_config, vm->name);
}

/* The external address that really leads to the control plane now, else its internal one. */
static int find_address(struct thread_ctx *ctx, struct json_object *document,
	const struct vcd_vm *vm, const char *edge, const char **out, struct error *err)
{
	const char *cluster = json_str(document, "id", "");
	struct vcd_nat_rule *rules;
	const struct vcd_nat_rule *ours = NULL;
	size_t count;
	uint32_t ip;

	*out = vm->ip;
	if (edge[0] && json_flag(document, "entity.status.exposed", false)) {
		if (vcd_nat_list(ctx->vcd, VCD_SERVICE, edge, &rules, &count, err))
			return error_wrap(err, "%s", no_config);
		for (size_t i = 0; i < count; i++)
			if (nat_rule_is_of(rules[i].name, cluster) &&
				nat_rule_forwards(&rules[i], vm->ip, KUBE_API_PORT) &&
				(!ours || strcmp(rules[i].id, ours->id) < 0))
				ours = &rules[i];
	}
	if (ours)
		*out = ours->external;
	if (!ip4_parse(*out, &ip))
		return error_set(err, ERR_CONFLICT, "%s: control plane '%s' has no address",
			no_config, vm->name);
	return 0;
}

static int make_config(
	struct thread_ctx *ctx, struct json_object *document, const char **out, struct error *err)
{
	CLEANUP(vcd_vapp_release)
	struct vcd_vapp vapp = {0};
	const char *edge = "", *address = "";
	struct kubeconfig fields;
	const struct vcd_vm *vm;

	if (check_state(document, err) || find_vapp(ctx, document, &vapp, &edge, err))
		return -1;
	vm = find_control_plane(&vapp);
	if (!vm)
		return error_set(
			err, ERR_CONFLICT, "%s: the cluster has no control plane", no_config);
	if (read_fields(ctx, vm, &fields, err) ||
		find_address(ctx, document, vm, edge, &address, err))
		return -1;
	*out = kubeconfig_write(&ctx->arena, &fields,
		cluster_name_valid(vapp.name) ? vapp.name : "cluster", address);
	return 0;
}

int handle_cluster_config(
	struct thread_ctx *ctx, const struct request *req, struct reply *reply, struct error *err)
{
	CLEANUP(json_release)
	struct json_object *document = NULL;
	struct caller caller;
	const char *text = NULL;

	if (caller_begin(&caller, ctx, req, err))
		return -1;
	if (cluster_load(ctx, req, &caller, &document, err) ||
		make_config(ctx, document, &text, err)) {
		log_event(LOG_INFO, "config.refused", LOG_STR("cluster", req->tokens[0]),
			LOG_STR("class", error_name(err->code)), LOG_STR("cause", err->msg));
		return -1;
	}
	reply->status = 200;
	reply->body = json_object_new_object();
	json_set_str(reply->body, "message", text);
	log_event(LOG_INFO, "config.given", LOG_STR("cluster", req->tokens[0]),
		LOG_INT("vcd_calls", vcd_calls(ctx->vcd)));
	return 0;
}
