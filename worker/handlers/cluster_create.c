/* SPDX-License-Identifier: MIT */
/*
 * POST /api/cse/3.0/clusters: every check first, then four writes with the caller's token where VCD
 * shall judge: task → entity → vApp with all its VMs → the entity names the vApp. A create is
 * accepted when its vApp exists. Whatever fails is taken back and answered at once.
 */
#include "common/crypto.h"
#include "common/json.h"
#include "common/log.h"
#include "common/str.h"
#include "worker/admission.h"
#include "worker/guest/guest.h"
#include "worker/handlers/cluster_common.h"
#include "worker/handlers/create_claim.h"
#include "worker/names.h"
#include "worker/vcd/vapp.h"

#include <string.h>

struct create {
	struct admission adm;
	const struct request *req;
	struct open_task open;
	const char *urn;	      /* of the entity; NULL until made */
	const char *vapp;	      /* uuid; NULL until made */
	struct json_object *document; /* our entity */
	struct json_object *winner;   /* another copy of this request was faster */
};

static void create_release(struct create *create)
{
	json_release(&create->document);
	json_release(&create->winner);
}

/* What is asked for, as the operation will read it for its whole life. */
static void set_details(struct create *create)
{
	const struct admission *adm = &create->adm;
	struct details *details = &create->open.details;
	char digest[CRYPTO_SHA256_HEX];

	*details = details_new(
		adm->ctx->shared->config->deployment, OPERATION_CREATE, create->req->id);
	details->vdc = adm->vdc.urn;
	details->network = adm->network.urn;
	if (!str_empty(adm->network.edge_urn))
		details->edge = adm->network.edge_urn;
	details->wanted.workers = adm->spec.workers;
	details->wanted.expose = adm->spec.expose;
	details->wanted.template = adm->template.name;
	details->wanted.revision = adm->template.revision;
	details->wanted.rollback = adm->spec.rollback;
	if (adm->spec.ssh_key) {
		crypto_sha256_hex(digest, adm->spec.ssh_key, strlen(adm->spec.ssh_key));
		details->wanted.ssh_sha256 = arena_strdup(&adm->ctx->arena, digest);
	}
}

static int make_task(struct create *create, struct error *err)
{
	const struct admission *adm = &create->adm;

	set_details(create);
	create->open.text = arena_printf(&adm->ctx->arena,
		"Creating cluster '%s' from template '%s' (revision %lld)", adm->spec.name,
		adm->template.name, (long long)adm->template.revision);
	return open_task_create(&create->open, adm->ctx, &adm->caller, err);
}

/* After a lost answer the entity may exist: only the claim in its externalId can tell. */
static void find_lost_entity(struct create *create)
{
	const struct admission *adm = &create->adm;
	CLEANUP(json_release)
	struct json_object *list = NULL;
	struct error err = {0};

	if (vcd_entity_find(adm->ctx->vcd, VCD_SERVICE, "externalId",
		    claim_external_id(&adm->ctx->arena, create->req), &list, &err))
		return;
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *document = json_object_array_get_idx(list, i);

		if (str_eq(json_str(document, "entity.status.task_href", ""),
			    create->open.task.href))
			create->urn =
				arena_strdup(&adm->ctx->arena, json_str(document, "id", NULL));
	}
}

static int make_entity(struct create *create, struct error *err)
{
	const struct admission *adm = &create->adm;
	CLEANUP(json_release)
	struct json_object *entity =
		cluster_entity_new(&adm->spec, &adm->template, create->open.task.href);

	if (vcd_entity_create(adm->ctx->vcd, adm->caller.as, adm->spec.name,
		    claim_external_id(&adm->ctx->arena, create->req), entity, &create->urn, err)) {
		if (error_may_retry(err->code))
			find_lost_entity(create);
		return -1;
	}
	return 0;
}

static struct vcd_compose_vm *compose_vms(struct create *create, size_t count)
{
	const struct admission *adm = &create->adm;
	struct arena *arena = &adm->ctx->arena;
	struct vcd_compose_vm *vms = arena_alloc(arena, count * sizeof(*vms));
	const char **names = arena_alloc(arena, count * sizeof(*names));

	vm_names(arena, create->urn, create->req->id, (unsigned)(count - 1), names);
	for (size_t i = 0; i < count; i++) {
		vms[i].name = names[i];
		vms[i].script = guest_stub;
		vms[i].storage_profile = i ? adm->worker_storage : adm->control_plane_storage;
		vms[i].sizing_policy = i ? adm->worker_sizing : adm->control_plane_sizing;
	}
	return vms;
}

/* After a lost answer: a vApp of ours says so in its Description. */
static bool find_lost_vapp(struct create *create)
{
	const struct admission *adm = &create->adm;
	CLEANUP(vcd_vapp_release)
	struct vcd_vapp vapp = {0};
	struct error err = {0};
	const char *uuid;

	if (vcd_vapp_find(
		    adm->ctx->vcd, VCD_SERVICE, true, adm->vdc.uuid, adm->spec.name, &uuid, &err))
		return false;
	if (uuid[0] == '\0' || vcd_vapp_get(adm->ctx->vcd, VCD_SERVICE, uuid, &vapp, &err))
		return false;
	if (!str_eq(vapp.description, create->urn))
		return false;
	create->vapp = uuid;
	return true;
}

static int make_vapp(struct create *create, struct error *err)
{
	const struct admission *adm = &create->adm;
	size_t count = (size_t)(adm->spec.control_planes + adm->spec.workers);
	const struct vcd_compose compose = {
		.name = adm->spec.name,
		.description = create->urn,
		.network_name = adm->network.name,
		.network_href = adm->network_href,
		.template = &adm->source,
		.vms = compose_vms(create, count),
		.vm_count = count,
	};
	const char *uuid, *task;

	if (vcd_compose(adm->ctx->vcd, adm->caller.as, adm->vdc.uuid, &compose, &uuid, &task,
		    err) == 0) {
		create->vapp = uuid;
		return 0;
	}
	if (error_may_retry(err->code) && find_lost_vapp(create))
		return 0;
	if (err->code == ERR_CONFLICT &&
		claim_look_vapp(adm, create->req, &create->winner, err) > 0)
		log_event(LOG_INFO, "create.overtaken", LOG_STR("cluster", create->urn));
	return -1;
}

/* The record names what was made, so that the first pass may take it for its own. */
static int record_vapp(struct create *create, struct error *err)
{
	create->open.details.cluster = create->urn;
	create->open.details.vapp = create->vapp;
	return open_task_record(&create->open, create->adm.ctx, err);
}

static int link_entity(struct create *create, struct error *err)
{
	const struct admission *adm = &create->adm;
	struct cluster_change change = {.exposed = -1, .expose = -1, .workers = -1};

	json_release(&create->document);
	if (claim_settle(adm, create->req, create->urn, &create->document, &create->winner, err))
		return -1;
	change.external_id = vcd_href(adm->ctx->vcd, "/api/vApp/vapp-%s", create->vapp);
	cluster_apply(create->document, &change);
	return vcd_entity_put(adm->ctx->vcd, adm->caller.as, &create->document, err);
}

static int enqueue(struct create *create, struct error *err)
{
	return cluster_enqueue(
		create->adm.ctx, create->req, &create->adm.caller, &create->open, err);
}

/* True when the vApp is gone or going. VCD refuses while it still clones. */
static bool undo_vapp(struct create *create)
{
	const char *task;
	struct error err = {0};

	if (!create->vapp)
		return true;
	if (vcd_vapp_delete(create->adm.ctx->vcd, VCD_SERVICE, create->vapp, &task, &err) == 0)
		return true;
	return err.code == ERR_GONE;
}

/* What cannot be removed now stays deletable: an entity that says FAILED. */
static void keep_entity(struct create *create)
{
	struct vcd *vcd = create->adm.ctx->vcd;
	struct cluster_change change = {
		.phase = "CREATE:FAILED", .exposed = -1, .expose = -1, .workers = -1};
	struct error err = {0};

	json_release(&create->document);
	if (vcd_entity_get(vcd, VCD_SERVICE, create->urn, &create->document, &err))
		return;
	cluster_apply(create->document, &change);
	if (vcd_entity_put(vcd, VCD_SERVICE, &create->document, &err))
		log_event(LOG_WARN, "create.undo_failed", LOG_STR("cluster", create->urn),
			LOG_STR("cause", err.msg));
}

static void undo_entity(struct create *create, bool vapp_gone)
{
	struct vcd *vcd = create->adm.ctx->vcd;
	struct error err = {0};

	if (!create->urn)
		return;
	if (!vapp_gone) {
		keep_entity(create);
		return;
	}
	/* VCD deletes resolved entities only. */
	if (vcd_entity_resolve(vcd, VCD_SERVICE, create->urn, &err) == 0 &&
		vcd_entity_delete(vcd, VCD_SERVICE, create->urn, &err) == 0)
		return;
	if (err.code != ERR_GONE)
		log_event(LOG_WARN, "create.undo_failed", LOG_STR("cluster", create->urn),
			LOG_STR("cause", err.msg));
}

/*
 * VCD does not delete a vApp that it still clones. Then the operation itself undoes: its record
 * gets the verdict before its first pass, and from a verdict on only the undo is walked. Without a
 * broker the running task with its verdict waits for a resync.
 */
static bool hand_over_undo(struct create *create, const char *cause)
{
	struct details *details = &create->open.details;
	struct error err = {0};

	details->cluster = create->urn;
	details->vapp = create->vapp;
	details->verdict =
		(struct details_verdict){.kind = "rollback", .step = "admission", .cause = cause};
	if (open_task_record(&create->open, create->adm.ctx, &err))
		return false;
	if (enqueue(create, &err))
		log_event(LOG_WARN, "create.undo_waits", LOG_STR("cluster", create->urn),
			LOG_STR("task", create->open.task.uuid), LOG_STR("cause", err.msg));
	return true;
}

/* In reverse, the task last. */
static void undo(struct create *create, struct error *err)
{
	struct thread_ctx *ctx = create->adm.ctx;
	const char *name = create->adm.spec.name;
	const char *cause = arena_strdup(&ctx->arena, err->msg);
	bool vapp_gone;

	caller_allow_undo(ctx);
	/* The answer of compose may have been lost with the time that was left for asking. */
	if (create->urn && !create->vapp)
		(void)find_lost_vapp(create);
	vapp_gone = undo_vapp(create);
	if (!vapp_gone && hand_over_undo(create, cause)) {
		error_wrap(err, "cluster '%s' was not created and is being removed", name);
		return;
	}
	undo_entity(create, vapp_gone);
	open_task_fail(&create->open, ctx,
		arena_printf(&ctx->arena, "Error creating the cluster '%s'", name), cause);
	if (!vapp_gone)
		error_wrap(err, "cluster '%s' was not created, delete it and send it again", name);
}

static int write_all(struct create *create, struct error *err)
{
	static int (*const steps[])(struct create *, struct error *) = {
		make_entity, make_vapp, record_vapp, link_entity, enqueue};

	if (caller_may_write(create->adm.ctx, create->req, err))
		return -1;
	if (make_task(create, err))
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		if (steps[i](create, err)) {
			undo(create, err);
			return -1;
		}
	}
	return 0;
}

static int admit(struct create *create, struct error *err)
{
	struct admission *adm = &create->adm;
	int found;

	if (caller_begin(&adm->caller, adm->ctx, create->req, err))
		return -1;
	if (admission_read(adm, create->req->body, err))
		return -1;
	found = claim_look(adm, create->req, &create->winner, err);
	if (found)
		return found < 0 ? -1 : 0;
	if (admission_check(adm, err))
		return -1;
	return write_all(create, err);
}

int handle_cluster_create(
	struct thread_ctx *ctx, const struct request *req, struct reply *reply, struct error *err)
{
	CLEANUP(create_release)
	struct create create = {.adm = {.ctx = ctx}, .req = req};
	int failed = admit(&create, err);

	/* A winner may also have been found when VCD refused the vApp's name. */
	if (create.winner) {
		cluster_reply(reply, 202, create.winner);
		log_event(LOG_INFO, "create.repeated", LOG_STR("name", create.adm.spec.name));
		return 0;
	}
	if (failed) {
		log_event(LOG_INFO, "create.refused", LOG_STR("name", create.adm.spec.name),
			LOG_STR("class", error_name(err->code)), LOG_STR("cause", err->msg));
		return -1;
	}
	cluster_reply(reply, 202, create.document);
	log_event(LOG_INFO, "create.accepted", LOG_STR("name", create.adm.spec.name),
		LOG_STR("cluster", create.urn), LOG_STR("task", create.open.task.uuid),
		LOG_STR("vapp", create.vapp), LOG_INT("vcd_calls", vcd_calls(ctx->vcd)));
	return 0;
}
