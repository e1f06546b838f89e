/* SPDX-License-Identifier: MIT */
/* Steps of a create that wait for what the nodes say, and take their secrets away afterwards. */
#include "worker/plans/create_steps.h"

#include "common/clock.h"
#include "common/str.h"
#include "worker/plans/node_data.h"

#include <string.h>

/* A node that gave up: its own words are the cause. */
static enum condition check_failed(const struct node *node, struct error *why)
{
	const char *command = node->report.command;

	if (node->report.status != GUEST_FAILED)
		return COND_MET;
	/* The command first: what comes last is cut when the task's record is full. */
	error_set(why, ERR_INVALID, "node %s failed in phase %s: %.120s%s%.300s", node->name,
		guest_phase_name(node->report.phase), command, command[0] ? ": " : "",
		node->report.error[0] ? node->report.error : "it did not say why");
	return COND_FAILED;
}

static enum condition check_phase(
	const struct observed *seen, enum guest_phase phase, struct error *why)
{
	if (check_failed(&seen->control_plane, why) == COND_FAILED)
		return COND_FAILED;
	for (size_t i = 0; i < seen->worker_count; i++) {
		if (check_failed(&seen->workers[i], why) == COND_FAILED)
			return COND_FAILED;
	}
	return guest_finished(&seen->control_plane.report, phase) ? COND_MET : COND_PENDING;
}

/* A boot takes long and says nothing; once a node speaks, its phases are short. */
enum condition check_boot(const struct observed *seen, struct error *why)
{
	(void)why;
	return seen->control_plane.report.phase == GUEST_NONE ? COND_PENDING : COND_MET;
}

enum condition check_init(const struct observed *seen, struct error *why)
{
	return check_phase(seen, GUEST_INIT, why);
}

enum condition check_cni(const struct observed *seen, struct error *why)
{
	return check_phase(seen, GUEST_CNI, why);
}

enum condition check_joined(const struct observed *seen, struct error *why)
{
	enum condition condition = check_phase(seen, GUEST_NODES, why);

	for (size_t i = 0; condition == COND_MET && i < seen->worker_count; i++) {
		if (!guest_finished(&seen->workers[i].report, GUEST_JOIN))
			condition = COND_PENDING;
	}
	return condition;
}

/* "IP:<external>" is a name of the certificate, when it has to be one. */
static bool certificate_fits(const struct observed *seen)
{
	const char *rest = seen->control_plane.report.sans;
	const char *item, *external = seen->control_plane.external;
	size_t len;

	if (!seen->want_expose)
		return true;
	while ((item = str_next(&rest, ',', &len))) {
		if (len > 3 && !strncmp(item, "IP:", 3) && strlen(external) == len - 3 &&
			!strncmp(item + 3, external, len - 3))
			return true;
	}
	return false;
}

static bool all_ready(const struct observed *seen)
{
	const char *ready = seen->control_plane.report.nodes;

	if (!guest_list_has(ready, seen->control_plane.name))
		return false;
	for (size_t i = 0; i < seen->worker_count; i++) {
		if (!guest_list_has(ready, seen->workers[i].name))
			return false;
	}
	return true;
}

enum condition check_published(const struct observed *seen, struct error *why)
{
	const struct guest_report *report = &seen->control_plane.report;
	enum condition condition = check_phase(seen, GUEST_PUBLISH, why);

	if (condition != COND_MET || !report->has_report || !report->has_kubeconfig)
		return condition == COND_FAILED ? condition : COND_PENDING;
	if (!all_ready(seen)) {
		error_set(why, ERR_INVALID, "the control plane reports only these nodes ready: %s",
			report->nodes);
		return COND_FAILED;
	}
	if (!certificate_fits(seen)) {
		error_set(why, ERR_INVALID, "the API server's certificate lacks address %s: %s",
			seen->control_plane.external, report->sans);
		return COND_FAILED;
	}
	return COND_MET;
}

enum condition check_secrets(const struct observed *seen, struct error *why)
{
	bool left = seen->control_plane.secret_left;

	(void)why;
	for (size_t i = 0; i < seen->worker_count; i++)
		left |= seen->workers[i].secret_left;
	return left ? write_condition(seen) : COND_MET;
}

int act_secrets(struct work *work, struct observed *seen, struct error *err)
{
	const struct vcd_extra change = {KEY_SECRET, ""};
	struct node *nodes = seen->workers;
	int status = 0;

	if (seen->vm_task)
		return work_vm_settle(work, seen, err);
	if (seen->control_plane.secret_left)
		status = work_vm_write(work, seen, seen->control_plane.vm, &change, 1, err);
	for (size_t i = 0; !status && i < seen->worker_count && clock_ms() < work->mutate_until_ms;
		i++) {
		if (nodes[i].secret_left)
			status = work_vm_write(work, seen, nodes[i].vm, &change, 1, err);
	}
	return status;
}
