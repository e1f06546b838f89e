/* SPDX-License-Identifier: MIT */
/*
 * What this service is. Clients decide by GET whether the service is up at all, and remember a
 * failure until the next login, so it answers also while VCD does not.
 */
#include "common/json.h"
#include "common/log.h"
#include "common/str.h"
#include "worker/identity.h"
#include "worker/request.h"

#include <stdatomic.h>

/* Clients of CSE compare these words. */
#define PRODUCT "CSE"
#define DESCRIPTION "Container Service Extension for VMware vCloud Director"
#define PROTOCOL_VERSION "3.0.4"

enum { MISSING_SERVER_ACTION = 4028 };

static struct json_object *describe(const struct config *config)
{
	struct json_object *body = json_object_new_object();

	json_set_str(body, "product", PRODUCT);
	json_set_str(body, "description", DESCRIPTION);
	json_set_str(body, "version", PROTOCOL_VERSION);
	json_set_str(body, "cse_server_api_version", config->vcd_api_version);
	return body;
}

/* What only a system administrator is shown; names as CSE has them. */
static void describe_process(struct json_object *body, struct shared *shared)
{
	const struct config *config = shared->config;

	json_set_str(body, "python", "none: cse-worker " CSE_VERSION);
	json_set_int(body, "all_consumer_threads", config->threads_request);
	json_set_int(body, "all_threads", config->threads_request + config->threads_operation);
	json_set_int(
		body, "requests_in_progress", counter_get(&shared->counters, COUNTER_REQUESTS_NOW));
	json_set_str(body, "config_file", "");
	json_set_str(body, "status", atomic_load(&shared->stop) ? "Shutting down" : "Running");
}

int handle_system_get(
	struct thread_ctx *ctx, const struct request *req, struct reply *reply, struct error *err)
{
	const struct config *config = ctx->shared->config;
	struct identity who = {0};

	if (identity_get(ctx, &req->token, config->timing_identity_wait, &who, err)) {
		if (err->code == ERR_EXPIRED)
			return -1;
		log_event(LOG_WARN, "system.caller_unknown", LOG_STR("reason", err->msg));
		*err = (struct error){0};
	}
	reply->status = 200;
	reply->body = describe(config);
	if (who.system_admin)
		describe_process(reply->body, ctx->shared);
	return 0;
}

int handle_system_put(
	struct thread_ctx *ctx, const struct request *req, struct reply *reply, struct error *err)
{
	const char *action = json_str(req->body, "server_action", NULL);
	struct identity who;

	if (identity_get(ctx, &req->token, ctx->shared->config->timing_identity_wait, &who, err))
		return -1;
	if (!who.system_admin)
		return error_set(err, ERR_DENIED, "Unauthorized to update CSE");
	if (!action) {
		reply->minor_code = MISSING_SERVER_ACTION;
		return error_set(err, ERR_INVALID,
			"Missing required keys in request payload: ['server_action']");
	}
	if (str_eq(action, "enable")) {
		reply->status = 200;
		reply->body = json_object_new_object();
		json_set_str(reply->body, "message", "CSE is already enabled and running.");
		return 0;
	}
	if (str_eq(action, "disable") || str_eq(action, "stop"))
		return error_set(err, ERR_INVALID,
			"Server action '%s' is not supported by this version", action);
	return error_set(err, ERR_INVALID, "Invalid server action: '%s'", action);
}
