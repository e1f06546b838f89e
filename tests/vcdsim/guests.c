/* SPDX-License-Identifier: MIT */
/* The life of simulated guests: boots, reboots, power-off. See guests.h. */
#include "tests/vcdsim/guest.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/str.h"
#include "tests/vcdsim/calls.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { EXIT_REBOOT = 75 }; /* what a guest's init ends with to be booted again */

int guests_start(struct sim *sim, struct error *err)
{
	struct sim_guests *guests = xcalloc(1, sizeof(*guests));

	sim->guests = guests;
	guests->root = xasprintf("%s/guests", sim->dir);
	if (mkdir(guests->root, 0700) != 0 && errno != EEXIST)
		return error_sys(err, ERR_INTERNAL, errno, "make %s", guests->root);
	guests->plays = sim->options.played_guests != 0;
	if (guests->plays)
		return 0;
	if (sandbox_probe(guests, err) != 0)
		return -1;
	guests->relay = relay_new(err);
	return guests->relay ? 0 : -1;
}

static struct guest **find_link(struct guest **list, const struct guest *guest)
{
	while (*list != guest) {
		assert(*list);
		list = &(*list)->next;
	}
	return list;
}

/* The sandbox's init dies with bubblewrap, and with init all processes of its PID namespace. */
static void sandbox_kill(const struct guest *guest)
{
	if (guest->pid > 0)
		kill(guest->pid, SIGKILL);
}

static void guest_free(struct guest *guest)
{
	view_free(guest);
	free(guest);
}

void guests_stop(struct sim *sim)
{
	struct sim_guests *guests = sim->guests;

	if (!guests)
		return;
	relay_free(&guests->relay);
	while (guests->alive) {
		struct guest *guest = guests->alive;
		guests->alive = guest->next;
		guest->vm->guest = NULL;
		guest->next = guests->dying;
		guests->dying = guest;
		sandbox_kill(guest);
	}
	while (guests->dying) {
		struct guest *guest = guests->dying;
		guests->dying = guest->next;
		if (guest->pid > 0)
			waitpid(guest->pid, NULL, 0);
		guest_free(guest);
	}
	played_forget(guests, NULL);
	free(guests->root);
	free(guests);
	sim->guests = NULL;
}

static bool needs_customizing(const struct sim_vm *vm)
{
	return vm->customization_enabled && vm->needs_customization && !vm->customized;
}

void guest_power_on(struct sim *sim, struct sim_vm *vm)
{
	assert(!vm->guest);
	struct guest *guest = xcalloc(1, sizeof(*guest));

	(void)snprintf(guest->uuid, sizeof(guest->uuid), "%s", vm->uuid);
	(void)snprintf(guest->name, sizeof(guest->name), "%s", vm->name);
	guest->vm = vm;
	guest->state = GUEST_BOOTING;
	guest->due_ms = clock_ms() + sim->options.boot_ms;
	view_load(guest, vm);
	guest->next = sim->guests->alive;
	sim->guests->alive = guest;
	vm->guest = guest;
	path_add(sim, "boot",
		needs_customizing(vm) ? 2 * sim->options.boot_ms : sim->options.boot_ms);
}

void guest_power_off(struct sim *sim, struct sim_vm *vm)
{
	struct guest *guest = vm->guest;

	if (!guest)
		return;
	*find_link(&sim->guests->alive, guest) = guest->next;
	guest->next = sim->guests->dying;
	sim->guests->dying = guest;
	guest->vm = NULL;
	vm->guest = NULL;
	sandbox_kill(guest);
	extra_drop_guest(vm);
}

static void disk_drop(struct sim_guests *guests, const char *uuid)
{
	disk_remove(guests, uuid);
	played_forget(guests, uuid);
}

void guest_destroy(struct sim *sim, struct sim_vm *vm)
{
	guest_power_off(sim, vm);
	for (struct guest *guest = sim->guests->dying; guest; guest = guest->next) {
		if (str_eq(guest->uuid, vm->uuid)) {
			guest->destroy = true;
			return;
		}
	}
	disk_drop(sim->guests, vm->uuid);
}

static bool is_dying(const struct sim_guests *guests, const char *uuid)
{
	for (const struct guest *guest = guests->dying; guest; guest = guest->next)
		if (str_eq(guest->uuid, uuid))
			return true;
	return false;
}

/* The first boot of a customized guest ends with a reboot, played ones too. */
static void guest_boot_played(struct sim *sim, struct guest *guest)
{
	if (guest->customizing) {
		guest->vm->customized = true;
		guest->due_ms = clock_ms() + sim->options.boot_ms;
		return;
	}
	guest->state = GUEST_RUNNING;
	played_boot(sim, guest);
}

static void guest_boot(struct sim *sim, struct guest *guest)
{
	if (is_dying(sim->guests, guest->uuid))
		return; /* its disk is still in use */
	if (sim->options.extra_mode == 1 && guest->boots > 0)
		view_load(guest, guest->vm);
	guest->boots++;
	guest->customizing = needs_customizing(guest->vm);
	if (sim->guests->plays) {
		guest_boot_played(sim, guest);
		return;
	}
	guest->pid = sandbox_start(sim, guest);
	guest->state = guest->pid > 0 ? GUEST_RUNNING : GUEST_ENDED;
	if (guest->pid <= 0) {
		(void)fprintf(stderr, "vcdsim: guest %s does not start: %s\n", guest->name,
			strerror(errno));
	}
}

static void guest_reap(struct sim *sim, struct guest *guest)
{
	int status = 0;

	if (waitpid(guest->pid, &status, WNOHANG) != guest->pid)
		return;
	guest->pid = 0;
	guest->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	if (guest->exit_status != EXIT_REBOOT) {
		guest->state = GUEST_ENDED;
		(void)fprintf(stderr, "vcdsim: guest %s ended with status %d\n", guest->name,
			guest->exit_status);
		return;
	}
	if (guest->customizing)
		guest->vm->customized = true;
	guest->state = GUEST_BOOTING;
	guest->due_ms = clock_ms() + sim->options.boot_ms;
}

static void dying_reap(struct sim_guests *guests)
{
	struct guest **link = &guests->dying;

	while (*link) {
		struct guest *guest = *link;
		if (guest->pid > 0 && waitpid(guest->pid, NULL, WNOHANG) == 0) {
			link = &guest->next;
			continue;
		}
		*link = guest->next;
		if (guest->destroy)
			disk_drop(guests, guest->uuid);
		guest_free(guest);
	}
}

void guests_tick(struct sim *sim)
{
	if (!sim->guests || sim->stopping)
		return;
	for (struct guest *guest = sim->guests->alive; guest; guest = guest->next) {
		if (guest->state == GUEST_BOOTING && clock_ms() >= guest->due_ms) {
			guest_boot(sim, guest);
		} else if (guest->state == GUEST_RUNNING && sim->guests->plays) {
			played_step(sim, guest);
		} else if (guest->state == GUEST_RUNNING) {
			box_serve(sim, guest);
			guest_reap(sim, guest);
		}
	}
	dying_reap(sim->guests);
	relay_sync(sim);
}

int guests_process_count(struct sim *sim)
{
	int count = 0;

	for (const struct guest *guest = sim->guests ? sim->guests->alive : NULL; guest;
		guest = guest->next)
		count += guest->pid > 0;
	for (const struct guest *guest = sim->guests ? sim->guests->dying : NULL; guest;
		guest = guest->next)
		count += guest->pid > 0;
	return count;
}

static struct json_object *guest_json(struct sim *sim, const struct guest *guest)
{
	static const char *const states[] = {"booting", "running", "ended"};
	static const char *const logs[][2] = {{"console", "console.log"},
		{"customization", "disk/var/log/customization.log"},
		{"bootstrap", "disk/var/log/cse-bootstrap.service.log"},
		{"kubelet", "disk/var/log/kubelet.service.log"}};
	struct json_object *out = json_object_new_object();

	json_set_str(out, "name", guest->name);
	json_set_str(out, "uuid", guest->uuid);
	json_set_str(out, "status", states[guest->state]);
	json_set_int(out, "boots", guest->boots);
	json_set_int(out, "exit_status", guest->exit_status);
	for (size_t i = 0; i < ARRAY_LEN(logs); i++) {
		CLEANUP(free_str)
		char *tail = disk_tail(sim->guests, guest->uuid, logs[i][1]);
		json_set_str(out, logs[i][0], tail);
	}
	return out;
}

struct json_object *guests_json(struct sim *sim)
{
	struct json_object *out = json_object_new_array();

	for (const struct guest *guest = sim->guests ? sim->guests->alive : NULL; guest;
		guest = guest->next)
		json_object_array_add(out, guest_json(sim, guest));
	return out;
}
