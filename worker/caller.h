/* SPDX-License-Identifier: MIT */
/*
 * On whose behalf a request is handled: who the token is, in which org the work is done, and how
 * long calls may take. Made once at the start of each handler that talks to VCD.
 */
#ifndef WORKER_CALLER_H
#define WORKER_CALLER_H

#include "worker/identity.h"
#include "worker/request.h"
#include "worker/vcd/vcd.h"

struct caller {
	struct identity who;
	struct vcd_as as; /* the caller's token; for a system administrator in an org's context */
	const char *org_name, *org_urn, *org_uuid; /* where the work is done */
};

/*
 * Asks VCD who the token is (cached) and bounds all further calls of this request: none lasts
 * beyond five sixths of timing.reply after the delivery. EXPIRED: the token is none of VCD's.
 */
int caller_begin(struct caller *out, struct thread_ctx *ctx, const struct request *req,
	struct error *err) MUST_CHECK;

/*
 * Sets the org the work is done in by its name. A tenant's own org only, else DENIED; a system
 * administrator acts for any org (query organization, service session).
 */
int caller_choose_org(struct caller *caller, struct thread_ctx *ctx, const char *org,
	struct error *err) MUST_CHECK;

/* BUSY "busy, send again" when the first write would come later than timing.first_write. */
int caller_may_write(
	struct thread_ctx *ctx, const struct request *req, struct error *err) MUST_CHECK;

/*
 * After a write that failed: may it be tried once more? A moment has passed then. Not when the
 * class of *err says that it is no use, nor without time or broker.
 */
bool caller_may_repeat(struct thread_ctx *ctx, const struct error *err) MUST_CHECK;

/* Gives calls that undo an admission some time of their own. */
void caller_allow_undo(struct thread_ctx *ctx);

#endif
