/* SPDX-License-Identifier: MIT */
/* Defined entities of the type urn:vcloud:type:cse:nativeCluster:1.0.0. */
#ifndef WORKER_VCD_ENTITY_H
#define WORKER_VCD_ENTITY_H

#include "worker/vcd/vcd.h"

#define ENTITY_TYPE "urn:vcloud:type:cse:nativeCluster:1.0.0"

/* The whole document {id, name, externalId, entity, state, owner, org, ...}; callers release it. */

/*
 * POST /cloudapi/1.0.0/entityTypes/{type}; returns the new entity's URN from the task's owner (one
 * more GET of that task with the service session). Right "cse:nativeCluster: Full Access" of the
 * caller.
 */
int vcd_entity_create(struct vcd *vcd, struct vcd_as as, const char *name, const char *external_id,
	struct json_object *entity, const char **urn, struct error *err) MUST_CHECK;

/* GET /cloudapi/1.0.0/entities/{urn}. GONE when absent or invisible. */
int vcd_entity_get(struct vcd *vcd, struct vcd_as as, const char *urn, struct json_object **out,
	struct error *err) MUST_CHECK;

/* PUT the whole document; the answer replaces *document. INVALID with VCD's validation text. */
int vcd_entity_put(struct vcd *vcd, struct vcd_as as, struct json_object **document,
	struct error *err) MUST_CHECK;

/* POST …/resolve. INVALID with VCD's message when the state becomes RESOLUTION_ERROR. */
int vcd_entity_resolve(
	struct vcd *vcd, struct vcd_as as, const char *urn, struct error *err) MUST_CHECK;

/* DELETE. VCD refuses it (INVALID) while the entity is not resolved. GONE when absent. */
int vcd_entity_delete(
	struct vcd *vcd, struct vcd_as as, const char *urn, struct error *err) MUST_CHECK;

/*
 * GET …/entities/types/cse/nativeCluster/1.0.0?filter=…: key is a first-level key or a dotted path,
 * value is escaped here. *values is an array of documents, of all orgs that the session sees; the
 * caller releases it.
 */
int vcd_entity_find(struct vcd *vcd, struct vcd_as as, const char *key, const char *value,
	struct json_object **values, struct error *err) MUST_CHECK;

#endif
