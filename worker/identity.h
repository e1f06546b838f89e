/* SPDX-License-Identifier: MIT */
/*
 * Who is calling: taken from VCD with the caller's token, never from the message. Cached by the
 * token's hash for timing.cache at most.
 */
#ifndef WORKER_IDENTITY_H
#define WORKER_IDENTITY_H

#include "common/error.h"
#include "common/secret.h"
#include "worker/thread.h"

struct identity {
	char user_urn[96], user_name[160];
	char org_urn[96], org_name[160];
	bool system_admin; /* a user of the System org */
	char role_urns[4][96];
	size_t role_count;
};

/*
 * GET /cloudapi/1.0.0/sessions/current with the caller's token, at most wait_ms. EXPIRED: the token
 * is unknown, ended or missing; TRANSIENT: VCD did not answer in time.
 */
int identity_get(struct thread_ctx *ctx, const struct secret *token, int64_t wait_ms,
	struct identity *out, struct error *err) MUST_CHECK;

/*
 * Does one of the caller's roles hold the right, e.g. "vApp: Delete"? Asked with the service
 * session (GET /cloudapi/1.0.0/roles/{id}/rights), cached by role. DENIED names the right that is
 * missing.
 */
int identity_need_right(struct thread_ctx *ctx, const struct identity *who, const char *right,
	struct error *err) MUST_CHECK;

/* The same as a question: *out tells; an error only when VCD could not be asked. */
int identity_has_right(struct thread_ctx *ctx, const struct identity *who, const char *right,
	bool *out, struct error *err) MUST_CHECK;

struct identity_cache *identity_cache_new(const struct config *config) MUST_CHECK;
void identity_cache_free(struct identity_cache **cache);

#endif
