/* SPDX-License-Identifier: MIT */
/*
 * Steps of a create that give nodes what they need and start them. The secrets are made by whoever
 * finds none in the control plane's ExtraConfig; from then on they are read from there, so a second
 * pass cannot give the workers another CA than the control plane has.
 */
#include "worker/plans/create_steps.h"

#include "common/base64.h"
#include "common/clock.h"
#include "common/crypto.h"
#include "common/json.h"
#include "common/log.h"
#include "common/str.h"
#include "worker/guest/guest.h"
#include "worker/plans/node_data.h"

#include <string.h>

enum { TOKEN_EXTRA_S = 3600 };

/* ---- guest data ---- */

static bool data_fits(const struct observed *seen, const struct node *node)
{
	return node->has_data && str_eq(node->ca_hash, seen->ca_hash);
}

/*
 * Once the control plane has taken the secrets they are nowhere in VCD. They were in every node
 * before any was powered on, so one that is off now was switched off since, with what it took on
 * its disk: it only has to be powered on.
 */
static bool handed_out(const struct observed *seen)
{
	return data_fits(seen, &seen->control_plane) && !seen->control_plane.has_secret;
}

/*
 * Runs with something else than what the control plane's ExtraConfig says now: a write of a pass
 * given up long ago came through after its successor had switched the nodes on. Such a node never
 * becomes one of this cluster.
 */
static bool runs_astray(const struct observed *seen, const struct node *node)
{
	return node->on && !str_eq(node->ca_hash, seen->ca_hash);
}

static enum condition check_node(const struct observed *seen, const struct node *node)
{
	if (node->on)
		return COND_MET; /* it runs with what it got; see check_astray() */
	return data_fits(seen, node) && (node->has_secret || handed_out(seen)) ? COND_MET
									       : COND_UNMET;
}

enum condition write_condition(const struct observed *seen)
{
	return seen->vapp == VAPP_BUSY && !seen->vm_task ? COND_PENDING : COND_UNMET;
}

static const struct node *find_astray(const struct observed *seen)
{
	if (!seen->ca_hash[0])
		return NULL;
	if (runs_astray(seen, &seen->control_plane))
		return &seen->control_plane;
	for (size_t i = 0; i < seen->worker_count; i++) {
		if (runs_astray(seen, &seen->workers[i]))
			return &seen->workers[i];
	}
	return NULL;
}

/* A node that was made one of a cluster. Its words need no proof: the key for it went with the CA.
 */
static bool any_made(const struct observed *seen)
{
	bool made = seen->control_plane.report.says_made;

	for (size_t i = 0; i < seen->worker_count; i++)
		made = made || seen->workers[i].report.says_made;
	return made;
}

/*
 * Such a node is written again, as long as there is something to write, and a guest that would take
 * it: with another CA on its disk it would start in vain until the deadline.
 */
enum condition check_astray(const struct observed *seen, struct error *why)
{
	const struct node *node = find_astray(seen);

	if (!node)
		return COND_MET;
	if (seen->vapp == VAPP_BUSY)
		return COND_PENDING;
	if (seen->control_plane.has_secret && !any_made(seen))
		return COND_UNMET;
	error_set(why, ERR_INVALID, "VM %s runs with another cluster CA", node->name);
	return COND_FAILED;
}

/*
 * All are switched off: which of them took what is not to be seen, and a guest takes what is there
 * when it starts again.
 */
int act_astray(struct work *work, struct observed *seen, struct error *err)
{
	const char *task = NULL;

	log_event(LOG_WARN, "nodes.rebuilt", LOG_STR("astray", find_astray(seen)->name));
	seen->seen &= ~(unsigned)SEE_VAPP;
	if (vcd_undeploy(work->vcd, VCD_SERVICE, seen->vapp_href, &task, err))
		return -1;
	return work_wait(work, task, "Switching nodes off to write them again", err);
}

enum condition check_control_plane(const struct observed *seen, struct error *why)
{
	const struct node *node = &seen->control_plane;

	if (seen->has_ca && !seen->ca_hash[0]) {
		error_set(
			why, ERR_INVALID, "The CA certificate in VM %s cannot be read", node->name);
		return COND_FAILED;
	}
	if (!node->ip[0])
		return COND_PENDING;
	if (seen->has_ca && !node->on && !node->has_secret && !handed_out(seen) && !seen->vm_task) {
		error_set(why, ERR_INVALID, "The cluster's secrets in VM %s are lost", node->name);
		return COND_FAILED;
	}
	if (seen->has_ca && check_node(seen, node) == COND_MET)
		return COND_MET;
	return write_condition(seen);
}

/* The settled external address: from the listing, later from what the control plane was told. */
static const char *settled_external(const struct observed *seen)
{
	if (!seen->want_expose)
		return "";
	return seen->external[0] ? seen->external : seen->control_plane.external;
}

/*
 * The key the caller gave: the entity tells it, the task's record tells its digest, because a
 * tenant may have written the entity since.
 */
static int wanted_ssh_key(
	struct work *work, struct observed *seen, const char **out, struct error *err)
{
	const char *digest = work->details->wanted.ssh_sha256;
	char actual[CRYPTO_SHA256_HEX];
	const char *key;

	*out = "";
	if (str_empty(digest))
		return 0;
	if (observed_look(work, seen, SEE_ENTITY, err))
		return -1;
	key = json_str(seen->document, "entity.spec.settings.ssh_key", "");
	crypto_sha256_hex(actual, key, strlen(key));
	if (!str_eq(actual, digest))
		return error_set(err, ERR_INVALID,
			"spec.settings.ssh_key was changed while the cluster was being made");
	*out = arena_strdup(work->arena, key);
	return 0;
}

static int node_value(struct work *work, struct observed *seen, const struct node *node,
	const char *ca_hash, const char **out, struct error *err)
{
	const char *ssh_key;
	int64_t deadline_s = work->config->timing_deadline_create / 1000;
	struct node_data data = {
		.role = node->role,
		.name = node->name,
		.ip = node->ip,
		.cluster = seen->cluster,
		.endpoint =
			arena_printf(work->arena, "%s:%d", seen->control_plane.ip, KUBE_API_PORT),
		.external = settled_external(seen),
		.ca_hash = ca_hash,
		.deadline_s = deadline_s,
		.token_ttl_s = deadline_s + TOKEN_EXTRA_S,
		.workers = seen->want_workers,
	};

	if (work_template(work, err) || wanted_ssh_key(work, seen, &ssh_key, err))
		return -1;
	data.kubernetes = work->template.prepared;
	data.ssh_key = ssh_key;
	*out = node_data_encode(work->arena, &data);
	return 0;
}

/* Writes one node's inputs, as work_vm_write(); ca and mac_key are given for a control plane
 * without them. */
static int node_write(struct work *work, struct observed *seen, const struct node *node,
	const char *ca_hash, const char *ca_pem, struct node_secret *secret, struct error *err)
{
	CLEANUP(secret_release)
	struct secret value = node_secret_encode(secret);
	struct vcd_extra changes[5] = {
		{KEY_PROGRAM, guest_program},
		{KEY_DATA, NULL},
		{KEY_SECRET, secret_reveal(&value)},
	};
	size_t count = 3;

	if (node_value(work, seen, node, ca_hash, &changes[1].value, err))
		return -1;
	if (ca_pem) {
		changes[count++] = (struct vcd_extra){
			KEY_CA, base64_encode(work->arena, ca_pem, strlen(ca_pem))};
		changes[count++] = (struct vcd_extra){KEY_MAC, secret_reveal(&secret->key)};
	}
	return work_vm_write(work, seen, node->vm, changes, count, err);
}

int act_control_plane(struct work *work, struct observed *seen, struct error *err)
{
	CLEANUP(node_secret_release)
	struct node_secret secret = {0};
	const struct node *node = &seen->control_plane;
	const char *ca_pem = NULL, *ca_hash = seen->ca_hash;

	if (seen->vm_task)
		return work_vm_settle(work, seen, err);
	if (seen->has_ca) {
		if (!node_secret_decode(&secret, vcd_vm_extra(node->vm, KEY_SECRET)))
			return error_set(err, ERR_INVALID,
				"The cluster's secrets in VM %s cannot be read", node->name);
	} else {
		if (node_secret_make(&secret, work->arena, &ca_pem, err))
			return -1;
		ca_hash = crypto_ca_hash(work->arena, ca_pem, err);
		if (!ca_hash)
			return -1;
	}
	return node_write(work, seen, node, ca_hash, ca_pem, &secret, err);
}

enum condition check_workers(const struct observed *seen, struct error *why)
{
	enum condition condition = COND_MET;

	for (size_t i = 0; i < seen->worker_count; i++) {
		const struct node *node = &seen->workers[i];

		if (!node->ip[0])
			return COND_PENDING;
		if (check_node(seen, node) == COND_MET)
			continue;
		condition = write_condition(seen);
		if (handed_out(seen) && !seen->vm_task) {
			error_set(why, ERR_INVALID,
				"VM %s lacks its data, and the cluster's secrets are no longer in "
				"VM %s",
				node->name, seen->control_plane.name);
			return COND_FAILED;
		}
	}
	return condition;
}

int act_workers(struct work *work, struct observed *seen, struct error *err)
{
	CLEANUP(node_secret_release)
	struct node_secret secret = {0};

	if (!node_secret_decode(&secret, vcd_vm_extra(seen->control_plane.vm, KEY_SECRET)))
		return error_set(err, ERR_INVALID, "The cluster's secrets in VM %s cannot be read",
			seen->control_plane.name);
	secret_release(&secret.ca_key); /* not a worker's business */
	for (size_t i = 0; i < seen->worker_count && clock_ms() < work->mutate_until_ms; i++) {
		const struct node *node = &seen->workers[i];
		int status = 0;

		if (check_node(seen, node) != COND_MET)
			status = node_write(work, seen, node, seen->ca_hash, NULL, &secret, err);
		if (status)
			return status;
	}
	/* What was written is read back by the pass that powers on, so it must be there by then. */
	return seen->vm_task && work_vm_settle(work, seen, err) < 0 ? -1 : 1;
}

/* ---- power ---- */

static bool all_on(const struct observed *seen)
{
	bool on = seen->control_plane.on;

	for (size_t i = 0; i < seen->worker_count; i++)
		on = on && seen->workers[i].on;
	return on;
}

/* Whichever node was written in this pass: a later one reads it back and powers on. */
enum condition check_read_back(const struct observed *seen, struct error *why)
{
	(void)why;
	return seen->data_written && !all_on(seen) ? COND_PENDING : COND_MET;
}

enum condition check_power(const struct observed *seen, struct error *why)
{
	(void)why;
	if (all_on(seen))
		return COND_MET;
	return seen->vapp == VAPP_BUSY ? COND_PENDING : COND_UNMET;
}

int act_power(struct work *work, struct observed *seen, struct error *err)
{
	seen->seen &= ~(unsigned)SEE_VAPP;
	/* Neither on nor busy after it was asked to: VCD's task says why. */
	if (seen->vapp_task)
		return vcd_task_wait(work->vcd, STEAL(seen->vapp_task), TASK_WAIT_MS,
			"Switching the cluster's vApp on", err);
	if (vcd_power_on(work->vcd, seen->vapp_href, &seen->vapp_task, err))
		return -1;
	return work_pause(work, err);
}
