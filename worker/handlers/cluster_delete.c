/* SPDX-License-Identifier: MIT */
/*
 * DELETE /api/cse/3.0/cluster/{id}: accepted from every state. It beats whatever operation runs,
 * and says so in its record, so that its passes wait for that one to stop.
 */
#include "common/json.h"
#include "common/log.h"
#include "common/str.h"
#include "worker/admission.h"
#include "worker/handlers/cluster_common.h"

enum { GRANTS_PAGE = 128, GRANTS_PAGES_MAX = 16 };

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

static bool grants_full_control(const struct identity *who, struct json_object *grant)
{
	const char *member = json_str(grant, "memberId", "");

	if (!str_eq(json_str(grant, "accessLevelId", ""), "urn:vcloud:accessLevel:FullControl"))
		return false;
	for (size_t i = 0; i < who->role_count; i++)
		if (str_eq(member, who->role_urns[i]))
			return true;
	return str_eq(member, who->user_urn) || str_eq(member, who->org_urn);
}

/* One page of …/accessControls; service session, which sees all grants. 1: there are more. */
static int read_grants(struct removal *removal, int number, bool *out, struct error *err)
{
	const char *urn = json_str(removal->document, "id", "");
	CLEANUP(json_release)
	struct json_object *page = NULL;
	struct vcd_answer answer;
	struct json_object *values;
	size_t count;

	if (vcd_json(removal->ctx->vcd, VCD_SERVICE, "GET",
		    arena_printf(&removal->ctx->arena,
			    "/cloudapi/1.0.0/entities/%s/accessControls?page=%d&pageSize=%d", urn,
			    number, GRANTS_PAGE),
		    NULL, "grants of the cluster", &answer, &page, err))
		return -1;
	values = json_at(page, "values");
	count = json_object_is_type(values, json_type_array) ? json_object_array_length(values) : 0;
	for (size_t i = 0; i < count && !*out; i++)
		*out = grants_full_control(
			&removal->caller.who, json_object_array_get_idx(values, i));
	return json_int(page, "pageCount", count < GRANTS_PAGE ? number : number + 1) > number;
}

/* Page after page until a grant of the caller is found; a request's time bounds them as well. */
static int has_grant(struct removal *removal, bool *out, struct error *err)
{
	struct error cause = {0};
	int more = 1;

	*out = false;
	for (int number = 1; more > 0 && !*out && number <= GRANTS_PAGES_MAX; number++)
		more = read_grants(removal, number, out, &cause);
	if (more >= 0 || !error_may_retry(cause.code))
		return 0; /* none more that could be shown */
	*err = cause;
	return -1;
}

/* Full control: the owner or a grant, each with the right on the type; or the administrator's
 * right. */
static int check_control(struct removal *removal, struct error *err)
{
	const struct identity *who = &removal->caller.who;
	bool full, admin, granted;

	if (identity_need_right(removal->ctx, who, RIGHT_VAPP_DELETE, err))
		return -1;
	if (identity_has_right(removal->ctx, who, RIGHT_CLUSTER_ADMIN, &admin, err))
		return -1;
	if (admin)
		return 0;
	if (identity_has_right(removal->ctx, who, RIGHT_CLUSTER_FULL, &full, err))
		return -1;
	granted = str_eq(json_str(removal->document, "owner.id", ""), who->user_urn);
	if (full && !granted && has_grant(removal, &granted, err))
		return -1;
	if (full && granted)
		return 0;
	return error_set(err, ERR_DENIED, "user '%s' has no full control of cluster '%s'",
		who->user_name, cluster_name_of(removal->document));
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
	if (check_control(removal, err))
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
