/* SPDX-License-Identifier: MIT */
/*
 * The writes of an update or a delete. Copies of one request may be here at once, or one after the
 * other's death: all of them work for the oldest task of the request, with writes that may be
 * repeated.
 */
#include "worker/handlers/cluster_common.h"

#include "common/amqp.h"
#include "common/json.h"
#include "common/log.h"
#include "common/str.h"
#include "worker/cluster.h"

static const char *task_of(struct json_object *document)
{
	return json_str(document, "entity.status.task_href", "");
}

/* 0: done; 1: the entity names another task than when the decision was made; -1: failed. */
static int mark_entity(const struct cluster_start *start, const struct open_task *open,
	struct json_object **document, struct error *err)
{
	const char *urn = json_str(*document, "id", "");
	CLEANUP(json_release)
	struct json_object *now = NULL;
	struct cluster_change change = {.exposed = -1, .expose = -1, .workers = -1};
	bool marked, overtaken;

	if (vcd_entity_get(start->ctx->vcd, start->caller->as, urn, &now, err))
		return -1;
	marked = str_eq(str_last_segment(task_of(now)), open->task.uuid);
	overtaken = !marked && !str_eq(task_of(*document), task_of(now));
	if (!marked && !overtaken) {
		change.phase =
			arena_printf(&start->ctx->arena, "%s:IN_PROGRESS", start->phase_word);
		change.task_href = open->task.href;
		cluster_apply(now, &change);
		if (vcd_entity_put(start->ctx->vcd, start->caller->as, &now, err))
			return -1;
	}
	json_release(document);
	*document = STEAL(now);
	return overtaken;
}

/* The operation was announced in the entity but will not run. 0: the entity does not say it will.
 */
static int unmark_entity(const struct cluster_start *start, const struct open_task *open,
	struct json_object **document)
{
	const char *urn = json_str(*document, "id", "");
	struct cluster_change change = {.exposed = -1, .expose = -1, .workers = -1};
	CLEANUP(json_release)
	struct json_object *now = NULL;
	struct error err = {0};
	int failed = vcd_entity_get(start->ctx->vcd, VCD_SERVICE, urn, &now, &err);

	/* It may never have been written, or be another operation's by now. */
	if (!failed && !str_eq(str_last_segment(task_of(now)), open->task.uuid))
		return 0;
	if (!failed) {
		change.phase = arena_printf(&start->ctx->arena, "%s:FAILED", start->phase_word);
		cluster_apply(now, &change);
		failed = vcd_entity_put(start->ctx->vcd, VCD_SERVICE, &now, &err);
	}
	if (failed)
		log_event(LOG_WARN, "entity.left_in_progress", LOG_STR("cluster", urn),
			LOG_STR("cause", err.msg));
	return failed;
}

/* Once more when VCD may take it then: one that it made without saying so is found afterwards. */
static int make_task(const struct cluster_start *start, struct open_task *open, struct error *err)
{
	if (open_task_create(open, start->ctx, start->caller, err) == 0)
		return 0;
	if (!caller_may_repeat(start->ctx, err) || caller_may_write(start->ctx, start->req, err))
		return -1;
	return open_task_create(open, start->ctx, start->caller, err);
}

/*
 * The task of this request: an earlier delivery's when there is one, else a new one. Two copies
 * that both find nothing and both make one see each other's afterwards; the older task stays.
 */
static int choose_task(
	const struct cluster_start *start, struct open_task *open, bool *joined, struct error *err)
{
	struct open_task other;
	int found = 0;

	if (start->req->redelivered)
		found = open_task_find(start->ctx, start->req, open, &other, err);
	if (found == 0) {
		if (make_task(start, open, err))
			return -1;
		found = open_task_find(start->ctx, start->req, open, &other, err);
		if (found < 0) {
			const char *cause = arena_strdup(&start->ctx->arena, err->msg);

			caller_allow_undo(start->ctx);
			open_task_fail(open, start->ctx, start->failed_text, cause);
		}
	}
	if (found < 0)
		return -1;
	*joined = found;
	if (found) {
		if (open->task.uuid)
			open_task_fail(open, start->ctx, start->failed_text,
				"another copy of the same request is at work");
		*open = other;
		log_event(LOG_INFO, "request.joined", LOG_STR("task", open->task.uuid));
	}
	return 0;
}

static int queue(const struct cluster_start *start, const struct open_task *open, struct error *err)
{
	if (open->details.claim.pass > 0)
		return 0;
	return cluster_enqueue(start->ctx, start->req, start->caller, open, err);
}

/* 0: another copy has come further, so nothing failed; -1: taken back, or left to that copy. */
static int take_back(const struct cluster_start *start, struct open_task *open, bool joined,
	struct json_object **document, struct error *err)
{
	const char *cause = arena_strdup(&start->ctx->arena, err->msg);
	struct error ignored;
	int untold;

	/* This delivery comes again, here or elsewhere, and goes on with what it finds. */
	if (bus_is_dead(start->ctx->bus))
		return -1;
	if (joined && !start->req->redelivered)
		return error_wrap(err, "another delivery of this request may still do it");
	caller_allow_undo(start->ctx);
	if (open_task_refresh(open, start->ctx, &ignored) > 0)
		return 0;
	untold = unmark_entity(start, open, document);
	/* Either is enough for the resync to leave it undone. */
	if (open_task_fail(open, start->ctx, start->failed_text, cause) && untold)
		error_wrap(err, "it is not known whether this will be done, look before you send "
				"it again");
	return -1;
}

int cluster_start(const struct cluster_start *start, struct open_task *open,
	struct json_object **document, struct error *err)
{
	bool joined = false;
	int marked;

	if (caller_may_write(start->ctx, start->req, err) || choose_task(start, open, &joined, err))
		return -1;
	marked = mark_entity(start, open, document, err);
	if (marked < 0 && caller_may_repeat(start->ctx, err))
		marked = mark_entity(start, open, document, err);
	if (marked > 0) {
		open_task_fail(open, start->ctx, start->failed_text,
			"another operation on the cluster has just begun");
		return 1;
	}
	if (marked == 0 && queue(start, open, err) == 0)
		return 0;
	return take_back(start, open, joined, document, err);
}

int cluster_start_again(
	const struct cluster_start *start, const struct last_task *last, struct error *err)
{
	const struct open_task open = {.task = last->task, .details = last->details};

	/* While the other delivery lives it queues its task itself. */
	if (last->running && start->req->redelivered && queue(start, &open, err))
		return -1;
	if (last->running || last->details.claim.pass > 0 || last->task.status == TASK_SUCCESS)
		return 1;
	return error_set(err, ERR_BUSY, "%s: %.360s. Send it again.", start->failed_text,
		last->task.error_message);
}

int cluster_start_refuse(struct json_object *document, struct error *err)
{
	return error_set(err, ERR_CONFLICT,
		"other operations on cluster '%s' begin again and again, send it later",
		cluster_name_of(document));
}
