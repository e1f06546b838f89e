/* SPDX-License-Identifier: MIT */
#include "worker/events.h"

#include "common/amqp.h"
#include "common/clock.h"
#include "common/crypto.h"
#include "common/json.h"
#include "common/log.h"
#include "common/redact.h"
#include "common/str.h"
#include "worker/topology.h"
#include "worker/vcd/vcd.h"

#include <string.h>

enum { CONFIRM_MS = 1000 };

static const char *status_word(enum task_status status)
{
	switch (status) {
	case TASK_SUCCESS:
		return "success";
	case TASK_ERROR:
	case TASK_ABORTED:
		return "error";
	case TASK_QUEUED:
	case TASK_RUNNING:
		break;
	}
	return "running";
}

static void set_text(
	struct arena *arena, struct json_object *body, const char *path, const char *text)
{
	if (!str_empty(text))
		json_set_str(body, path, str_readable(arena, redact(arena, text)));
}

static void add_details(
	struct arena *arena, struct json_object *body, const struct details *details)
{
	json_set_str(body, "operation", operation_name(details->op));
	json_set_str(body, "cluster", details->cluster);
	json_set_str(body, "request_id", details->request);
	if (details->claim.pass > 0)
		json_set_int(body, "pass", details->claim.pass);
	if (!details->verdict.kind)
		return;
	json_set_str(body, "verdict.v", details->verdict.kind);
	json_set_str(body, "verdict.step", details->verdict.step);
	set_text(arena, body, "verdict.cause", details->verdict.cause);
}

/* What every event says; the caller releases it. */
static struct json_object *event_body(
	struct thread_ctx *ctx, const struct vcd_task *task, const struct details *details)
{
	struct json_object *body = json_object_new_object();
	char id[CRYPTO_UUID_SIZE], now[CLOCK_ISO_SIZE];

	crypto_uuid(id);
	clock_iso(now, vcd_now_ms(ctx->vcd));
	json_set_int(body, "version", 1);
	json_set_str(body, "id", id);
	json_set_str(body, "time", now);
	json_set_str(body, "deployment", ctx->shared->config->deployment);
	json_set_str(body, "worker", ctx->shared->worker_id);
	json_set_str(body, "task", task->uuid);
	json_set_str(body, "org", str_empty(task->org_id) ? NULL : task->org_id);
	json_set_str(body, "user", str_empty(task->user_name) ? NULL : task->user_name);
	if (details)
		add_details(&ctx->arena, body, details);
	return body;
}

static int publish(struct thread_ctx *ctx, const char *key, const char *body, struct error *err)
{
	const struct message message = {
		.exchange = topology_events_exchange(&ctx->arena, ctx->shared->config),
		.routing_key = key,
		.body = body,
		.body_len = strlen(body),
		.content_type = "application/json",
		.persistent = true,
	};

	if (bus_is_dead(ctx->bus))
		return error_set(err, ERR_TRANSIENT, "there is no connection to the broker");
	if (bus_is_blocked(ctx->bus))
		return error_set(err, ERR_TRANSIENT, "the broker blocks publishing");
	/* The channel of replies: an exchange that does not exist closes only that one. */
	return bus_reply(ctx->bus, &message, CONFIRM_MS, err);
}

static void event_send(
	struct thread_ctx *ctx, struct json_object *body, const char *operation, const char *what)
{
	const char *key = arena_printf(&ctx->arena, "task.%s.%s", operation, what);
	struct error err;

	json_set_str(body, "event", key);
	if (publish(ctx, key, json_text(&ctx->arena, body), &err) == 0) {
		counter_add(&ctx->shared->counters, COUNTER_EVENT_SENT, 1);
		return;
	}
	counter_add(&ctx->shared->counters, COUNTER_EVENT_LOST, 1);
	log_event(LOG_WARN, "event.lost", LOG_STR("key", key), LOG_STR("reason", err.msg));
}

void event_task(void *data, const struct vcd_task *task, const struct vcd_task_write *write)
{
	struct thread_ctx *ctx = data;
	struct details details;
	struct error ignored;
	bool ours = details_decode(&details, &ctx->arena, ctx->shared->config->deployment,
			    str_or(write->details, ""), &ignored) == 1;
	CLEANUP(json_release)
	struct json_object *body = event_body(ctx, task, ours ? &details : NULL);

	json_set_str(body, "status", status_word(write->status));
	set_text(&ctx->arena, body, "text", write->operation);
	if (write->progress >= 0)
		json_set_int(body, "percent", write->progress);
	if (write->status == TASK_ERROR)
		set_text(&ctx->arena, body, "error", write->error_message);
	event_send(ctx, body, ours ? operation_name(details.op) : "unknown",
		status_word(write->status));
}

void event_verdict(struct thread_ctx *ctx, const struct vcd_task *task,
	const struct details *details, struct json_object *evidence)
{
	CLEANUP(json_release)
	struct json_object *body = event_body(ctx, task, details);

	json_set_str(body, "status", status_word(TASK_RUNNING));
	json_set(body, "evidence", json_object_get(evidence));
	event_send(ctx, body, operation_name(details->op), "verdict");
}
