/* SPDX-License-Identifier: MIT */
/*
 * VDCs as one caller sees them, kept for timing.cache by the hash of the token: another caller may
 * see other networks and profiles under the same name.
 */
#ifndef WORKER_VDC_CACHE_H
#define WORKER_VDC_CACHE_H

#include "worker/caller.h"
#include "worker/vcd/org.h"

struct vdc_cache *vdc_cache_new(void) MUST_CHECK;
void vdc_cache_free(struct vdc_cache **cache);

/* The VDC of that name in the caller's org, with the caller's token. GONE names it. */
int vdc_get(struct thread_ctx *ctx, const struct caller *caller, const char *name,
	struct vcd_vdc *out, struct error *err) MUST_CHECK;

/* Its sizing policies. */
int vdc_sizing_policies(struct thread_ctx *ctx, const struct caller *caller,
	const struct vcd_vdc *vdc, struct vcd_ref **out, size_t *count,
	struct error *err) MUST_CHECK;

#endif
