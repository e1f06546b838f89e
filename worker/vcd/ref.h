/* SPDX-License-Identifier: MIT */
/* Readers of legacy XML that several files of the client and its unit tests use. */
#ifndef WORKER_VCD_REF_H
#define WORKER_VCD_REF_H

#include "common/xml.h"
#include "worker/vcd/org.h"

/* name, href and id of a reference; "" for what is absent. */
void ref_read(struct arena *arena, const struct xml_node *node, struct vcd_ref *out);
/* All children of that name in the vcloud namespace. */
struct vcd_ref *refs_read(struct arena *arena, const struct xml_node *parent, const char *element,
	size_t *count) MUST_CHECK;

void vdc_read(struct arena *arena, const struct xml_node *root, struct vcd_vdc *out);
struct vcd_metadata *metadata_read(
	struct arena *arena, const struct xml_node *root, size_t *count) MUST_CHECK;
const char *metadata_body(
	struct arena *arena, const struct vcd_metadata *entries, size_t count) MUST_CHECK;
/* The first VM of a template. False when there is none. */
bool template_read(
	struct arena *arena, const struct xml_node *root, struct vcd_template *out) MUST_CHECK;

#endif
