/* SPDX-License-Identifier: MIT */
/*
 * What must hold before a create may write anything. Every check reads only, and what it found
 * stays in one struct admission for the writes that follow. Refusals name the offending value.
 */
#ifndef WORKER_ADMISSION_H
#define WORKER_ADMISSION_H

#include "worker/caller.h"
#include "worker/catalog.h"
#include "worker/cluster.h"
#include "worker/vcd/network.h"
#include "worker/vcd/org.h"

#define RIGHT_CLUSTER_FULL "cse:nativeCluster: Full Access"
#define RIGHT_CLUSTER_MODIFY "cse:nativeCluster: Modify"
#define RIGHT_CLUSTER_ADMIN "cse:nativeCluster: Administrator Full access"
#define RIGHT_VAPP_CREATE "vApp: Create / Reconfigure"
#define RIGHT_VAPP_DELETE "vApp: Delete"
#define RIGHT_GATEWAY_VIEW "Organization vDC Gateway: View"
#define RIGHT_NAT_VIEW "Organization vDC Gateway: View NAT"
#define RIGHT_NAT_CONFIGURE "Organization vDC Gateway: Configure NAT"

struct admission {
	struct thread_ctx *ctx;
	struct caller caller;
	struct cluster_spec spec;
	struct cluster_template template;
	struct vcd_template source;
	struct vcd_vdc vdc;
	const struct vcd_ref *control_plane_storage, *worker_storage; /* NULL: the VDC's default */
	const struct vcd_ref *control_plane_sizing, *worker_sizing;   /* NULL: the template's */
	struct vcd_network network;
	const char *network_href; /* for the vApp's network */
};

/*
 * Reads the body's model and chooses the org. out->ctx and out->caller are set by whoever calls
 * this.
 */
int admission_read(struct admission *out, struct json_object *body, struct error *err) MUST_CHECK;

/*
 * Then every other check, from those that ask nobody to those that ask VCD: at most seven calls
 * with warm caches.
 */
int admission_check(struct admission *adm, struct error *err) MUST_CHECK;

/* The three rights that expose and un-expose need of the caller. DENIED names the missing one. */
int admission_check_expose_rights(
	struct thread_ctx *ctx, const struct identity *who, struct error *err) MUST_CHECK;

/*
 * Is one address of the edge's ranges neither reserved nor used? Sorts `used`. Pure; work is
 * bounded by the number of taken addresses, not by the size of the ranges.
 */
bool admission_has_free_address(const struct vcd_edge *edge, uint32_t *used, size_t used_count);

#endif
