/* SPDX-License-Identifier: MIT */
/*
 * Virtual machines that really run: each powered-on VM is a bubblewrap sandbox with its own disk
 * folder, host name and process tree, in which the real bootstrap runs with bash against stand-ins
 * for kubeadm, kubectl, the container runtime, vmtoolsd, systemctl and ip. A guest is never run
 * unsandboxed. With the option played_guests at the start there are no processes at all: the
 * simulator says what a guest would say (guest_played.c), and DNAT rules have no listeners.
 *
 * Life: power-on → boot 1 (boot_ms) → the "Tools" part applies customization (host name, address,
 * script with `precustomization`) → everything is killed → boot 2 (boot_ms) → the customization
 * script with `postcustomization`. A VM that was customized before boots once and starts its
 * enabled units.
 */
#ifndef VCDSIM_GUESTS_H
#define VCDSIM_GUESTS_H

#include "tests/vcdsim/state.h"

/*
 * Checks that bubblewrap starts (INTERNAL says what is missing) and prepares sim->dir/guests;
 * played guests need neither.
 */
int guests_start(struct sim *sim, struct error *err) MUST_CHECK;
void guests_stop(struct sim *sim); /* kills every guest process and waits for them */

/* All below: called under the state lock, they do not block. */
void guest_power_on(struct sim *sim, struct sim_vm *vm);
void guest_power_off(
	struct sim *sim, struct sim_vm *vm); /* kills; guest-set ExtraConfig is dropped */
void guest_destroy(struct sim *sim, struct sim_vm *vm); /* power-off, and the disk goes too */
void guests_tick(struct sim *sim);			/* moves boots on, reaps processes */

/*
 * VCD wrote ExtraConfig. The stored keys are updated by extra_set; what a running guest sees
 * depends on options.extra_mode.
 */
void extra_set(
	struct sim *sim, struct sim_vm *vm, const char *key, const char *value); /* "" removes */
/* What VCD shows now for a key, NULL when absent: a guest's value appears extra_latency_ms late. */
const char *extra_shown(const struct sim_vm *vm, const struct sim_extra *extra);
void extra_free(struct sim_vm *vm);

/* The DNAT relay: makes the listeners equal to the enabled DNAT rules in sim->nat_rules. */
void relay_sync(struct sim *sim);

/* Counts for /state: guest processes and relay sockets that are alive. */
int guests_process_count(struct sim *sim);
int relay_socket_count(struct sim *sim);

/* For GET /guests: per VM boots, status and the tail of its logs. Under the state lock; a new
 * object. */
struct json_object *guests_json(struct sim *sim) MUST_CHECK;

#endif
