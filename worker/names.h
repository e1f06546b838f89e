/* SPDX-License-Identifier: MIT */
/*
 * Names that any worker derives again: an act done twice finds its own object by name instead of
 * making a second one.
 */
#ifndef WORKER_NAMES_H
#define WORKER_NAMES_H

#include "common/arena.h"

enum role { ROLE_CONTROL_PLANE, ROLE_WORKER, ROLE_NFS };

/* Longest cluster name, and its characters: a letter, then letters, digits and '-'. */
enum { CLUSTER_NAME_MAX = 25 };
bool cluster_name_valid(const char *name) MUST_CHECK;

/*
 * VM names of one operation: "mstr-x1y2", "node-…", "nfsd-…": 4 base-36 characters of a SHA-256
 * over cluster, role, operation id, index and a counter that grows while the name is in `taken`
 * (NULL-terminated).
 */
const char *vm_name(struct arena *arena, const char *cluster_urn, enum role role,
	const char *operation_id, unsigned index, const char *const *taken) MUST_CHECK;
/* All names of a create: out[0] the control plane, then the workers; distinct. */
void vm_names(struct arena *arena, const char *cluster_urn, const char *operation_id,
	unsigned workers, const char **out);
bool vm_role(const char *name, enum role *out) MUST_CHECK; /* by prefix */

/* "<cluster>_<entity urn>_expose_dnat" */
const char *nat_rule_name(struct arena *arena, const char *cluster, const char *entity_urn);
/* The entity in a rule's name, not ended by NUL; NULL for other names. In front of it stands what
 * the vApp was called then, which may be anything. */
const char *nat_rule_entity(const char *name, size_t *len) MUST_CHECK;
bool nat_rule_is_of(const char *name, const char *entity_urn) MUST_CHECK;

#define PORT_PROFILE_NAME "cse-kube-api-6443"
enum { KUBE_API_PORT = 6443 };

/* Pseudo-random start for picking among the free addresses of an edge, by cluster. */
uint32_t address_seed(const char *cluster_urn);

#endif
