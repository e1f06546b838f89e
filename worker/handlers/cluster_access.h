/* SPDX-License-Identifier: MIT */
/* What VCD's access control lets a caller do with a cluster; asked before anything is written. */
#ifndef WORKER_HANDLERS_CLUSTER_ACCESS_H
#define WORKER_HANDLERS_CLUSTER_ACCESS_H

#include "worker/handlers/cluster_common.h"

enum cluster_access {
	ACCESS_CHANGE, /* write the entity */
	ACCESS_FULL,   /* delete it */
};

/*
 * The owner has full control and others what a grant to them, their role or their org says; both
 * need a right on the entity type as well. An administrator's right goes without. DENIED otherwise.
 * The caller's rights, and the grants (GET …/entities/{urn}/accessControls) when it is not the
 * owner; both by the service session.
 */
int cluster_need_access(struct thread_ctx *ctx, const struct caller *caller,
	struct json_object *document, enum cluster_access access, struct error *err) MUST_CHECK;

#endif
