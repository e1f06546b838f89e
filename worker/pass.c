/* SPDX-License-Identifier: MIT */
#include "worker/pass.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/str.h"
#include "worker/claim.h"
#include "worker/connection.h"
#include "worker/operation_text.h"
#include "worker/pass_end.h"
#include "worker/plans/evidence.h"
#include "worker/slot.h"
#include "worker/task_record.h"
#include "worker/vcd/vcd.h"

#include <inttypes.h>

enum { PAUSE_SLICE_MS = 200 };

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
			log_event(LOG_WARN, "pass.no_task", LOG_STR("reason", err->msg));
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
		log_event(LOG_WARN, "pass.foreign_task");
		return 0;
	}
	work->org_urn = str_empty(work->task.org_id) ? message->org : work->task.org_id;
	if (claim_allows(&pass->details.claim, message->pass, message->claimed, pass->redelivered))
		return 1;
	log_event(LOG_INFO, "pass.left", LOG_INT("pass", message->pass),
		LOG_INT("claimed_pass", pass->details.claim.pass),
		LOG_STR("claimed_by", pass->details.claim.worker));
	return 0;
}

int pass_run(struct thread_ctx *ctx, const struct operation_message *message, bool redelivered,
	int64_t lag_ms, struct pass_result *out, struct error *err)
{
	const struct config *config = ctx->shared->config;
	int64_t now = clock_ms();
	struct pass pass = {
		.message = message,
		.redelivered = redelivered,
		/* Whoever had the message before may have claimed it. */
		.own_claimed = redelivered ? message->pass : message->claimed,
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
