/* SPDX-License-Identifier: MIT */
/* Played guests say what real ones would, and a cluster that could not work does not come up. */
#include "tests/unit/unit.h"

#include "common/base64.h"
#include "common/clock.h"
#include "common/crypto.h"
#include "common/mem.h"
#include "common/str.h"
#include "tests/vcdsim/calls.h"
#include "tests/vcdsim/guest.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define CONTROL_PLANE "127.52.0.10"
#define WORKER "127.52.0.11"
#define EXTERNAL "127.62.0.10"

enum { TICKS = 40 };

static char folder[32];
static struct sim sim;
static struct sim_vapp vapp = {.network_uuid = "0a000000-0000-4000-8000-000000000001"};
static struct sim_vm machines[2];
static struct arena arena;
static struct crypto_ca ca;

/* What guests call outside their own files. */
void path_add(struct sim *of, const char *name, int64_t ms)
{
	(void)of;
	(void)name;
	(void)ms;
}

struct json_object *find_doc(struct json_object *array, const char *id)
{
	(void)array;
	(void)id;
	return NULL;
}

static void give(struct sim_vm *vm, const char *key, const char *text)
{
	extra_set(&sim, vm, key, base64_encode(&arena, text, strlen(text)));
}

static char *lines(const char *const fields[][2], size_t count)
{
	char *text = arena_strdup(&arena, "");

	for (size_t i = 0; i < count; i++)
		text = arena_printf(&arena, "%s%s %s\n", text, fields[i][0],
			base64_encode(&arena, fields[i][1], strlen(fields[i][1])));
	return text;
}

static void give_inputs(struct sim_vm *vm, const char *role, const char *hash, const char *token)
{
	const char *const shown[][2] = {{"version", "1"}, {"role", role}, {"name", vm->name},
		{"ip", vm->ip}, {"endpoint", CONTROL_PLANE ":6443"}, {"external", EXTERNAL},
		{"ca_hash", hash}, {"deadline_s", "60"}, {"kubernetes", "1.20.4-vmware.1"},
		{"workers", "1"}};
	const char *const hidden[][2] = {
		{"token", token}, {"key", KEY}, {"ca_key", secret_reveal(&ca.key_pem)}};

	extra_set(&sim, vm, "guestinfo.cse.program", "H4sI");
	give(vm, "guestinfo.cse.data", lines(shown, ARRAY_LEN(shown)));
	give(vm, "guestinfo.cse.secret", lines(hidden, str_eq(role, "worker") ? 2 : 3));
	if (!str_eq(role, "worker"))
		give(vm, "guestinfo.cse.ca", ca.cert_pem);
}

static void machine_make(struct sim_vm *vm, const char *uuid, const char *name, const char *ip)
{
	*vm = (struct sim_vm){.name = name,
		.computer_name = name,
		.vapp = &vapp,
		.script = "#!/bin/sh",
		.needs_customization = true,
		.customization_enabled = true};
	(void)snprintf(vm->uuid, sizeof(vm->uuid), "%s", uuid);
	(void)snprintf(vm->ip, sizeof(vm->ip), "%s", ip);
}

static int setup(void **state)
{
	struct error err = {0};

	(void)state;
	(void)snprintf(folder, sizeof(folder), "/tmp/vcdsim-played-XXXXXX");
	assert_non_null(mkdtemp(folder));
	sim = (struct sim){.dir = folder, .options = {.played_guests = 1}};
	assert_int_equal(guests_start(&sim, &err), 0);
	assert_int_equal(crypto_ca_make(&ca, &arena, &err), 0);
	machine_make(
		&machines[0], "11111111-1111-4111-8111-111111111111", "mstr-aaaa", CONTROL_PLANE);
	machine_make(&machines[1], "22222222-2222-4222-8222-222222222222", "node-bbbb", WORKER);
	give_inputs(&machines[0], "control-plane", crypto_ca_hash(&arena, ca.cert_pem, &err),
		"abcdef.0123456789abcdef");
	give_inputs(&machines[1], "worker", crypto_ca_hash(&arena, ca.cert_pem, &err),
		"abcdef.0123456789abcdef");
	return 0;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *place)
{
	(void)info;
	(void)kind;
	(void)place;
	return remove(path);
}

static int teardown(void **state)
{
	(void)state;
	guests_stop(&sim);
	extra_free(&machines[0]);
	extra_free(&machines[1]);
	crypto_ca_release(&ca);
	arena_reset(&arena);
	return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void ticks(int count)
{
	while (count-- > 0)
		guests_tick(&sim);
}

static const char *shown(const struct sim_vm *vm, const char *key)
{
	for (const struct sim_extra *entry = vm->extra; entry; entry = entry->next) {
		const char *value = str_eq(entry->key, key) ? extra_shown(vm, entry) : NULL;

		if (value)
			return value;
	}
	return "";
}

static bool phase_is(const struct sim_vm *vm, const char *phase)
{
	return strstr(shown(vm, "guestinfo.cse.phase"), phase) != NULL;
}

/* Checks the code of a message and returns its text: decoded, and a kubeconfig opened. */
static const char *message_text(const struct sim_vm *vm, const char *kind)
{
	char *copy =
		arena_strdup(&arena, shown(vm, arena_printf(&arena, "guestinfo.cse.%s", kind)));
	char *rest = NULL, mac[CRYPTO_SHA256_HEX];
	CLEANUP(secret_release)
	struct secret key = secret_new(KEY, strlen(KEY));
	size_t len;

	assert_string_equal(strtok_r(copy, " ", &rest), "v1");
	const char *seq = strtok_r(NULL, " ", &rest);
	const char *text = strtok_r(NULL, " ", &rest);
	const char *made = arena_printf(&arena, "%s|%s|%s|%s", kind, vm->name, seq, text);

	crypto_hmac_hex(mac, &key, made, strlen(made));
	assert_string_equal(strtok_r(NULL, " ", &rest), mac);
	const char *out = base64_decode(&arena, text, &len);
	struct error err;

	return out && str_eq(kind, "kubeconfig") ? crypto_unseal(&arena, &key, out, len, &len, &err)
						 : out;
}

static void a_cluster_comes_up(void **state)
{
	(void)state;
	guest_power_on(&sim, &machines[1]);
	ticks(TICKS);
	assert_true(phase_is(&machines[1], " join running "));
	assert_string_equal(shown(&machines[1], "guestinfo.cse.secret"), " ");
	guest_power_on(&sim, &machines[0]);
	ticks(TICKS);
	assert_true(phase_is(&machines[1], " join done "));
	assert_true(phase_is(&machines[0], " publish done "));
	const char *report = message_text(&machines[0], "report");

	assert_non_null(strstr(report, ",IP:" CONTROL_PLANE ",IP:" EXTERNAL "\n"));
	assert_non_null(strstr(report, "\nnodes=mstr-aaaa,node-bbbb\n"));
	assert_non_null(strstr(message_text(&machines[0], "kubeconfig"), "client-key-data: "));
	assert_int_equal(guests_process_count(&sim), 0);
}

static void a_power_cycle_publishes_again(void **state)
{
	(void)state;
	guest_power_on(&sim, &machines[0]);
	guest_power_on(&sim, &machines[1]);
	ticks(TICKS);
	for (size_t i = 0; i < 2; i++) {
		guest_power_off(&sim, &machines[i]);
		assert_string_equal(shown(&machines[i], "guestinfo.cse.phase"), "");
		extra_set(&sim, &machines[i], "guestinfo.cse.secret", "");
	}
	ticks(1);
	guest_power_on(&sim, &machines[0]);
	guest_power_on(&sim, &machines[1]);
	ticks(TICKS);
	assert_true(phase_is(&machines[0], " publish done "));
	assert_true(phase_is(&machines[1], " join done "));
	assert_true(str_starts(shown(&machines[1], "guestinfo.cse.phase"), "v1 7 "));
}

static void another_ca_or_token_never_joins(void **state)
{
	struct error err;
	struct crypto_ca other;

	(void)state;
	assert_int_equal(crypto_ca_make(&other, &arena, &err), 0);
	give_inputs(&machines[1], "worker", crypto_ca_hash(&arena, other.cert_pem, &err),
		"abcdef.0123456789abcdef");
	crypto_ca_release(&other);
	guest_power_on(&sim, &machines[0]);
	guest_power_on(&sim, &machines[1]);
	ticks(TICKS);
	assert_true(phase_is(&machines[0], " nodes running "));
	assert_true(phase_is(&machines[1], " join running "));
	guest_destroy(&sim, &machines[1]);
	ticks(1);
	give_inputs(&machines[1], "worker", crypto_ca_hash(&arena, ca.cert_pem, &err),
		"ffffff.0123456789abcdef");
	guest_power_on(&sim, &machines[1]);
	ticks(TICKS);
	assert_true(phase_is(&machines[1], " join running "));
}

static void a_false_ca_is_told(void **state)
{
	(void)state;
	give_inputs(&machines[0], "control-plane", "sha256:00", "abcdef.0123456789abcdef");
	guest_power_on(&sim, &machines[0]);
	ticks(TICKS);
	assert_true(phase_is(&machines[0], " init failed "));
	assert_non_null(strstr(message_text(&machines[0], "error"), "not the announced one"));
}

static void without_its_inputs_a_guest_is_silent(void **state)
{
	(void)state;
	extra_set(&sim, &machines[0], "guestinfo.cse.program", "");
	extra_set(&sim, &machines[1], "guestinfo.cse.secret", "");
	guest_power_on(&sim, &machines[0]);
	guest_power_on(&sim, &machines[1]);
	ticks(TICKS);
	assert_string_equal(shown(&machines[0], "guestinfo.cse.phase"), "");
	assert_string_equal(shown(&machines[1], "guestinfo.cse.phase"), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_cluster_comes_up, setup, teardown),
		cmocka_unit_test_setup_teardown(a_power_cycle_publishes_again, setup, teardown),
		cmocka_unit_test_setup_teardown(another_ca_or_token_never_joins, setup, teardown),
		cmocka_unit_test_setup_teardown(a_false_ca_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(
			without_its_inputs_a_guest_is_silent, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
