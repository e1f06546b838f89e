/* SPDX-License-Identifier: MIT */
/*
 * A cluster's defined entity: the tenant's words (spec) and ours (status). Clients read entities
 * straight from VCD with strict models, so nothing but the contract's keys is stored, and never a
 * null.
 */
#ifndef WORKER_CLUSTER_H
#define WORKER_CLUSTER_H

#include "common/arena.h"
#include "common/error.h"
#include "worker/vcd/org.h"

#include <json-c/json.h>

/*
 * An entity's externalId until its create is accepted: "cse-request:" and the id of the request
 * that made it. When VCD did not answer, the request makes it once more, and that one's ends in
 * ":again": so the two can be told apart should VCD have made both, see plans/twin.h.
 */
const char *cluster_claim(struct arena *arena, const char *request, bool again);
bool cluster_is_claimed(const char *external_id);
bool cluster_is_claimed_again(const char *external_id);
bool cluster_is_claimed_by(const char *external_id, const char *request);

struct cluster_spec {
	const char *name, *org, *vdc; /* metadata */
	const char *kind, *api_version;
	int64_t control_planes, workers, nfs;
	const char *control_plane_sizing, *control_plane_storage; /* NULL: not given */
	const char *worker_sizing, *worker_storage;
	const char *nfs_sizing, *nfs_storage;
	const char *template; /* NULL: server default */
	int64_t revision;     /* 0: not given */
	const char *network, *ssh_key;
	bool rollback, expose;
};

/*
 * Reads a request body or a stored entity member; unknown keys, wrong types, counts out of range
 * (workers 0 to 100, control plane 1) and names that VCD or Kubernetes would refuse are INVALID,
 * with path and value. Strings are borrowed from the object or live in the arena.
 */
int cluster_spec_read(struct cluster_spec *out, struct arena *arena, struct json_object *body,
	struct error *err) MUST_CHECK;

/*
 * An update may change counts and expose only: INVALID "Invalid input values found in [...]" names
 * every other member of the spec in which `wanted` differs from `stored`.
 */
int cluster_spec_compare(const struct cluster_spec *stored, const struct cluster_spec *wanted,
	struct arena *arena, struct error *err) MUST_CHECK;

/* Removes keys from an entity member that clients' models refuse; false when there were some. */
bool cluster_drop_unknown(struct json_object *entity);

struct cluster_template {
	const char *name, *kind, *os, *docker_version, *kubernetes, *kubernetes_version, *cni,
		*cni_version;
	const char *item_href, *item_name, *description, *deprecated;
	const char *prepared; /* cse_prepared: version under /opt/cse; "" when unprepared */
	int64_t revision;
};

/* The "entity" member for a create: complete spec, status with phase CREATE:IN_PROGRESS. Owned by
 * the caller. */
struct json_object *cluster_entity_new(const struct cluster_spec *spec,
	const struct cluster_template *template, const char *task_href) MUST_CHECK;

/*
 * Does it name this task, and does this user own it? By their uuids. The task alone anybody may
 * have written there who may write the entity.
 */
bool cluster_is_made_for(
	struct json_object *document, const char *task, const char *user) MUST_CHECK;

/*
 * What the service has marked a vApp with, of its metadata; "" without that mark. Tenants can
 * neither write nor remove marks.
 */
const char *cluster_mark(const struct vcd_metadata *entries, size_t count, const char *key);

struct cluster_node {
	const char *name, *ip; /* "" while unknown */
	const char *sizing_class;
};
/* Sets status.nodes completely: control_plane object, workers and nfs lists. */
void cluster_set_nodes(struct json_object *document, const struct cluster_node *control_plane,
	const struct cluster_node *workers, size_t worker_count);

/*
 * Merges into a freshly read document only what one operation may change: its phase and task href,
 * exposed, expose, counts. NULL and -1 leave a member as it is.
 */
struct cluster_change {
	const char *phase, *task_href, *external_id;
	int64_t exposed, expose, workers;
};
void cluster_apply(struct json_object *document, const struct cluster_change *change);

/*
 * cluster_form.c: makes an entity that anybody may have written whole again: what readers or VCD
 * need is there, nothing unknown and no null is left. Part of cluster_apply().
 */
void cluster_complete(struct json_object *document);

#endif
