/* SPDX-License-Identifier: MIT */
#include "worker/operation_text.h"

#include "common/str.h"

static const char *const done_texts[] = {
	[OPERATION_CREATE] = "Created cluster '{name}' ({id})",
	[OPERATION_UPDATE] = "Un-exposed the cluster '{name}' ({id})",
	[OPERATION_DELETE] = "Deleted cluster '{name}'",
};
static const char *const error_texts[] = {
	[OPERATION_CREATE] = "Error creating cluster '{name}'",
	[OPERATION_UPDATE] = "Error un-exposing the cluster '{name}'",
	[OPERATION_DELETE] = "Error deleting cluster '{name}'",
};

/* Marks and earlier tasks, which told the edge, may all be gone: then people have to look. */
static const char done_edge_lost[] =
	"Deleted cluster '{name}'. It was exposed, and nothing tells at which edge gateway: look "
	"for a NAT rule whose name has {id}";

static const char done_leased[] =
	"Created cluster '{name}' ({id}). The organization's policy gives its vApp a lease: renew "
	"it in time, or VCD stops the cluster";

const char *operation_error_text(enum operation op)
{
	return error_texts[op];
}

const char *operation_done_text(enum operation op, const struct observed *seen)
{
	const struct vcd_vapp *vapp = &seen->raw_vapp;

	if (seen->edge_lost)
		return done_edge_lost;
	if (op == OPERATION_CREATE && (vapp->lease_deploy_s > 0 || vapp->lease_storage_s > 0))
		return done_leased;
	return done_texts[op];
}

const char *operation_cause(struct arena *arena, const struct details *details, bool undone)
{
	const struct details_verdict *verdict = &details->verdict;
	const char *remedy = "Delete the cluster before you send it again.";

	if (!undone)
		remedy = "Not everything could be undone in time. Delete the cluster.";
	else if (details->op != OPERATION_CREATE)
		remedy = "Correct the cause and send the request again.";
	else if (str_eq(verdict->kind, "rollback"))
		remedy = "The cluster was removed; correct the cause and send it again.";
	return arena_printf(arena, "Step %s: %s. %s", str_or(verdict->step, "?"),
		str_or(verdict->cause, "?"), remedy);
}
