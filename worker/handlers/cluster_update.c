/* SPDX-License-Identifier: MIT */
/*
 * PUT /api/cse/3.0/cluster/{id}: what differs from the stored cluster decides. This version
 * executes one change, expose true → false.
 */
#include "common/json.h"
#include "common/log.h"
#include "common/str.h"
#include "worker/admission.h"
#include "worker/handlers/cluster_access.h"

struct update {
	struct thread_ctx *ctx;
	const struct request *req;
	struct caller caller;
	struct json_object *document;
	struct last_task last;
	struct cluster_spec stored, wanted;
	struct open_task open;
};

static void update_release(struct update *update)
{
	json_release(&update->document);
}

static int read_specs(struct update *update, struct error *err)
{
	struct arena *arena = &update->ctx->arena;

	if (!update->req->body)
		return error_set(err, ERR_INVALID, "the request has no body");
	if (cluster_spec_read(&update->wanted, arena, update->req->body, err))
		return -1;
	if (cluster_spec_read(&update->stored, arena, json_at(update->document, "entity"), err))
		return error_wrap(err, "the stored cluster");
	return 0;
}

/* While an operation runs, its wanted change counts as if it were stored already. */
static struct cluster_spec expected_spec(const struct update *update)
{
	struct cluster_spec spec = update->stored;

	if (update->last.running && update->last.ours) {
		const struct details_wanted *wanted = &update->last.details.wanted;

		if (wanted->workers >= 0)
			spec.workers = wanted->workers;
		if (wanted->expose >= 0)
			spec.expose = wanted->expose > 0;
	}
	return spec;
}

static bool is_equal(const struct cluster_spec *a, const struct cluster_spec *b)
{
	return a->workers == b->workers && a->nfs == b->nfs && a->expose == b->expose;
}

/* 1: answer with the running task; 0: go on; -1: refused. */
static int check_busy(struct update *update, struct error *err)
{
	struct cluster_spec expected = expected_spec(update);
	const char *name = cluster_name_of(update->document);
	const struct last_task *last = &update->last;

	if (!last->running)
		return 0;
	if (last->ours && last->details.op == OPERATION_DELETE)
		return error_set(err, ERR_CONFLICT, "Cluster '%s' is being deleted (task %s)", name,
			last->task.uuid);
	if (is_equal(&expected, &update->wanted))
		return 1;
	return error_set(err, ERR_CONFLICT,
		"Cluster '%s' is busy with another operation (task %s): send the change again when "
		"it has ended",
		name, last->task.uuid);
}

/* An un-expose that failed half-way may be sent again, though its rule is gone already. */
static bool is_repair(const struct update *update)
{
	const char *phase = json_str(update->document, "entity.status.phase", "");

	return str_eq(phase, "UPDATE:FAILED") && is_equal(&update->stored, &update->wanted) &&
	       !update->wanted.expose;
}

static int check_change(struct update *update, struct error *err)
{
	const struct cluster_spec *stored = &update->stored, *wanted = &update->wanted;
	const char *name = cluster_name_of(update->document);

	if (is_repair(update))
		return 0;
	if (is_equal(stored, wanted))
		return error_set(err, ERR_INVALID,
			"Cluster '%s' already has %lld workers and %lld nfs nodes.", name,
			(long long)stored->workers, (long long)stored->nfs);
	if (stored->workers != wanted->workers || stored->nfs != wanted->nfs)
		return error_set(err, ERR_INVALID,
			"resize of cluster '%s' to %lld workers and %lld nfs nodes is not "
			"supported by this version",
			name, (long long)wanted->workers, (long long)wanted->nfs);
	if (wanted->expose)
		return error_set(err, ERR_INVALID,
			"expose of the existing cluster '%s' is not supported by this version",
			name);
	return 0;
}

static int check_state(struct update *update, struct error *err)
{
	if (str_eq(json_str(update->document, "state", ""), "RESOLVED"))
		return 0;
	return error_set(err, ERR_CONFLICT,
		"Cluster %s with id %s is not in a valid state to be resized. Please contact the "
		"administrator",
		cluster_name_of(update->document), json_str(update->document, "id", ""));
}

static void set_open(struct update *update)
{
	const struct cluster_spec *wanted = &update->wanted;
	struct details *details = &update->open.details;

	*details = details_new(
		update->ctx->shared->config->deployment, OPERATION_UPDATE, update->req->id);
	details->cluster =
		arena_strdup(&update->ctx->arena, json_str(update->document, "id", NULL));
	details->wanted.expose = wanted->expose;
	details_inherit(details, &update->last);
	update->open.text = arena_printf(&update->ctx->arena,
		"Resizing the cluster '%s' (%s) to the desired worker count %lld and nfs count "
		"%lld and un-exposing the cluster",
		cluster_name_of(update->document), details->cluster, (long long)wanted->workers,
		(long long)wanted->nfs);
}

/* 1: answer with what runs already; 0: started; 2: something began meanwhile; -1: refused. */
static int decide(struct update *update, struct error *err)
{
	struct thread_ctx *ctx = update->ctx;
	struct cluster_start start = {
		.ctx = ctx, .req = update->req, .caller = &update->caller, .phase_word = "UPDATE"};
	int busy, started;

	if (read_specs(update, err) ||
		cluster_spec_compare(&update->stored, &update->wanted, &ctx->arena, err))
		return -1;
	if (cluster_last_task(ctx, update->document, &update->last, err))
		return -1;
	start.failed_text = arena_printf(&ctx->arena, "Error un-exposing the cluster '%s'",
		cluster_name_of(update->document));
	if (update->last.ours && str_eq(update->last.details.request, update->req->id))
		return cluster_start_again(&start, &update->last, err);
	busy = check_busy(update, err);
	if (busy)
		return busy;
	if (check_change(update, err) || check_state(update, err) ||
		admission_check_expose_rights(ctx, &update->caller.who, err) ||
		cluster_need_access(ctx, &update->caller, update->document, ACCESS_CHANGE, err))
		return -1;
	set_open(update);
	started = cluster_start(&start, &update->open, &update->document, err);
	return started > 0 ? 2 : started;
}

/* 1: answer with what runs already; 0: started; -1: refused. */
static int admit(struct update *update, struct error *err)
{
	struct thread_ctx *ctx = update->ctx;

	if (caller_begin(&update->caller, ctx, update->req, err))
		return -1;
	if (cluster_load(ctx, update->req, &update->caller, &update->document, err))
		return -1;
	for (int i = 0; i < CLUSTER_START_TRIES; i++) {
		int outcome = decide(update, err);

		if (outcome != 2)
			return outcome;
	}
	return cluster_start_refuse(update->document, err);
}

int handle_cluster_update(
	struct thread_ctx *ctx, const struct request *req, struct reply *reply, struct error *err)
{
	CLEANUP(update_release)
	struct update update = {.ctx = ctx, .req = req};
	int outcome = admit(&update, err);

	if (outcome < 0) {
		log_event(LOG_INFO, "update.refused", LOG_STR("cluster", req->tokens[0]),
			LOG_STR("class", error_name(err->code)), LOG_STR("cause", err->msg));
		return -1;
	}
	cluster_reply(reply, 202, update.document);
	log_event(LOG_INFO, outcome ? "update.repeated" : "update.accepted",
		LOG_STR("cluster", req->tokens[0]),
		LOG_STR("task", outcome ? update.last.task.uuid : update.open.task.uuid),
		LOG_INT("vcd_calls", vcd_calls(ctx->vcd)));
	return 0;
}
