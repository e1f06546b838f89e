/* SPDX-License-Identifier: MIT */
/*
 * Which handler answers a method and path. Matching is by whole segments, never by prefix, so the
 * order of rows does not matter. The table is an argument: tests bring their own.
 */
#ifndef WORKER_ROUTE_H
#define WORKER_ROUTE_H

#include "worker/request.h"

enum route_version {
	ROUTE_ANY,	/* whatever Accept says */
	ROUTE_SERVER,	/* the configured API version */
	ROUTE_LEGACY,	/* 33.0 or 34.0, and the configured one */
	ROUTE_ENTITIES, /* 35.0, and the configured one */
};

/* QUICK: at most one short look at VCD. SLOW: counted against the threads kept free for the others.
 */
enum route_pace { QUICK, SLOW };

struct route {
	const char *method;
	const char *path; /* "/api/cse/3.0/cluster/{id}/config" */
	enum route_version version;
	enum route_pace pace;
	handler_fn *handler;
};

struct route_table {
	const struct route *rows;
	size_t count;
};

/* The program's own table, from routes.def. */
const struct route_table *route_table(void);

/*
 * The row for the request; its path's {…} parts go to request->tokens, percent-decoded, in the
 * arena. GONE (404): no such path, or not with this API version; METHOD (405); FORMAT (406):
 * another version than the server's. The first resource word may have any case and a plural s; the
 * words behind it any case.
 */
const struct route *route_find(const struct route_table *table, struct request *request,
	const char *server_version, struct arena *arena, struct error *err) MUST_CHECK;

/* Does the row's path match? For tests too. */
bool route_matches(const struct route *route, const char *path) MUST_CHECK;

#endif
