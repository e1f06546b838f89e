/* SPDX-License-Identifier: MIT */
#include "worker/route.h"

#define ROUTE(method_, path_, version_, pace_, handler_)                                           \
	{.method = #method_,                                                                       \
		.path = (path_),                                                                   \
		.version = ROUTE_##version_,                                                       \
		.pace = (pace_),                                                                   \
		.handler = (handler_)},

static const struct route rows[] = {
#include "worker/routes.def"
};

const struct route_table *route_table(void)
{
	static const struct route_table table = {.rows = rows, .count = ARRAY_LEN(rows)};

	return &table;
}

int handle_unsupported(
	struct thread_ctx *ctx, const struct request *req, struct reply *reply, struct error *err)
{
	(void)ctx;
	(void)reply;
	return error_set(
		err, ERR_INVALID, "%s %s is not supported by this version", req->method, req->path);
}
