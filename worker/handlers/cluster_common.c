/* SPDX-License-Identifier: MIT */
#include "worker/handlers/cluster_common.h"

#include "common/clock.h"
#include "common/crypto.h"
#include "common/json.h"
#include "common/log.h"
#include "common/str.h"
#include "worker/cluster.h"
#include "worker/operation.h"

#include <string.h>

#define ENTITY_PREFIX "urn:vcloud:entity:cse:nativeCluster:"

static bool is_uuid(const char *text)
{
	return strlen(text) == CRYPTO_UUID_SIZE - 1 &&
	       str_is_made_of(text, "0123456789abcdefABCDEF-", CRYPTO_UUID_SIZE - 1);
}

/* VCD says whose the entity is. */
static void use_org_of(struct caller *caller, struct arena *arena, struct json_object *document)
{
	const char *urn = json_str(document, "org.id", NULL);

	if (!urn)
		return;
	caller->org_urn = arena_strdup(arena, urn);
	caller->org_uuid = str_urn_uuid(caller->org_urn);
	caller->org_name = arena_strdup(arena, json_str(document, "org.name", ""));
}

int cluster_load(struct thread_ctx *ctx, const struct request *req, struct caller *caller,
	struct json_object **document, struct error *err)
{
	const char *urn = req->tokens[0];

	*document = NULL;
	if (!str_starts(urn, ENTITY_PREFIX) || !is_uuid(str_urn_uuid(urn)) ||
		!str_is_made_of(urn + strlen(ENTITY_PREFIX), "0123456789abcdefABCDEF-:.", 64))
		return error_set(err, ERR_GONE, "Cluster with id '%.100s' not found.", urn);
	if (vcd_entity_get(ctx->vcd, caller->as, urn, document, err) == 0) {
		use_org_of(caller, &ctx->arena, *document);
		return 0;
	}
	if (err->code == ERR_GONE)
		return error_set(err, ERR_GONE, "Cluster with id '%s' not found.", urn);
	return -1;
}

const char *cluster_name_of(struct json_object *document)
{
	return json_str(document, "entity.metadata.cluster_name", "");
}

/*
 * A record without a cluster is that of a create still in admission: then the task must at least be
 * one of the entity's org.
 */
static bool is_about(const struct last_task *last, struct json_object *document)
{
	if (last->details.cluster)
		return str_eq(last->details.cluster, json_str(document, "id", ""));
	return str_eq(str_last_segment(last->task.owner_href),
		str_urn_uuid(json_str(document, "org.id", "")));
}

int cluster_last_task(struct thread_ctx *ctx, struct json_object *document, struct last_task *out,
	struct error *err)
{
	const char *uuid = str_last_segment(json_str(document, "entity.status.task_href", ""));
	struct error cause = {0};

	*out = (struct last_task){0};
	if (!is_uuid(uuid))
		return 0;
	if (vcd_task_get(ctx->vcd, uuid, &out->task, &cause)) {
		if (!error_may_retry(cause.code))
			return 0;
		*err = cause;
		return -1;
	}
	out->found = true;
	out->running = !task_is_final(&out->task);
	/* A record that cannot be read is as good as somebody else's. */
	out->ours = details_decode(&out->details, &ctx->arena, ctx->shared->config->deployment,
			    out->task.details, &cause) == 1;
	out->ours = out->ours && is_about(out, document);
	return 0;
}

void details_inherit(struct details *details, const struct last_task *last)
{
	if (!last->ours || !str_eq(last->details.cluster, details->cluster))
		return;
	details->vdc = last->details.vdc;
	details->network = last->details.network;
	details->edge = last->details.edge;
	details->vapp = last->details.vapp;
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

	if (write_task(out, ctx, &write, err))
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

void open_task_fail(
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
			return;
	}
	log_event(LOG_WARN, "task.left_running", LOG_STR("task", open->task.uuid),
		LOG_STR("cause", err.msg));
}

int cluster_enqueue(struct thread_ctx *ctx, const struct request *req, const struct caller *caller,
	const struct open_task *open, struct error *err)
{
	char id[CRYPTO_UUID_SIZE], due[CLOCK_ISO_SIZE];
	struct operation_message message = {
		.id = id,
		.operation = open->details.op,
		.cluster = open->details.cluster,
		.task = open->task.uuid,
		.pass = 1,
		.due = due,
		.request_id = req->id,
		.user = caller->who.user_urn,
		.org = caller->org_urn,
	};

	crypto_uuid(id);
	clock_iso(due, vcd_now_ms(ctx->vcd));
	return operation_publish(ctx->bus, ctx->shared->config, &ctx->arena, &message, 0, err);
}

/* Owner and org are references: a name and an id. */
static void copy_ref(struct json_object *out, struct json_object *document, const char *key)
{
	struct json_object *ref = json_at(document, key), *copy;

	if (!ref)
		return;
	copy = json_object_new_object();
	json_set_str(copy, "name", json_str(ref, "name", NULL));
	json_set_str(copy, "id", json_str(ref, "id", NULL));
	json_object_object_add(out, key, copy);
}

void cluster_reply(struct reply *reply, int status, struct json_object *document)
{
	static const char *const texts[] = {"name", "id", "entityType", "externalId", "state"};
	struct json_object *body = json_object_new_object();
	struct json_object *stored = json_at(document, "entity");
	struct json_object *entity = stored ? json_copy(stored) : json_object_new_object();

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		json_set_str(body, texts[i], json_str(document, texts[i], NULL));
	copy_ref(body, document, "owner");
	copy_ref(body, document, "org");
	(void)cluster_drop_unknown(entity);
	json_object_object_add(body, "entity", entity);
	reply->status = status;
	reply->body = body;
}

static bool same_task(struct json_object *before, struct json_object *now)
{
	return str_eq(json_str(before, "entity.status.task_href", ""),
		json_str(now, "entity.status.task_href", ""));
}

/* 0: done; 1: the entity names another task than when the decision was made; -1: failed. */
static int mark_entity(const struct cluster_start *start, const struct open_task *open,
	struct json_object **document, struct error *err)
{
	const char *urn = json_str(*document, "id", "");
	CLEANUP(json_release)
	struct json_object *now = NULL;
	struct cluster_change change = {.exposed = -1, .expose = -1, .workers = -1};
	bool overtaken;

	if (vcd_entity_get(start->ctx->vcd, start->caller->as, urn, &now, err))
		return -1;
	overtaken = !same_task(*document, now);
	if (!overtaken) {
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

/* The operation was announced in the entity but will not run. */
static void unmark_entity(const struct cluster_start *start, struct json_object **document)
{
	struct cluster_change change = {.exposed = -1, .expose = -1, .workers = -1};
	struct error err = {0};

	change.phase = arena_printf(&start->ctx->arena, "%s:FAILED", start->phase_word);
	cluster_apply(*document, &change);
	if (vcd_entity_put(start->ctx->vcd, VCD_SERVICE, document, &err))
		log_event(LOG_WARN, "entity.left_in_progress",
			LOG_STR("cluster", json_str(*document, "id", "")),
			LOG_STR("cause", err.msg));
}

int cluster_start(const struct cluster_start *start, struct open_task *open,
	struct json_object **document, struct error *err)
{
	int marked;

	if (caller_may_write(start->ctx, start->req, err))
		return -1;
	if (open_task_create(open, start->ctx, start->caller, err))
		return -1;
	marked = mark_entity(start, open, document, err);
	if (marked > 0) {
		open_task_fail(open, start->ctx, start->failed_text,
			"another operation on the cluster has just begun");
		return 1;
	}
	if (marked == 0 && cluster_enqueue(start->ctx, start->req, start->caller, open, err) == 0)
		return 0;
	caller_allow_undo(start->ctx);
	if (marked == 0)
		unmark_entity(start, document);
	open_task_fail(open, start->ctx, start->failed_text, err->msg);
	return -1;
}

int cluster_start_refuse(struct json_object *document, struct error *err)
{
	return error_set(err, ERR_CONFLICT,
		"other operations on cluster '%s' begin again and again, send it later",
		cluster_name_of(document));
}
