/* SPDX-License-Identifier: MIT */
#include "worker/handlers/create.h"

#include "common/json.h"
#include "common/log.h"
#include "common/str.h"
#include "worker/handlers/create_claim.h"
#include "worker/vcd/vapp.h"

static int refuse_interrupted(const struct create *create, const char *cause, struct error *err)
{
	return error_set(err, ERR_BUSY,
		"Cluster '%s' was not created: %s. What is left of it is being removed, send it "
		"again in some minutes",
		create->adm.spec.name, cause);
}

/* Names and descriptions anybody may have written; whose a thing is only VCD says. */
static bool is_own(const struct create *create, const char *owner_urn)
{
	return str_eq(str_urn_uuid(owner_urn), str_urn_uuid(create->adm.caller.who.user_urn));
}

int create_find_vapp(struct create *create, struct error *err)
{
	struct vcd *vcd = create->adm.ctx->vcd;
	CLEANUP(vcd_vapp_release)
	struct vcd_vapp vapp = {0};
	const char *uuid;

	if (vcd_vapp_find(vcd, VCD_SERVICE, true, str_urn_uuid(create->open.details.vdc),
		    create->adm.spec.name, &uuid, err))
		return -1;
	if (uuid[0] == '\0')
		return 0;
	if (vcd_vapp_get(vcd, VCD_SERVICE, uuid, &vapp, err))
		return err->code == ERR_GONE ? 0 : -1;
	if (!str_eq(vapp.description, create->urn) || !is_own(create, vapp.owner_urn))
		return 0;
	create->vapp = uuid;
	create->in_doubt = false;
	return 1;
}

void create_find_entity(struct create *create)
{
	struct thread_ctx *ctx = create->adm.ctx;
	CLEANUP(json_release)
	struct json_object *list = NULL;
	struct error err = {0};

	create->entity_unknown = vcd_entity_find(ctx->vcd, VCD_SERVICE, "externalId",
		cluster_claim(&ctx->arena, create->req->id, create->again), &list, &err);
	if (create->entity_unknown)
		return;
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *document = json_object_array_get_idx(list, i);

		if (cluster_is_made_for(document, create->open.task.uuid,
			    str_urn_uuid(create->adm.caller.who.user_urn)) &&
			str_eq(json_str(document, "org.id", ""), create->adm.caller.org_urn)) {
			create->urn = arena_strdup(&ctx->arena, json_str(document, "id", NULL));
			create->in_doubt = false;
		}
	}
}

bool create_is_followed(const struct create *create, const struct details *details)
{
	return details->twin && !create->told && !create->req->redelivered;
}

/* Into the record as VCD has it now: another delivery may have written there. */
static int record_twin(struct create *create, struct open_task *now, struct error *err)
{
	struct thread_ctx *ctx = create->adm.ctx;

	create->told = true;
	now->details.twin = create->req->id;
	details_doubt(&now->details, vcd_now_ms(ctx->vcd));
	if (open_task_record(now, ctx, err))
		return -1;
	create->open = *now;
	return 0;
}

int create_expect_twin(struct create *create, struct error *err)
{
	struct open_task now = create->open;
	int claimed = open_task_refresh(&now, create->adm.ctx, err);

	if (claimed < 0)
		return -1;
	if (claimed > 0 || now.details.cluster || create_is_followed(create, &now.details))
		return error_set(err, ERR_BUSY, "another delivery of this request was faster");
	if (create->again || (now.details.twin && !create->told))
		return refuse_interrupted(
			create, "VCD was asked for its entity twice, and did not answer", err);
	if (record_twin(create, &now, err))
		return -1;
	create->again = true;
	return 0;
}

int create_note_twin(struct create *create, struct error *err)
{
	struct open_task now = create->open;
	int claimed = open_task_refresh(&now, create->adm.ctx, err);

	if (claimed < 0)
		return -1;
	return claimed || now.details.twin ? 0 : record_twin(create, &now, err);
}

/* 1 goes on, 0 the winner is the answer, -1 neither. */
static int judge(struct create *create, const struct last_task *last, struct error *err)
{
	const struct details *details = &last->details;
	bool given_up = details->verdict.kind || !last->running;

	if (!last->ours || !str_eq(details->request, create->req->id))
		return refuse_interrupted(create, "an earlier delivery was interrupted", err);
	if (last->task.status == TASK_SUCCESS)
		return 0;
	/* Given up in admission, or by the resync: the earlier answer was, or would be, no. */
	if (str_eq(details->verdict.step, ADMISSION_STEP) || (given_up && details->claim.pass == 0))
		return refuse_interrupted(create,
			str_or(details->verdict.cause, "an earlier delivery was interrupted"), err);
	if (details->claim.pass > 0)
		return 0;
	/* Accepted, and the delivery that did it lives: it queues the task itself. */
	return create->req->redelivered || !claim_is_accepted(create->winner);
}

int create_resume(struct create *create, struct error *err)
{
	struct thread_ctx *ctx = create->adm.ctx;
	struct last_task last;
	int verdict = cluster_last_task(ctx, create->winner, &last, err);

	if (verdict == 0)
		verdict = judge(create, &last, err);
	if (verdict == 0)
		return 0;
	create->document = STEAL(create->winner);
	if (verdict < 0)
		return -1;
	create->shared = true;
	create->urn = arena_strdup(&ctx->arena, json_str(create->document, "id", NULL));
	create->open = (struct open_task){
		.task = last.task, .details = last.details, .text = last.task.operation};
	create->vapp = last.details.vapp;
	if (!create->vapp && create_find_vapp(create, err) < 0)
		return -1;
	log_event(LOG_INFO, "create.resumed", LOG_STR("cluster", create->urn),
		LOG_STR("task", last.task.uuid), LOG_STR("vapp", create->vapp));
	return 1;
}

void create_resume_task(struct create *create)
{
	struct thread_ctx *ctx = create->adm.ctx;
	struct open_task found;
	struct error err = {0};

	if (open_task_find(ctx, create->req, &create->open, &found, &err) <= 0)
		return;
	/* Another cluster of this request has been there already, or undoing has begun. */
	if (found.details.cluster || found.details.verdict.kind || found.details.claim.pass)
		return;
	create->open = found;
	create->shared = true;
	log_event(LOG_INFO, "create.resumed", LOG_STR("task", found.task.uuid));
}
