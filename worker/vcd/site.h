/* SPDX-License-Identifier: MIT */
/* What a VCD offers, before anything is done with it. */
#ifndef WORKER_VCD_SITE_H
#define WORKER_VCD_SITE_H

#include "worker/vcd/vcd.h"

/* One API version; strings live in the arena. */
struct vcd_version {
	const char *name; /* "35.0" */
	bool deprecated;
};

/* GET /api/versions, without a session, in VCD's order. */
int vcd_versions(
	struct vcd *vcd, struct vcd_version **out, size_t *count, struct error *err) MUST_CHECK;

struct vcd_entity_type {
	const char *name, *version, *vendor, *nss;
	bool readonly;
};

/*
 * GET /cloudapi/1.0.0/entityTypes/{urn}, service session. GONE when it does not exist or this
 * session does not see it.
 */
int vcd_entity_type_get(struct vcd *vcd, const char *urn, struct vcd_entity_type *out,
	struct error *err) MUST_CHECK;

#endif
