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
#include "worker/guest/guest.h"
#include "worker/handlers/create.h"
#include "worker/handlers/create_claim.h"
#include "worker/names.h"
#include "worker/vcd/vapp.h"

#include <string.h>

static void create_release(struct create *create)
{
	json_release(&create->document);
	json_release(&create->winner);
}

void create_set_task(struct create *create)
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
	create->open.text = arena_printf(&adm->ctx->arena,
		"Creating cluster '%s' from template '%s' (revision %lld)", adm->spec.name,
		adm->template.name, (long long)adm->template.revision);
}

static int make_task(struct create *create, struct error *err)
{
	create_set_task(create);
	/* Tried before without effect it is the first write still. */
	if (create->repeated && caller_may_write(create->adm.ctx, create->req, err))
		return -1;
	if (create->req->redelivered || create->repeated)
		create_resume_task(create);
	if (create->shared)
		return 0;
	return open_task_create(&create->open, create->adm.ctx, &create->adm.caller, err);
}

static int make_entity(struct create *create, struct error *err)
{
	const struct admission *adm = &create->adm;
	CLEANUP(json_release)
	struct json_object *entity =
		cluster_entity_new(&adm->spec, &adm->template, create->open.task.href);
	/* An earlier delivery made the task, and may have died in this very call. */
	bool twin = create->req->redelivered && create->shared && !create->again;

	/* Tried before; *err is as it was then. */
	if (create->entity_unknown) {
		create_find_entity(create);
		if (create->urn)
			return 0;
		if (create->entity_unknown)
			return -1;
		twin |= create->in_doubt;
	}
	if (twin && create_expect_twin(create, err))
		return -1;
	if (vcd_entity_create(adm->ctx->vcd, adm->caller.as, adm->spec.name,
		    cluster_claim(&adm->ctx->arena, create->req->id, create->again), entity,
		    &create->urn, err)) {
		create->urn = NULL;
		create->in_doubt |= vcd_in_doubt(adm->ctx->vcd);
		/* Also when VCD said no: what it refused may be the read of its own task. */
		create->entity_unknown = true;
		return -1;
	}
	create->own_entity = true;
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

static bool find_own_vapp(struct create *create)
{
	struct error ignored;

	if (create_find_vapp(create, &ignored) <= 0)
		return false;
	create->shared = true;
	return true;
}

/*
 * No answer, or the name is taken: the vApp may be ours, made by this very call or beside it by
 * another copy of the request. Keeps *err unless it is.
 */
static int find_made_vapp(struct create *create, struct error *err)
{
	const struct admission *adm = &create->adm;

	if (find_own_vapp(create))
		return 0;
	if (err->code != ERR_CONFLICT ||
		claim_look_vapp(adm, create->req, &create->winner, err) <= 0)
		return -1;
	if (!str_eq(json_str(create->winner, "id", ""), create->urn)) {
		log_event(LOG_INFO, "create.overtaken", LOG_STR("cluster", create->urn));
		return -1;
	}
	/* Ours all the same: a moment ago VCD could not tell. */
	json_release(&create->winner);
	return find_own_vapp(create) ? 0 : -1;
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
		create->in_doubt = false;
		return 0;
	}
	/* What an earlier try has sent may still come, whatever VCD says of this one. */
	create->in_doubt |= vcd_in_doubt(adm->ctx->vcd);
	if (error_may_retry(err->code) || err->code == ERR_CONFLICT)
		return find_made_vapp(create, err);
	return -1;
}

/* The record names what was made, so that the first pass may take it for its own. */
static int record_vapp(struct create *create, struct error *err)
{
	struct details *details = &create->open.details;

	/* Beside another delivery the operation may have begun: its claim must stay. */
	if (create->shared) {
		int claimed = open_task_refresh(&create->open, create->adm.ctx, err);

		if (claimed < 0)
			return -1;
		create->running = claimed;
	}
	if (create->running ||
		(str_eq(details->cluster, create->urn) && str_eq(details->vapp, create->vapp)))
		return 0;
	details->cluster = create->urn;
	details->vapp = create->vapp;
	if (open_task_record(&create->open, create->adm.ctx, err) == 0)
		return 0;
	details->cluster = details->vapp = NULL;
	return -1;
}

/* A delete that was accepted meanwhile keeps its mark: it waits for the end of this task. */
static int yield_to_delete(const struct create *create, struct error *err)
{
	struct last_task last;

	if (str_eq(json_str(create->document, "entity.status.task_href", ""),
		    create->open.task.href))
		return 0;
	if (cluster_last_task(create->adm.ctx, create->document, &last, err))
		return -1;
	if (!last.running || !last.ours || last.details.op != OPERATION_DELETE)
		return 0;
	return error_set(err, ERR_CONFLICT, "cluster '%s' was deleted while it was being created",
		create->adm.spec.name);
}

static int link_entity(struct create *create, struct error *err)
{
	const struct admission *adm = &create->adm;
	struct cluster_change change = {.exposed = -1, .expose = -1, .workers = -1};
	bool twin;

	/* Its owner may have written the entity since; the reply must name the task. */
	change.phase = "CREATE:IN_PROGRESS";
	change.task_href = create->open.task.href;
	if (claim_settle(adm, create->req, create->urn, &create->document, &twin, err) ||
		yield_to_delete(create, err) || (twin && create_note_twin(create, err)))
		return -1;
	change.external_id = vcd_href(adm->ctx->vcd, "/api/vApp/vapp-%s", create->vapp);
	if (create->running ||
		str_eq(json_str(create->document, "externalId", ""), change.external_id))
		return 0;
	cluster_apply(create->document, &change);
	if (vcd_entity_put(adm->ctx->vcd, adm->caller.as, &create->document, err))
		return -1;
	create->linked = true;
	return 0;
}

static int enqueue(struct create *create, struct error *err)
{
	if (create->running)
		return 0;
	return cluster_enqueue(
		create->adm.ctx, create->req, &create->adm.caller, &create->open, err);
}

typedef int create_step(struct create *create, struct error *err);

/* Each step looks for what it may have made before it makes it again. */
static int run_step(struct create *create, create_step *step, struct error *err)
{
	if (step(create, err) == 0)
		return 0;
	if (create->repeated || create->winner || !caller_may_repeat(create->adm.ctx, err))
		return -1;
	create->repeated = true;
	log_event(LOG_INFO, "create.repeats", LOG_STR("cause", err->msg));
	return step(create, err);
}

static int write_missing(struct create *create, struct error *err)
{
	static create_step *const steps[] = {
		make_task, make_entity, make_vapp, record_vapp, link_entity, enqueue};
	/* What an earlier delivery has made need not be made; what may be repeated is. */
	size_t i = create->vapp ? 3 : create->urn ? 2 : 0;

	if (caller_may_write(create->adm.ctx, create->req, err))
		return -1;
	for (; i < ARRAY_LEN(steps); i++) {
		if (run_step(create, steps[i], err) == 0)
			continue;
		/* Without a task there is nothing yet. */
		return i > 0 && create_undo(create, err) ? 0 : -1;
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
	if (found > 0) {
		found = create_resume(create, err);
		if (found == 0)
			return 0;
	}
	/* What only the writes after the vApp need is in the record. */
	if (found < 0 || (!create->vapp && admission_check(adm, err)))
		return -1;
	return write_missing(create, err);
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
