/* SPDX-License-Identifier: MIT */
#include "worker/handlers/cluster_common.h"

#include "common/clock.h"
#include "common/crypto.h"
#include "common/json.h"
#include "common/log.h"
#include "common/str.h"
#include "worker/cluster.h"
#include "worker/operation.h"
#include "worker/schedule.h"
#include "worker/slot.h"

#include <string.h>

#define ENTITY_PREFIX "urn:vcloud:entity:cse:nativeCluster:"

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
	if (!str_starts(urn, ENTITY_PREFIX) || !str_is_uuid(str_urn_uuid(urn)) ||
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
 * A record without a cluster is that of a create still in admission: then the entity says which
 * request made it, and the task must be one of its org.
 */
static bool is_about(const struct last_task *last, struct json_object *document)
{
	const char *external_id = json_str(document, "externalId", "");

	if (last->details.cluster)
		return str_eq(last->details.cluster, json_str(document, "id", ""));
	return cluster_is_claimed_by(external_id, last->details.request) &&
	       str_eq(str_last_segment(last->task.owner_href),
		       str_urn_uuid(json_str(document, "org.id", "")));
}

int cluster_last_task(struct thread_ctx *ctx, struct json_object *document, struct last_task *out,
	struct error *err)
{
	const char *uuid = str_last_segment(json_str(document, "entity.status.task_href", ""));
	struct error cause = {0};

	*out = (struct last_task){0};
	if (!str_is_uuid(uuid))
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
	details_doubt(details, last->details.doubt);
	details->twin = last->details.twin;
}

int cluster_enqueue(struct thread_ctx *ctx, const struct request *req, const struct caller *caller,
	const struct open_task *open, struct error *err)
{
	const struct config *config = ctx->shared->config;
	int64_t delay_ms = schedule_first_ms(config, open->details.op);
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
	clock_iso(due, vcd_now_ms(ctx->vcd) + delay_ms);
	slot_set_publishing(ctx);
	return operation_publish(ctx->bus, config, &ctx->arena, &message, delay_ms, err);
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
