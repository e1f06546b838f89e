/* SPDX-License-Identifier: MIT */
#include "worker/pass.h"

#include "common/clock.h"
#include "common/crypto.h"
#include "common/json.h"
#include "common/log.h"
#include "common/redact.h"
#include "common/str.h"
#include "worker/claim.h"
#include "worker/connection.h"
#include "worker/count.h"
#include "worker/events.h"
#include "worker/operation_text.h"
#include "worker/plans/evidence.h"
#include "worker/schedule.h"
#include "worker/slot.h"
#include "worker/task_record.h"
#include "worker/vcd/vcd.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { PAUSE_SLICE_MS = 200 };

/* What another pass removes is soon seen to be gone; what is needed all the same stays so. */
enum { GONE_TRIES = 5 };

struct pass {
	struct work work; /* first: the engine hands back only this */
	struct details details;
	struct observed seen;
	const struct operation_message *message;
	bool redelivered;
	bool claimed;	    /* our claim was written… */
	int64_t claimed_ms; /* …then, by clock_ms() */
	bool confirmed;	    /* the entity was asked since, see claim_confirm() */
	bool lost; /* another delivery goes on with this operation: nothing more from here */
	int64_t lag_ms;
	struct pass_result *out;
};

/* ---- pieces ---- */

static int pass_pause(struct work *work, int64_t ms, struct error *err)
{
	int64_t until = clock_ms() + ms;

	for (int64_t left = ms; left > 0; left = until - clock_ms()) {
		clock_sleep_ms(left < PAUSE_SLICE_MS ? left : PAUSE_SLICE_MS);
		if (work->ctx->bus && !connection_tick(work->ctx))
			return error_set(err, ERR_TRANSIENT, "The broker connection is gone");
	}
	return 0;
}

static const char *cluster_name(const struct pass *pass)
{
	const struct observed *seen = &pass->seen;

	if (seen->vapp_ours && seen->vapp_name[0])
		return seen->vapp_name;
	if (seen->entity_name[0])
		return seen->entity_name;
	return text_quoted(pass->work.arena, pass->work.task.operation);
}

static const char *pass_text(const struct pass *pass, const char *text)
{
	const struct observed *seen = &pass->seen;
	int64_t workers =
		seen->want_workers >= 0 ? seen->want_workers : (int64_t)seen->worker_count;

	return text_expand(pass->work.arena, text, cluster_name(pass), pass->work.cluster, workers);
}

/* Reads the record again. 1: lost, or ended by somebody else. */
static int pass_read(struct pass *pass, struct error *err)
{
	int status = task_record_read(&pass->work, err);

	pass->lost |= status > 0;
	return status;
}

/*
 * A rule that this pass has sent for, or one that never ended: when it cannot be seen now, whoever
 * removes the cluster has to wait for it.
 */
static void note_doubt(struct pass *pass)
{
	struct work *work = &pass->work;
	struct error ignored;

	if (work->unsettled &&
		(observed_look(work, &pass->seen, SEE_RULES, &ignored) || work->unsettled))
		details_doubt(&pass->details, vcd_now_ms(work->vcd));
}

/* Writes the record with this pass's claim. 1: lost, and nothing was written. */
static int pass_write(
	struct pass *pass, bool ended, const char *text, int percent, struct error *err)
{
	struct work *work = &pass->work;
	int status;

	/* A message that died with its connection was given to somebody else. */
	if (work->ctx->bus && !connection_tick(work->ctx)) {
		pass->lost = true;
		return 1;
	}
	note_doubt(pass);
	claim_renew(&pass->details.claim, work->arena, vcd_now_ms(work->vcd), ended);
	status = task_record_write(work, text, percent, err);
	pass->lost |= status > 0;
	pass->claimed |= status == 0;
	return status;
}

static bool is_superseded(const struct pass *pass)
{
	const struct observed *seen = &pass->seen;

	return !pass->details.verdict.kind && (seen->seen & SEE_ENTITY) && seen->stronger[0];
}

/*
 * Does the entity still want this operation? Asked after the claim was written: a delete that saw
 * no claim has named itself in the entity before, and one that comes later sees the claim and waits
 * for its end. A verdict is as good in the entity's phase as in our record, from which a stale
 * write of another pass may have wiped it.
 */
static int claim_confirm(struct pass *pass, struct error *err)
{
	struct observed *seen = &pass->seen;

	if (pass->details.op == OPERATION_DELETE || pass->details.verdict.kind)
		return 0;
	if (seen->document_ms <= pass->claimed_ms)
		seen->seen &= ~(unsigned)SEE_ENTITY;
	if (observed_look(&pass->work, seen, SEE_ENTITY, err))
		return -1;
	pass->confirmed = true;
	if (seen->entity_absent)
		return error_set(err, ERR_CONFLICT, "The cluster's entity was deleted");
	if (seen->stronger[0])
		return error_set(err, ERR_CONFLICT, "Superseded by task %s", seen->stronger);
	if (str_eq(seen->entity_task, seen->task) &&
		str_eq(seen->entity_phase, operation_failed_phase(pass->details.op)))
		return error_set(
			err, ERR_CONFLICT, "The cluster's entity says that the operation failed");
	return 0;
}

/* The engine's claim: one per pass covers all its acts. */
static int pass_claim(struct work *work, const struct step *step, struct error *err)
{
	struct pass *pass = (struct pass *)work;
	int status;

	slot_set_step(work->ctx, step->name);
	if (clock_ms() >= work->mutate_until_ms)
		return 1;
	if (!pass->claimed) {
		status = pass_write(pass, false, pass_text(pass, step->text), step->percent, err);
		if (status)
			return status;
		pass->claimed_ms = clock_ms();
	}
	return pass->confirmed || step->needs & STEP_HARMLESS ? 0 : claim_confirm(pass, err);
}

static void pass_again(struct pass *pass, int64_t attempt, int64_t delay_ms)
{
	const struct operation_message *message = pass->message;
	struct arena *arena = pass->work.arena;
	char id[CRYPTO_UUID_SIZE], due[CLOCK_ISO_SIZE];

	crypto_uuid(id);
	clock_iso(due,
		vcd_estimate_ms(pass->work.vcd) + operation_delay_ms(pass->work.config, delay_ms));
	pass->out->again = true;
	pass->out->delay_ms = delay_ms;
	pass->out->next = *message;
	pass->out->next.id = arena_strdup(arena, id);
	pass->out->next.due = arena_strdup(arena, due);
	pass->out->next.pass = message->pass + 1;
	pass->out->next.attempt = attempt;
}

/* ---- ends of a pass ---- */

/* Since when the operation stands where it stands: the last claim, or its start. */
static int64_t waited_ms(const struct pass *pass)
{
	int64_t since = pass->work.task.start_ms;
	int64_t at;

	if (!str_empty(pass->details.claim.at) && clock_parse_iso(pass->details.claim.at, &at))
		since = at;
	return vcd_now_ms(pass->work.vcd) - since;
}

/*
 * The sign of life and the text, when it is time. False: another delivery goes on with this
 * operation. What cannot be written now is written by the next pass.
 */
static bool pass_mark(struct pass *pass, const struct step *step)
{
	struct work *work = &pass->work;
	const char *text = step ? pass_text(pass, step->text) : work->task.operation;
	bool claimed = pass->claimed;
	bool due = waited_ms(pass) >= work->config->timing_claim_interval;
	struct error err;
	int status = 0;

	if (pass->lost)
		return false;
	if (!pass->details.deployment) /* the record could not be read */
		return true;
	if (!claimed && !due && str_eq(text, work->task.operation))
		return true;
	/* Read before it is written, and after a claim that is new: of two chains of one operation
	 * that only wait, one ends here. With one read alone, chains that keep the same small
	 * distance could go on side by side. */
	if (claimed || due)
		status = pass_read(pass, &err);
	if (status == 0)
		status = pass_write(pass, true, text, step ? step->percent : -1, &err);
	if (status == 0 && !claimed && due)
		status = pass_read(pass, &err);
	if (status < 0)
		log_event(LOG_WARN, "pass.not_marked", LOG_STR("reason", err.msg));
	return !pass->lost;
}

static void pass_wait(struct pass *pass, const struct outcome *outcome)
{
	const struct config *config = pass->work.config;
	int64_t waited = waited_ms(pass);
	const struct schedule schedule = {
		.wait_ms = outcome->step->wait_s * config->timing_rungs[0],
		.waited_ms = outcome->acted || pass->claimed ? 0 : waited,
		.lag_ms = pass->lag_ms,
	};
	int64_t max_ms = config->timing_rungs[ARRAY_LEN(config->timing_rungs) - 1];

	if (pass_mark(pass, outcome->step))
		pass_again(pass, 0, schedule_delay_ms(&schedule, max_ms));
}

static void pass_retry(struct pass *pass, const struct step *step, const struct error *cause)
{
	const struct config *config = pass->work.config;
	const struct schedule schedule = {
		.wait_ms = config->timing_rungs[0],
		.failures = pass->message->attempt + 1,
		.lag_ms = pass->lag_ms,
	};
	int64_t max_ms = config->timing_rungs[ARRAY_LEN(config->timing_rungs) - 1];

	log_event(LOG_WARN, "pass.retry", LOG_STR("step", step ? step->name : ""),
		LOG_INT("attempt", schedule.failures), LOG_STR("class", error_name(cause->code)),
		LOG_STR("reason", redact(pass->work.arena, cause->msg)));
	if (pass_mark(pass, pass->claimed ? step : NULL))
		pass_again(pass, schedule.failures, schedule_delay_ms(&schedule, max_ms));
}

/* Ends the task. It is the last write of an operation; when it fails, another pass does it. */
static void pass_end(struct pass *pass, const char *text, const char *cause)
{
	struct work *work = &pass->work;
	struct error err;
	int status;

	note_doubt(pass);
	status = task_record_end(work, pass_text(pass, text), cause, &err);

	if (status < 0)
		pass_retry(pass, NULL, &err);
	if (status)
		return;
	count_operation(work->ctx->shared, pass->details.op, cause != NULL);
	log_event(cause ? LOG_WARN : LOG_INFO, cause ? "operation.failed" : "operation.done",
		LOG_STR("operation", operation_name(pass->details.op)),
		LOG_INT("pass", pass->message->pass),
		LOG_INT("ms", vcd_now_ms(work->vcd) - work->task.start_ms),
		LOG_STR("cause", cause));
}

static void pass_finish(struct pass *pass, const struct plan *walked)
{
	struct error err;
	int status = pass_read(pass, &err);

	if (status < 0) {
		pass_retry(pass, NULL, &err);
	} else if (status == 0 && plan_for(&pass->details) != walked) {
		/* A verdict was recorded while this pass ran. */
		pass_again(pass, 0, 0);
	} else if (status == 0 && pass->details.verdict.kind) {
		pass_end(pass, operation_error_text(pass->details.op),
			operation_cause(pass->work.arena, &pass->details, true));
	} else if (status == 0) {
		pass_end(pass, operation_done_text(pass->details.op, &pass->seen), NULL);
	}
}

/* What is known of the failure, for operators; the undo will remove where it was read. */
static void tell_evidence(struct pass *pass)
{
	const struct details_verdict *verdict = &pass->details.verdict;
	CLEANUP(json_release)
	struct json_object *evidence =
		evidence_collect(&pass->work, &pass->seen, verdict->step, verdict->cause);

	evidence_log(evidence);
	event_verdict(pass->work.ctx, &pass->work.task, &pass->details, evidence);
}

/* Whether the create is undone. Without its entity nobody could delete the cluster later. */
static int wants_rollback(struct pass *pass, bool *rollback, struct error *err)
{
	const struct details *details = &pass->details;

	*rollback = details->op == OPERATION_CREATE && details->wanted.rollback > 0;
	if (details->op != OPERATION_CREATE || *rollback)
		return 0;
	if (observed_look(&pass->work, &pass->seen, SEE_ENTITY, err) && error_may_retry(err->code))
		return -1;
	*rollback = pass->seen.entity_absent;
	return 0;
}

/* Records what failed and why, durably, before anything is undone; later passes walk the undo plan.
 */
static void pass_verdict(struct pass *pass, const char *step, const char *cause)
{
	struct details *details = &pass->details;
	bool rollback;
	struct error err;
	int status = wants_rollback(pass, &rollback, &err) ? -1 : pass_read(pass, &err);

	if (status == 0) {
		if (!details->verdict.kind) {
			details->verdict =
				(struct details_verdict){.kind = rollback ? "rollback" : "fail",
					.step = step,
					.cause = redact(pass->work.arena, cause)};
			tell_evidence(pass);
		}
		log_event(LOG_WARN, "operation.verdict", LOG_STR("verdict", details->verdict.kind),
			LOG_STR("step", details->verdict.step),
			LOG_STR("cause", details->verdict.cause));
		status = pass_write(
			pass, true, pass_text(pass, operation_error_text(details->op)), -1, &err);
	}
	if (status == 0)
		status = pass_read(pass, &err);
	if (status < 0)
		pass_retry(pass, NULL, &err);
	else if (status == 0)
		pass_again(pass, 0, 0);
}

/* A stronger task took over: what there is belongs to it, so nothing is undone. */
static void pass_yield(struct pass *pass)
{
	struct error err;
	const char *cause =
		arena_printf(pass->work.arena, "Superseded by task %s", pass->seen.stronger);
	int status = pass_read(pass, &err);

	if (status < 0)
		pass_retry(pass, NULL, &err);
	else if (status == 0)
		pass_end(pass, operation_error_text(pass->details.op), cause);
}

/*
 * A step cannot be met: because a stronger task took over, or for a reason of its own. What cannot
 * be undone now is tried again until it can.
 */
static void pass_give_up(struct pass *pass, const struct step *step, const struct error *cause)
{
	struct error err;

	if (pass->details.verdict.kind)
		pass_retry(pass, step, cause);
	else if (observed_look(&pass->work, &pass->seen, SEE_ENTITY, &err) &&
		 error_may_retry(err.code))
		pass_retry(pass, step, &err);
	else if (is_superseded(pass))
		pass_yield(pass);
	else
		pass_verdict(pass, step->name, arena_strdup(pass->work.arena, cause->msg));
}

/*
 * The failures before this one may have been of another step. Does a new look at everything show
 * something else to do?
 */
static bool is_helped_by_a_look(const struct reconcile *input, const struct step *step)
{
	const struct step *open;
	enum condition condition;
	struct error err;

	input->seen->seen = 0;
	if (reconcile_look(input, &open, &condition, &err))
		return error_may_retry(err.code);
	return open != step || condition == COND_PENDING;
}

static void pass_failed(struct pass *pass, const struct reconcile *input, const struct step *step,
	const struct error *cause)
{
	/*
	 * Two passes may stand at one step: what the other one has just done cannot be done again,
	 * and VCD says so in many words. So a refusal counts when another look did not help.
	 */
	int64_t attempt = pass->message->attempt;
	bool later = attempt == 0 || error_may_retry(cause->code) || cause->code == ERR_EXPIRED ||
		     (cause->code == ERR_GONE && attempt < GONE_TRIES);

	if (!is_superseded(pass) && (later || is_helped_by_a_look(input, step)))
		pass_retry(pass, step, cause);
	else
		pass_give_up(pass, step, cause);
}

/* ---- the pass ---- */

static int64_t deadline_ms(const struct config *config, enum operation op)
{
	switch (op) {
	case OPERATION_CREATE:
		return config->timing_deadline_create;
	case OPERATION_UPDATE:
		return config->timing_deadline_update;
	case OPERATION_DELETE:
		break;
	}
	return config->timing_deadline_delete;
}

/* " (waiting for mstr-ab12: nodes running)", as far as a look can tell. */
static const char *waited_for(struct pass *pass)
{
	struct error ignored;
	const char *nodes;

	if (pass->details.op != OPERATION_CREATE ||
		observed_look(&pass->work, &pass->seen, SEE_VAPP, &ignored))
		return "";
	nodes = evidence_nodes(pass->work.arena, &pass->seen);
	return nodes[0] ? arena_printf(pass->work.arena, " (waiting for %s)", nodes) : "";
}

/* True when the pass was ended here: cancelled, too late, or undoing for too long. */
static bool pass_overdue(struct pass *pass)
{
	struct work *work = &pass->work;
	int64_t age = vcd_now_ms(work->vcd) - work->task.start_ms;
	int64_t deadline = deadline_ms(work->config, pass->details.op);

	if (pass->details.verdict.kind) {
		struct error err;

		if (age < GIVE_UP_DEADLINES * deadline)
			return false;
		if (work_entity_fail(work, &pass->seen, &err))
			log_event(LOG_WARN, "entity.left_in_progress", LOG_STR("cause", err.msg));
		pass_end(pass, operation_error_text(pass->details.op),
			operation_cause(pass->work.arena, &pass->details, false));
		return true;
	}
	if (work->task.cancel_requested) {
		pass_verdict(pass, "cancel", "the task was cancelled");
		return true;
	}
	if (age < deadline)
		return false;
	pass_verdict(pass, "deadline",
		arena_printf(work->arena, "not finished after %" PRId64 " minutes, at: %.200s%s",
			deadline / 60000, work->task.operation, waited_for(pass)));
	return true;
}

static void pass_walk(struct pass *pass)
{
	const struct plan *plan = plan_for(&pass->details);
	const struct reconcile input = {
		.plan = plan,
		.work = &pass->work,
		.seen = &pass->seen,
		.look = observed_look,
		.claim = pass_claim,
	};
	struct outcome outcome;
	struct error err = {0};

	if (reconcile(&input, &outcome, &err))
		pass_failed(pass, &input, outcome.step, &err);
	else if (outcome.kind == OUTCOME_DONE)
		pass_finish(pass, plan);
	else if (outcome.kind == OUTCOME_AGAIN)
		pass_wait(pass, &outcome);
	else
		pass_give_up(pass, outcome.step, &err);
	log_event(LOG_INFO, "pass.done", LOG_INT("pass", pass->message->pass),
		LOG_STR("plan", plan->name),
		LOG_STR("step", outcome.step ? outcome.step->name : ""),
		LOG_INT("acted", outcome.acted), LOG_INT("again", pass->out->again),
		LOG_INT("delay_ms", pass->out->delay_ms),
		LOG_INT("vcd_calls", vcd_calls(pass->work.vcd)));
}

/* Reads task and record. 1: go on; 0: nothing to do for this message; -1: park it. */
static int pass_open(struct pass *pass, struct error *err)
{
	struct work *work = &pass->work;
	const struct operation_message *message = pass->message;
	int ours;

	if (vcd_task_get(work->vcd, message->task, &work->task, err)) {
		if (err->code != ERR_GONE)
			pass_retry(pass, NULL, err);
		else
			log_event(LOG_WARN, "pass.no_task", LOG_STR("task", message->task),
				LOG_STR("reason", err->msg));
		return 0;
	}
	task_record_set(work, &work->task);
	if (task_is_final(&work->task))
		return 0;
	ours = details_decode(
		&pass->details, work->arena, work->config->deployment, work->task.details, err);
	if (ours < 0)
		return -1;
	if (!ours || (pass->details.cluster && !str_eq(pass->details.cluster, message->cluster))) {
		log_event(LOG_WARN, "pass.foreign_task", LOG_STR("task", message->task));
		return 0;
	}
	work->org_urn = str_empty(work->task.org_id) ? message->org : work->task.org_id;
	return claim_allows(&pass->details.claim, message->pass, pass->redelivered);
}

int pass_run(struct thread_ctx *ctx, const struct operation_message *message, bool redelivered,
	int64_t lag_ms, struct pass_result *out, struct error *err)
{
	const struct config *config = ctx->shared->config;
	int64_t now = clock_ms();
	struct pass pass = {
		.message = message,
		.redelivered = redelivered,
		.lag_ms = lag_ms,
		.out = out,
	};
	int open;

	*out = (struct pass_result){0};
	pass.work = (struct work){
		.ctx = ctx,
		.config = config,
		.vcd = ctx->vcd,
		.arena = &ctx->arena,
		.details = &pass.details,
		.cluster = message->cluster,
		.mutate_until_ms = now + config->timing_last_mutation,
		.attempt = message->attempt,
		.pause = pass_pause,
	};
	vcd_begin(ctx->vcd, &ctx->arena, now + config->timing_pass, pass.work.mutate_until_ms);
	open = pass_open(&pass, err);
	if (open <= 0)
		return open;
	observed_init(&pass.seen, &pass.details, message->cluster, pass.work.task.uuid);
	pass.work.unsettled = claim_is_open(&pass.details.claim) &&
			      pass.details.wanted.expose > 0 &&
			      plan_for(&pass.details) == &plan_cluster_create;
	claim_take(&pass.details.claim, pass.work.arena, message->pass, ctx->shared->worker_id);
	if (!pass_overdue(&pass))
		pass_walk(&pass);
	observed_release(&pass.seen);
	return 0;
}
