/* SPDX-License-Identifier: MIT */
/* vApps as XML, for the files of the client and its unit tests. */
#ifndef WORKER_VCD_VAPP_XML_H
#define WORKER_VCD_VAPP_XML_H

#include "common/xml.h"
#include "worker/vcd/vapp.h"

/* Reads a VApp element; its VMs keep pointing into the document. Sets all but `doc`. */
void vapp_read(struct arena *arena, struct xml_node *root, struct vcd_vapp *out);

/* The body of composeVApp; INVALID when it exceeds VCD's limits. */
int compose_body(struct arena *arena, const struct vcd_compose *spec, const char **out,
	struct error *err) MUST_CHECK;

/* The body of reconfigureVm; INVALID when it exceeds VCD's limits; TRANSIENT when VCD shows no
 * hardware yet. */
int reconfigure_body(struct arena *arena, const struct vcd_vm *vm, const struct vcd_extra *changes,
	size_t count, const char **out, struct error *err) MUST_CHECK;

/* VCD takes 512 KB and 4096 elements; ours stay below that. */
enum { BODY_MAX_BYTES = 400 * 1024, BODY_MAX_ELEMENTS = 3500 };

#endif
