/* SPDX-License-Identifier: MIT */
#include "worker/revival.h"

#include "common/clock.h"
#include "common/crypto.h"
#include "common/json.h"
#include "common/log.h"
#include "common/str.h"
#include "worker/cluster.h"
#include "worker/operation.h"
#include "worker/operation_text.h"
#include "worker/slot.h"
#include "worker/task_record.h"
#include "worker/vcd/entity.h"

#include <inttypes.h>

/* A claim this many lags old is not just waiting in the queue. */
enum { TAKEOVER_LAGS = 3, REVIVALS_MAX = 2 };

struct revived {
	struct work work;
	struct details details;
	struct observed seen;
};

/* The last sign of life: the claim, or the start while nobody has claimed. */
static int64_t alive_ms(const struct vcd_task *task, const struct details_claim *claim)
{
	int64_t at;

	return !str_empty(claim->at) && clock_parse_iso(claim->at, &at) ? at : task->start_ms;
}

/* How old it must be at least. */
static int64_t takeover_ms(const struct config *config, int64_t lag_ms)
{
	return config->timing_takeover > TAKEOVER_LAGS * lag_ms ? config->timing_takeover
								: TAKEOVER_LAGS * lag_ms;
}

enum revival revival_judge(const struct config *config, const struct vcd_task *task,
	const struct details *details, int64_t now_ms, int64_t lag_ms)
{
	const struct details_claim *claim = &details->claim;
	int64_t age = now_ms - alive_ms(task, claim);
	bool create = details->op == OPERATION_CREATE;
	bool accepted = claim->pass > 0 || details->verdict.kind;

	if (task_is_final(task))
		return REVIVAL_NONE;
	/* The record of an accepted create names entity and vApp: no message was sent before. */
	if (create && !accepted && (!details->cluster || !details->vapp))
		return age < config->timing_orphan_request ? REVIVAL_NONE : REVIVAL_ORPHAN;
	if (age < takeover_ms(config, lag_ms))
		return REVIVAL_NONE;
	if (!create && !accepted)
		return REVIVAL_ORPHAN;
	return !claim->ended && details->revivals >= REVIVALS_MAX ? REVIVAL_END : REVIVAL_PASS;
}

static const char *task_name(const struct revived *revived)
{
	return text_quoted(revived->work.arena, revived->work.task.operation);
}

static int end_task(struct revived *revived, const char *cause, struct error *err)
{
	struct work *work = &revived->work;
	const char *text = text_expand(work->arena, operation_error_text(revived->details.op),
		task_name(revived), str_or(work->cluster, ""), 0);
	int status = task_record_end(work, text, cause, err);

	if (status)
		return status < 0 ? -1 : 0;
	log_event(LOG_WARN, "operation.failed",
		LOG_STR("operation", operation_name(revived->details.op)), LOG_STR("cause", cause));
	return 0;
}

/* ---- another pass ---- */

/* A claim of nobody for the pass that is sent: it says since when to wait for a sign of life. */
static int record_revival(struct revived *revived, struct error *err)
{
	struct work *work = &revived->work;
	struct details *details = &revived->details;
	char at[CLOCK_ISO_SIZE];

	details->revivals = details->claim.ended ? 1 : details->revivals + 1;
	clock_iso(at, vcd_now_ms(work->vcd));
	details->claim = (struct details_claim){
		.pass = details->claim.pass + 1,
		.worker = work->ctx->shared->worker_id,
		.at = arena_strdup(work->arena, at),
	};
	return task_record_write(work, work->task.operation, -1, err);
}

/*
 * Nothing was sent, so nothing counts against the operation; the claim says when to try again. The
 * usual handle ends every call once the broker's connection is dead, which it mostly is here.
 */
static void take_back_revival(struct revived *revived, int64_t revivals)
{
	struct work *work = &revived->work;
	struct vcd *usual = work->vcd;
	struct error err;
	int status;

	work->vcd = vcd_new(work->ctx->shared->vcd, NULL, NULL);
	vcd_begin(work->vcd, work->arena, clock_ms() + work->config->timing_vcd_call,
		work->mutate_until_ms);
	/* The message may have arrived all the same, and its pass has the say then. */
	status = task_record_read(work, &err);
	revived->details.revivals = revivals;
	/* A chain that still lives, its messages late, must not find another one's claim. */
	revived->details.claim.pass--;
	if (status == 0)
		status = task_record_write(work, work->task.operation, -1, &err);
	if (status < 0)
		log_event(LOG_WARN, "resync.not_taken_back", LOG_STR("reason", err.msg));
	vcd_free(&work->vcd);
	work->vcd = usual;
}

static int send_pass(struct revived *revived, struct error *err)
{
	struct work *work = &revived->work;
	const struct details *details = &revived->details;
	int64_t revivals = details->revivals;
	char id[CRYPTO_UUID_SIZE];
	struct operation_message message = {
		.id = id,
		.operation = details->op,
		.cluster = details->cluster,
		.task = work->task.uuid,
		.request_id = str_or(details->request, ""),
		.user = arena_printf(
			work->arena, "urn:vcloud:user:%s", str_last_segment(work->task.user_href)),
		.org = work->org_urn,
	};
	int status;

	status = record_revival(revived, err);
	if (status)
		return status < 0 ? -1 : 0;
	crypto_uuid(id);
	message.pass = message.claimed = details->claim.pass;
	message.due = details->claim.at;
	slot_set_publishing(work->ctx);
	status = operation_publish(work->ctx->bus, work->config, work->arena, &message, 0, err);
	slot_allow(work->ctx, work->config->timing_pass);
	if (status) {
		take_back_revival(revived, revivals);
		return -1;
	}
	counter_add(&work->ctx->shared->counters, COUNTER_REVIVAL, 1);
	log_event(LOG_WARN, "operation.revived", LOG_STR("operation", operation_name(details->op)),
		LOG_INT("pass", message.pass), LOG_INT("revivals", details->revivals));
	return 1;
}

/* ---- admission died ---- */

static int look_at(struct revived *revived, const char *urn, struct error *err)
{
	struct work *work = &revived->work;

	work->cluster = urn;
	observed_release(&revived->seen);
	observed_init(&revived->seen, &revived->details, urn, work->task.uuid);
	return observed_look(work, &revived->seen, SEE_ENTITY | SEE_VAPP, err);
}

static bool has_vapp(const struct revived *revived)
{
	return revived->seen.vapp != VAPP_ABSENT && revived->seen.vapp_ours;
}

static int find_claimed(struct revived *revived, bool again, const char **urn, struct error *err)
{
	struct work *work = &revived->work;
	CLEANUP(json_release)
	struct json_object *list = NULL;

	*urn = NULL;
	if (vcd_entity_find(work->vcd, VCD_SERVICE, "externalId",
		    cluster_claim(work->arena, revived->details.request, again), &list, err))
		return -1;
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *document = json_object_array_get_idx(list, i);

		if (cluster_is_made_for(
			    document, work->task.uuid, str_last_segment(work->task.user_href)) &&
			str_eq(json_str(document, "org.id", ""), work->org_urn))
			*urn = arena_strdup(work->arena, json_str(document, "id", NULL));
	}
	return 0;
}

/* The entity that the request made; of two the one with a vApp. None: the record names none. */
static int find_entity(struct revived *revived, struct error *err)
{
	struct details *details = &revived->details;

	for (int again = 1; again >= 0; again--) {
		const char *urn;

		if (find_claimed(revived, again, &urn, err))
			return -1;
		if (!urn)
			continue;
		if (look_at(revived, urn, err))
			return -1;
		if (!details->cluster || has_vapp(revived))
			details->cluster = urn;
		if (has_vapp(revived))
			break;
	}
	return 0;
}

/*
 * A create is accepted when its vApp exists, which only the caller's token could make. Without one
 * the entity is taken back; without an entity there is nothing at all.
 */
static int adopt_create(struct revived *revived, struct error *err)
{
	struct work *work = &revived->work;
	struct details *details = &revived->details;

	if (!details->cluster && find_entity(revived, err))
		return -1;
	/* A call of the request may have had no answer, or its worker died in it. */
	details_doubt(details, work->task.start_ms + work->config->timing_reply);
	if (!details->cluster &&
		vcd_now_ms(work->vcd) - details->doubt < work->config->timing_delete_wait)
		return 0;
	if (!details->cluster)
		return end_task(revived,
			"The request was interrupted before anything was made; send it again.",
			err);
	if (look_at(revived, details->cluster, err))
		return -1;
	if (!has_vapp(revived))
		details->verdict = (struct details_verdict){.kind = "rollback",
			.step = ADMISSION_STEP,
			.cause = "the request was interrupted before its vApp was made"};
	else if (str_eq(revived->seen.entity_phase, "CREATE:FAILED"))
		/* Its caller was told so, and only the task could not be. */
		details->verdict = (struct details_verdict){.kind = "rollback",
			.step = ADMISSION_STEP,
			.cause = "the request was refused"};
	return send_pass(revived, err);
}

/*
 * A change is accepted when the entity names its task. One that was not may have been refused, so
 * even a delete is not done then: the cluster may be in use again.
 */
static int adopt_change(struct revived *revived, struct error *err)
{
	struct work *work = &revived->work;

	if (observed_look(work, &revived->seen, SEE_ENTITY, err))
		return -1;
	/* Its caller was told so, and only the task could not be. */
	if (str_eq(revived->seen.entity_task, work->task.uuid) &&
		str_eq(revived->seen.entity_phase, operation_failed_phase(revived->details.op)))
		return end_task(revived,
			"The request was refused; nothing was changed. Send it again.", err);
	if (revived->seen.entity_absent || str_eq(revived->seen.entity_task, work->task.uuid))
		return send_pass(revived, err);
	return end_task(revived,
		"The request was interrupted, and the cluster names another operation; nothing was "
		"changed. Send it again.",
		err);
}

/* ---- passes that never end ---- */

static int end_poison(struct revived *revived, struct error *err)
{
	struct work *work = &revived->work;
	struct observed *seen = &revived->seen;
	const char *cause = arena_printf(work->arena,
		"No pass has ended since it was taken over %d times: each time its worker died, or "
		"its message was parked (see: cse-worker parked show). Pass %" PRId64
		", at: %.200s. Delete the cluster, or send the request again.",
		REVIVALS_MAX, revived->details.claim.pass, work->task.operation);

	if (!revived->details.verdict.kind)
		revived->details.verdict =
			(struct details_verdict){.kind = "fail", .step = "resync", .cause = cause};
	observed_init(seen, &revived->details, work->cluster, work->task.uuid);
	if (work_entity_fail(work, seen, err))
		return -1;
	return end_task(revived, cause, err);
}

/* Our own task, but nobody can tell any more what it was to do. */
static int end_unreadable(struct revived *revived, const struct error *why, struct error *err)
{
	struct work *work = &revived->work;
	const struct vcd_task_write write = {
		.operation = work->task.operation,
		.status = TASK_ERROR,
		.progress = work->task.progress,
		.details = work->task.details,
		.error_message = why->msg,
	};

	if (vcd_now_ms(work->vcd) - work->task.start_ms < work->config->timing_takeover)
		return 0;
	log_event(LOG_WARN, "operation.unreadable", LOG_STR("reason", why->msg));
	return vcd_task_put(work->vcd, &work->task, &write, NULL, err);
}

static int act(struct revived *revived, struct error *err)
{
	struct work *work = &revived->work;
	int64_t lag = lag_average_ms(&work->ctx->shared->lag);

	switch (revival_judge(
		work->config, &work->task, &revived->details, vcd_now_ms(work->vcd), lag)) {
	case REVIVAL_NONE:
		break;
	case REVIVAL_ORPHAN:
		return revived->details.op == OPERATION_CREATE ? adopt_create(revived, err)
							       : adopt_change(revived, err);
	case REVIVAL_PASS:
		return send_pass(revived, err);
	case REVIVAL_END:
		return end_poison(revived, err);
	}
	return 0;
}

/* Nothing in here waits long enough to need this. */
static int no_pause(struct work *work, int64_t ms, struct error *err)
{
	(void)work, (void)ms, (void)err;
	return 0;
}

int revival_run(struct thread_ctx *ctx, const char *task, struct error *err)
{
	struct revived revived = {
		.work = {.ctx = ctx,
			.config = ctx->shared->config,
			.vcd = ctx->vcd,
			.arena = &ctx->arena,
			.mutate_until_ms = clock_ms() + ctx->shared->config->timing_last_mutation,
			.pause = no_pause},
	};
	struct work *work = &revived.work;
	struct error why;
	int status;

	work->details = &revived.details;
	if (vcd_task_get(ctx->vcd, task, &work->task, err))
		return err->code == ERR_GONE ? 0 : -1;
	task_record_set(work, &work->task);
	if (task_is_final(&work->task))
		return 0;
	status = details_decode(
		&revived.details, work->arena, work->config->deployment, work->task.details, &why);
	/* A newer program's record is its own business. */
	if (status == 0 || (status < 0 && why.code == ERR_FORMAT))
		return 0;
	if (status < 0)
		return end_unreadable(&revived, &why, err);
	log_context()->task = work->task.uuid;
	log_context()->cluster = work->cluster = revived.details.cluster;
	work->org_urn = str_empty(work->task.org_id)
				? arena_printf(work->arena, "urn:vcloud:org:%s",
					  str_last_segment(work->task.owner_href))
				: work->task.org_id;
	observed_init(&revived.seen, &revived.details, str_or(work->cluster, ""), work->task.uuid);
	status = act(&revived, err);
	observed_release(&revived.seen);
	return status;
}
