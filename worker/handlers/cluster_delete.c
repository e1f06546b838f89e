/* SPDX-License-Identifier: MIT */
/*
 * DELETE /api/cse/3.0/cluster/{id}: accepted from every state. It beats whatever operation runs,
 * and says so in its record, so that its passes wait for that one to stop.
 */
#include "common/json.h"
#include "common/log.h"
#include "common/str.h"
#include "worker/admission.h"
#include "worker/handlers/cluster_access.h"

struct removal {
	struct thread_ctx *ctx;
	const struct request *req;
	struct caller caller;
	struct json_object *document;
	struct last_task last;
	struct open_task open;
};

static void removal_release(struct removal *removal)
{
	json_release(&removal->document);
}

static bool is_running_delete(const struct last_task *last)
{
	return last->running && last->ours && last->details.op == OPERATION_DELETE;
}

static void set_open(struct removal *removal)
{
	struct arena *arena = &removal->ctx->arena;
	struct details *details = &removal->open.details;

	*details = details_new(
		removal->ctx->shared->config->deployment, OPERATION_DELETE, removal->req->id);
	details->cluster = arena_strdup(arena, json_str(removal->document, "id", NULL));
	details_inherit(details, &removal->last);
	if (removal->last.running && removal->last.ours)
		details->supersedes = removal->last.task.uuid;
	/* Somebody is at work, and nobody can tell who: its owner may have blanked the href. */
	if (!removal->last.ours &&
		str_ends(json_str(removal->document, "entity.status.phase", ""), ":IN_PROGRESS"))
		details_doubt(details, vcd_now_ms(removal->ctx->vcd));
	removal->open.text = arena_printf(arena, "Deleting cluster '%s' (%s)",
		cluster_name_of(removal->document), details->cluster);
}

/* 1: a delete runs already; 0: started; 2: something began meanwhile; -1: refused. */
static int decide(struct removal *removal, struct error *err)
{
	struct thread_ctx *ctx = removal->ctx;
	struct cluster_start start = {.ctx = ctx,
		.req = removal->req,
		.caller = &removal->caller,
		.phase_word = "DELETE"};
	const struct last_task *last = &removal->last;
	int started;

	if (cluster_last_task(ctx, removal->document, &removal->last, err))
		return -1;
	start.failed_text = arena_printf(
		&ctx->arena, "Error deleting the cluster '%s'", cluster_name_of(removal->document));
	if (last->ours && str_eq(last->details.request, removal->req->id))
		return cluster_start_again(&start, last, err);
	if (is_running_delete(last))
		return 1;
	set_open(removal);
	started = cluster_start(&start, &removal->open, &removal->document, err);
	return started > 0 ? 2 : started;
}

/* 1: a delete runs already; 0: started; -1: refused. */
static int admit(struct removal *removal, struct error *err)
{
	struct thread_ctx *ctx = removal->ctx;

	if (caller_begin(&removal->caller, ctx, removal->req, err))
		return -1;
	if (cluster_load(ctx, removal->req, &removal->caller, &removal->document, err))
		return -1;
	if (identity_need_right(ctx, &removal->caller.who, RIGHT_VAPP_DELETE, err) ||
		cluster_need_access(ctx, &removal->caller, removal->document, ACCESS_FULL, err))
		return -1;
	for (int i = 0; i < CLUSTER_START_TRIES; i++) {
		int outcome = decide(removal, err);

		if (outcome != 2)
			return outcome;
	}
	return cluster_start_refuse(removal->document, err);
}

int handle_cluster_delete(
	struct thread_ctx *ctx, const struct request *req, struct reply *reply, struct error *err)
{
	CLEANUP(removal_release)
	struct removal removal = {.ctx = ctx, .req = req};
	int outcome = admit(&removal, err);

	if (outcome < 0) {
		log_event(LOG_INFO, "delete.refused", LOG_STR("cluster", req->tokens[0]),
			LOG_STR("class", error_name(err->code)), LOG_STR("cause", err->msg));
		return -1;
	}
	cluster_reply(reply, 202, removal.document);
	log_event(LOG_INFO, outcome ? "delete.repeated" : "delete.accepted",
		LOG_STR("cluster", req->tokens[0]),
		LOG_STR("task", outcome ? removal.last.task.uuid : removal.open.task.uuid),
		LOG_STR("supersedes", removal.open.details.supersedes),
		LOG_INT("vcd_calls", vcd_calls(ctx->vcd)));
	return 0;
}
