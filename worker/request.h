/* SPDX-License-Identifier: MIT */
/*
 * A request as handlers see it, and the reply they give. Everything a handler would check first was
 * checked by its route's row: method, path, API version, body model.
 */
#ifndef WORKER_REQUEST_H
#define WORKER_REQUEST_H

#include "common/error.h"
#include "common/secret.h"
#include "worker/thread.h"

#include <json-c/json.h>

enum { REQUEST_TOKENS_MAX = 3 };

struct request {
	const char *id;	    /* VCD's request id: the key against duplicates */
	const char *method; /* GET, PUT, POST, DELETE */
	const char *path;
	const char *api_version; /* of Accept: "35.0"; "0.0" when it cannot be told */
	const char
		*tokens[REQUEST_TOKENS_MAX]; /* {…} parts of the route, decoded; NULL when absent */
	struct json_object *query;	     /* name → last value; never NULL */
	struct json_object *body;	     /* parsed body; NULL when there was none */
	struct secret token;		     /* the caller's; empty when none was sent */
	bool redelivered;
	int64_t received_ms; /* clock_ms() of the delivery */
};

/*
 * Success: the handler sets status and body (an owned json object; the loop releases it). Failure:
 * it returns -1 with *err, whose class gives the status and whose text the error description.
 */
struct reply {
	int status;
	struct json_object *body;
	int minor_code; /* of an error: -1, or 4000 to 4029 */
};

typedef int handler_fn(
	struct thread_ctx *ctx, const struct request *req, struct reply *reply, struct error *err);

/* A handler that only says so: ERR_INVALID "<what> is not supported by this version". */
int handle_unsupported(
	struct thread_ctx *ctx, const struct request *req, struct reply *reply, struct error *err);

/* Handlers, one file per noun in worker/handlers/. */
handler_fn handle_system_get, handle_system_put;       /* system.c */
handler_fn handle_templates;			       /* template.c */
handler_fn handle_cluster_create;		       /* cluster_create.c */
handler_fn handle_cluster_info, handle_cluster_config; /* cluster_get.c */
handler_fn handle_cluster_update;		       /* cluster_update.c */
handler_fn handle_cluster_delete;		       /* cluster_delete.c */

#endif
