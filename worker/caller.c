/* SPDX-License-Identifier: MIT */
#include "worker/caller.h"

#include "common/amqp.h"
#include "common/clock.h"
#include "common/str.h"
#include "worker/slot.h"
#include "worker/vcd/org.h"

int caller_begin(
	struct caller *out, struct thread_ctx *ctx, const struct request *req, struct error *err)
{
	/* What is left then is for taking back what failed at the last moment. */
	enum { UNDO_PART = 6 };
	int64_t reply_ms = ctx->shared->config->timing_reply;
	int64_t end_ms = req->received_ms + reply_ms - reply_ms / UNDO_PART;

	*out = (struct caller){.as = {.token = &req->token}};
	if (identity_get(ctx, &req->token, end_ms - clock_ms(), &out->who, err))
		return -1;
	vcd_begin(ctx->vcd, &ctx->arena, end_ms, end_ms);
	out->org_name = out->who.org_name;
	out->org_urn = out->who.org_urn;
	out->org_uuid = str_urn_uuid(out->who.org_urn);
	return 0;
}

int caller_choose_org(
	struct caller *caller, struct thread_ctx *ctx, const char *org, struct error *err)
{
	if (str_eq(org, caller->who.org_name))
		return 0;
	if (!caller->who.system_admin)
		return error_set(err, ERR_DENIED,
			"metadata.org_name '%s' is not the organization of user '%s' ('%s')", org,
			caller->who.user_name, caller->who.org_name);
	if (vcd_org_find(ctx->vcd, VCD_SERVICE, org, &caller->org_uuid, err))
		return -1;
	caller->org_name = org;
	caller->org_urn = arena_printf(&ctx->arena, "urn:vcloud:org:%s", caller->org_uuid);
	caller->as.tenant_context = caller->org_uuid;
	return 0;
}

int caller_may_write(struct thread_ctx *ctx, const struct request *req, struct error *err)
{
	if (clock_ms() - req->received_ms > ctx->shared->config->timing_first_write)
		return error_set(err, ERR_BUSY, "busy, send again");
	return 0;
}

bool caller_may_repeat(struct thread_ctx *ctx, const struct error *err)
{
	enum { PAUSE_MS = 200 };

	return error_may_retry(err->code) && !bus_is_dead(ctx->bus) &&
	       vcd_sleep(ctx->vcd, PAUSE_MS);
}

void caller_allow_undo(struct thread_ctx *ctx)
{
	enum { UNDO_MS = 5000 };
	int64_t end_ms = clock_ms() + UNDO_MS;

	slot_allow(ctx, UNDO_MS);
	vcd_begin(ctx->vcd, &ctx->arena, end_ms, end_ms);
}
