/* SPDX-License-Identifier: MIT */
/*
 * The inside of the simulated guests, shared by guests.c (life), guest_disk.c (disk and sandbox),
 * guest_box.c (the mailbox behind vmtoolsd), guest_played.c and extra.c. Everything is guarded by
 * the state lock.
 */
#ifndef VCDSIM_GUEST_H
#define VCDSIM_GUEST_H

#include "tests/vcdsim/guests.h"

#include <sys/types.h>

struct relay;
struct played;

enum guest_state {
	GUEST_BOOTING, /* until due_ms, then its sandbox is started */
	GUEST_RUNNING,
	GUEST_ENDED /* init ended by itself: the VM is on, nothing runs */
};

/* A guestinfo value as the running guest sees it. */
struct guest_key {
	struct guest_key *next;
	char *key, *value;
};

struct guest {
	struct guest *next;
	char uuid[SIM_ID];
	char name[64];
	struct sim_vm *vm; /* NULL once it was powered off */
	enum guest_state state;
	int64_t due_ms;
	pid_t pid; /* of the sandbox, 0 when there is none */
	int boots, exit_status;
	bool customizing; /* this boot ends with customization's reboot */
	bool destroy;	  /* dying: the disk goes as well */
	struct guest_key *view;
	/* Of a played guest: whether this boot read its inputs, and how far it came. */
	bool played_begun, phase_begun;
	size_t phase;
};

struct sim_guests {
	struct guest *alive; /* powered on */
	struct guest *dying; /* killed, not yet reaped */
	char *root;	     /* folder with one folder per VM */
	bool user_namespace; /* the sandbox needs one to play root */
	struct relay *relay;
	struct played *played; /* disks of played guests */
	bool plays;	       /* guests are played: no sandbox, no relay */
};

/* guest_disk.c */
/* Finds out how bubblewrap starts here; INTERNAL with its own words when it does not. */
int sandbox_probe(struct sim_guests *guests, struct error *err) MUST_CHECK;
/* Writes what the guest must know and starts its sandbox; pid or -1 with errno. */
pid_t sandbox_start(struct sim *sim, const struct guest *guest);
void disk_remove(const struct sim_guests *guests, const char *uuid);
/* The last bytes of a file below the VM's folder as UTF-8-clean text; the caller frees it. */
char *disk_tail(const struct sim_guests *guests, const char *uuid, const char *file) MUST_CHECK;
/* Folder of the mailbox; the caller frees it. */
char *disk_box(const struct sim_guests *guests, const char *uuid) MUST_CHECK;

/* guest_box.c */
void box_serve(struct sim *sim, struct guest *guest);

/* guest_played.c: guests that are only played. */
void played_boot(struct sim *sim, struct guest *guest); /* the guest is up, customized or not */
void played_step(struct sim *sim, struct guest *guest); /* one phase on, when it can */
void played_forget(struct sim_guests *guests, const char *uuid); /* its disk; NULL: all disks */

/* extra.c */
void view_set(struct guest *guest, const char *key, const char *value); /* "" removes */
const char *view_get(const struct guest *guest, const char *key);	/* NULL when absent */
void view_free(struct guest *guest);
/* All guestinfo keys that VCD holds for the VM become what the guest sees. */
void view_load(struct guest *guest, const struct sim_vm *vm);
/* The guest's own write: VCD shows it after the latency. */
void extra_set_by_guest(struct sim *sim, struct sim_vm *vm, const char *key, const char *value);
/* Power-off: what the guest had set is forgotten. */
void extra_drop_guest(struct sim_vm *vm);

/* relay.c */
struct relay *relay_new(struct error *err) MUST_CHECK; /* NULL: INTERNAL */
void relay_free(struct relay **relay);

#endif
