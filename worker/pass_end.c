/* SPDX-License-Identifier: MIT */
#include "worker/pass_end.h"

#include "common/clock.h"
#include "common/crypto.h"
#include "common/json.h"
#include "common/log.h"
#include "common/redact.h"
#include "common/str.h"
#include "worker/count.h"
#include "worker/events.h"
#include "worker/operation_text.h"
#include "worker/plans/evidence.h"
#include "worker/schedule.h"
#include "worker/task_record.h"
#include "worker/vcd/vcd.h"

/* What another pass removes is soon seen to be gone; what is needed all the same stays so. */
enum { GONE_TRIES = 5 };

static bool is_superseded(const struct pass *pass)
{
	const struct observed *seen = &pass->seen;

	return !pass->details.verdict.kind && (seen->seen & SEE_ENTITY) && seen->stronger[0];
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
	pass->out->next.claimed = pass->own_claimed;
	pass->out->next.attempt = attempt;
}

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
	/* A claim may have been overtaken since, and of two new ones at the same moment one stays:
	 * the later one when it sees the earlier one, the earlier one when it was written over. */
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

void pass_wait(struct pass *pass, const struct outcome *outcome)
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

void pass_retry(struct pass *pass, const struct step *step, const struct error *cause)
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

void pass_end(struct pass *pass, const char *text, const char *cause)
{
	struct work *work = &pass->work;
	struct error err;
	int status;

	/* No failure: the next pass has the time for it, and finds nothing else to do. */
	if (clock_ms() >= work->mutate_until_ms) {
		pass_again(pass, 0, 0);
		return;
	}
	pass_note_doubt(pass);
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

void pass_finish(struct pass *pass, const struct plan *walked)
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

void pass_verdict(struct pass *pass, const char *step, const char *cause)
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

void pass_give_up(struct pass *pass, const struct step *step, const struct error *cause)
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

void pass_failed(struct pass *pass, const struct reconcile *input, const struct step *step,
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
