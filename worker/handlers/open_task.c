/* SPDX-License-Identifier: MIT */
/* The task of an admission: made, found again, recorded, ended. */
#include "worker/handlers/cluster_common.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/str.h"

#include <string.h>

/*
 * What an operation will add to its record: the longest claim, and a verdict with some words of its
 * cause.
 */
static struct details fullest(struct arena *arena, const struct details *details)
{
	enum { CAUSE_LEAST = 48 };
	static const char urn[] =
		"urn:vcloud:entity:cse:nativeCluster:1.0.0:00000000-0000-4000-8000-000000000000";
	struct details full = *details;
	char worker[sizeof(((struct shared *)NULL)->worker_id)], cause[CAUSE_LEAST + 1];
	char at[CLOCK_ISO_SIZE];

	memset(worker, 'w', sizeof(worker) - 1);
	worker[sizeof(worker) - 1] = '\0';
	memset(cause, 'c', sizeof(cause) - 1);
	cause[sizeof(cause) - 1] = '\0';
	clock_iso(at, 0);
	full.cluster = urn;
	full.vapp = str_urn_uuid(urn);
	full.claim = (struct details_claim){.pass = 999999,
		.nonce = "0123456789abcdef",
		.worker = arena_strdup(arena, worker),
		.at = arena_strdup(arena, at),
		.ended = true};
	full.revivals = 9;
	full.doubt = INT64_C(9999999999999);
	full.twin = str_or(full.twin, full.request);
	/* The cause is what details_encode may cut: as a step it counts in full. */
	full.verdict = (struct details_verdict){
		.kind = "rollback", .step = arena_strdup(arena, cause), .cause = "c"};
	return full;
}

/* A record that is full from the start would stop its operation half way. */
static int check_record(const struct open_task *open, struct thread_ctx *ctx, struct error *err)
{
	const struct details *details = &open->details;
	struct details full = fullest(&ctx->arena, details);
	struct error why;
	const char *line = details_encode(&ctx->arena, &full, &why);
	struct details read;

	if (line && details_decode(&read, &ctx->arena, details->deployment, line, &why) == 1 &&
		!str_empty(read.verdict.cause))
		return 0;
	return error_set(err, ERR_INVALID,
		"the names of this request are too long to be kept in its task: template '%s', "
		"request id '%s'",
		str_or(details->wanted.template, ""), details->request);
}

static int write_task(const struct open_task *open, struct thread_ctx *ctx,
	struct vcd_task_write *write, struct error *err)
{
	*write = (struct vcd_task_write){
		.operation = open->text, .status = TASK_RUNNING, .progress = 0};
	write->details = details_encode(&ctx->arena, &open->details, err);
	return write->details ? 0 : -1;
}

int open_task_create(struct open_task *out, struct thread_ctx *ctx, const struct caller *caller,
	struct error *err)
{
	struct vcd_task_write write;

	if (check_record(out, ctx, err) || write_task(out, ctx, &write, err))
		return -1;
	return vcd_task_create(ctx->vcd, caller->org_uuid, caller->org_name,
		str_urn_uuid(caller->who.user_urn), caller->who.user_name, &write, &out->task, err);
}
int open_task_record(struct open_task *open, struct thread_ctx *ctx, struct error *err)
{
	struct vcd_task read = open->task;
	struct vcd_task_write write;

	if (write_task(open, ctx, &write, err))
		return -1;
	return vcd_task_put(ctx->vcd, &read, &write, &open->task, err);
}

int open_task_refresh(struct open_task *open, struct thread_ctx *ctx, struct error *err)
{
	struct vcd_task task;
	struct details details;
	bool claimed;

	if (vcd_task_get(ctx->vcd, open->task.uuid, &task, err))
		return -1;
	if (details_decode(
		    &details, &ctx->arena, ctx->shared->config->deployment, task.details, err) != 1)
		return error_set(err, ERR_BUSY, "its task's record was changed");
	claimed = details.claim.pass > 0;
	if (details.verdict.kind || (task_is_final(&task) && !claimed))
		return error_set(err, ERR_BUSY, "it was taken back: %.360s",
			str_or(details.verdict.cause, task.error_message));
	open->task = task;
	open->details = details;
	return claimed;
}

int open_task_fail(
	struct open_task *open, struct thread_ctx *ctx, const char *text, const char *cause)
{
	struct vcd_task_write write;
	struct error err = {0};

	if (write_task(open, ctx, &write, &err) == 0) {
		write.operation = text;
		write.status = TASK_ERROR;
		write.progress = -1;
		write.error_message = cause;
		if (vcd_task_put(ctx->vcd, &open->task, &write, NULL, &err) == 0)
			return 0;
	}
	log_event(LOG_WARN, "task.left_running", LOG_STR("task", open->task.uuid),
		LOG_STR("cause", err.msg));
	return -1;
}

/* Strictly before: VCD's start times, then ids. All copies of a request see the same order. */
static bool is_before(const struct vcd_task *a, const struct vcd_task *b)
{
	if (a->start_ms != b->start_ms)
		return a->start_ms < b->start_ms;
	return strcmp(a->uuid, b->uuid) < 0;
}

/* 1 and *out when the task is a running one of this request. */
static int read_candidate(struct thread_ctx *ctx, const struct request *req, const char *uuid,
	struct open_task *out, struct error *err)
{
	struct error why;

	if (vcd_task_get(ctx->vcd, uuid, &out->task, err))
		return err->code == ERR_GONE ? 0 : -1;
	return !task_is_final(&out->task) &&
	       details_decode(&out->details, &ctx->arena, ctx->shared->config->deployment,
		       out->task.details, &why) == 1 &&
	       str_eq(out->details.request, req->id);
}

int open_task_find(struct thread_ctx *ctx, const struct request *req, const struct open_task *own,
	struct open_task *out, struct error *err)
{
	const struct vcd_task *oldest = own->task.uuid ? &own->task : NULL;
	struct vcd_task_ref *refs;
	size_t count;
	int found = 0;

	if (vcd_task_newest(ctx->vcd, &refs, &count, err))
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct open_task other = {.text = own->text};
		int same;

		/* Only tasks of one request have one text and one id; the id costs a call. */
		if (!str_eq(refs[i].operation, own->text) || str_eq(refs[i].uuid, own->task.uuid))
			continue;
		same = read_candidate(ctx, req, refs[i].uuid, &other, err);
		if (same < 0)
			return -1;
		if (!same || (oldest && !is_before(&other.task, oldest)))
			continue;
		*out = other;
		oldest = &out->task;
		found = 1;
	}
	return found;
}
