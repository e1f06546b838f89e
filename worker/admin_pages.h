/* SPDX-License-Identifier: MIT */
/*
 * What the admin port shows. A page reads counters, slots and the state of the session, and calls
 * nobody; any thread may make one.
 */
#ifndef WORKER_ADMIN_PAGES_H
#define WORKER_ADMIN_PAGES_H

#include "common/buf.h"
#include "worker/thread.h"

struct admin_page {
	int status;
	const char *type; /* Content-Type */
	struct buf body;  /* release it */
};

/* The page of that path for that method; 404 and 405 are pages too. */
void admin_page_make(
	struct admin_page *out, struct shared *shared, const char *method, const char *path);

#endif
