/* SPDX-License-Identifier: MIT */
/*
 * ExtraConfig seen from three sides. VCD's own writes are kept for good; a guest's writes live
 * until power-off and reach VCD late; what the guest sees is a copy of its own, which a write
 * through VCD reaches at once, at the next boot, or at the next power-on.
 *
 * Of one key there may be several entries, oldest first: one stored by VCD, and the guest's. The
 * newest that is visible counts.
 */
#include "tests/vcdsim/guest.h"

#include "common/clock.h"
#include "common/mem.h"
#include "common/str.h"

#include <stdlib.h>

static void entry_free(struct sim_extra *entry)
{
	free(entry->key);
	free(entry->value);
	free(entry->older);
	free(entry);
}

/* Removes the entries that match; key NULL: of all keys. */
static void entries_remove(struct sim_vm *vm, const char *key, bool guest_only)
{
	struct sim_extra **link = &vm->extra;

	while (*link) {
		struct sim_extra *entry = *link;
		if ((!key || str_eq(entry->key, key)) && (!guest_only || entry->from_guest)) {
			*link = entry->next;
			entry_free(entry);
		} else {
			link = &entry->next;
		}
	}
}

static void entry_add(
	struct sim_vm *vm, const char *key, const char *value, int64_t visible_ms, bool from_guest)
{
	struct sim_extra **link = &vm->extra;
	struct sim_extra *entry = xcalloc(1, sizeof(*entry));

	entry->key = xstrdup(key);
	entry->value = xstrdup(value);
	entry->visible_ms = visible_ms;
	entry->from_guest = from_guest;
	while (*link)
		link = &(*link)->next;
	*link = entry;
}

void extra_set(struct sim *sim, struct sim_vm *vm, const char *key, const char *value)
{
	entries_remove(vm, key, false);
	if (!str_empty(value))
		entry_add(vm, key, value, 0, false);
	if (vm->guest && sim->options.extra_mode == 0 && str_starts(key, "guestinfo."))
		view_set(vm->guest, key, str_or(value, ""));
}

void extra_set_by_guest(struct sim *sim, struct sim_vm *vm, const char *key, const char *value)
{
	int64_t now = clock_ms();
	const struct sim_extra *visible = NULL;

	for (const struct sim_extra *entry = vm->extra; entry; entry = entry->next)
		if (entry->from_guest && str_eq(entry->key, key) && entry->visible_ms <= now)
			visible = entry;
	/* What an already visible value of the guest has replaced is of no use to anybody. */
	struct sim_extra **link = &vm->extra;
	while (visible && *link && *link != visible) {
		struct sim_extra *entry = *link;
		if (entry->from_guest && str_eq(entry->key, key)) {
			*link = entry->next;
			entry_free(entry);
		} else {
			link = &entry->next;
		}
	}
	entry_add(vm, key, value, now + sim->options.extra_latency_ms, true);
}

const char *extra_shown(const struct sim_vm *vm, const struct sim_extra *extra)
{
	int64_t now = clock_ms();
	const struct sim_extra *shown = NULL;

	for (const struct sim_extra *entry = vm->extra; entry; entry = entry->next)
		if (str_eq(entry->key, extra->key) && entry->visible_ms <= now)
			shown = entry;
	return shown == extra && !str_empty(extra->value) ? extra->value : NULL;
}

void extra_drop_guest(struct sim_vm *vm)
{
	entries_remove(vm, NULL, true);
}

void extra_free(struct sim_vm *vm)
{
	entries_remove(vm, NULL, false);
}

const char *view_get(const struct guest *guest, const char *key)
{
	for (const struct guest_key *entry = guest->view; entry; entry = entry->next)
		if (str_eq(entry->key, key))
			return entry->value;
	return NULL;
}

void view_set(struct guest *guest, const char *key, const char *value)
{
	struct guest_key **link = &guest->view;

	while (*link && !str_eq((*link)->key, key))
		link = &(*link)->next;
	struct guest_key *entry = *link;
	if (!entry) {
		entry = *link = xcalloc(1, sizeof(*entry));
		entry->key = xstrdup(key);
	}
	free(entry->value);
	entry->value = xstrdup(value);
	if (str_empty(value)) {
		*link = entry->next;
		free(entry->key);
		free(entry->value);
		free(entry);
	}
}

void view_free(struct guest *guest)
{
	while (guest->view)
		view_set(guest, guest->view->key, "");
}

void view_load(struct guest *guest, const struct sim_vm *vm)
{
	view_free(guest);
	for (const struct sim_extra *entry = vm->extra; entry; entry = entry->next) {
		/* Other keys of a VM's configuration are not the guest's to read. */
		if (str_starts(entry->key, "guestinfo."))
			view_set(guest, entry->key, entry->value);
	}
}
