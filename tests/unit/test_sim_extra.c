/* SPDX-License-Identifier: MIT */
/* When VCD and a guest see which value of an ExtraConfig key. */
#include "tests/unit/unit.h"

#include "common/clock.h"
#include "common/str.h"
#include "tests/vcdsim/guest.h"

static struct sim sim;
static struct sim_vm vm;
static struct guest guest;

static int setup(void **state)
{
	(void)state;
	memset(&sim, 0, sizeof(sim));
	memset(&vm, 0, sizeof(vm));
	memset(&guest, 0, sizeof(guest));
	sim.options.extra_latency_ms = 60;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	extra_free(&vm);
	view_free(&guest);
	return 0;
}

/* The one value that VCD shows for a key; two would be a mistake. */
static const char *shown(const char *key)
{
	const char *found = NULL;

	for (const struct sim_extra *entry = vm.extra; entry; entry = entry->next) {
		const char *value = str_eq(entry->key, key) ? extra_shown(&vm, entry) : NULL;
		if (value) {
			assert_null(found);
			found = value;
		}
	}
	return str_or(found, "");
}

static void test_vcd_writes_are_seen_at_once(void **state)
{
	(void)state;
	extra_set(&sim, &vm, "a", "1");
	assert_string_equal(shown("a"), "1");
	extra_set(&sim, &vm, "a", "2");
	assert_string_equal(shown("a"), "2");
	extra_set(&sim, &vm, "a", "");
	assert_null(vm.extra);
}

static void test_guest_writes_are_seen_late(void **state)
{
	(void)state;
	extra_set(&sim, &vm, "guestinfo.a", "stored");
	extra_set_by_guest(&sim, &vm, "guestinfo.a", "first");
	assert_string_equal(shown("guestinfo.a"), "stored");
	clock_sleep_ms(40);
	extra_set_by_guest(&sim, &vm, "guestinfo.a", "second");
	assert_string_equal(shown("guestinfo.a"), "stored");
	clock_sleep_ms(30);
	/* A later write does not hold the earlier one back. */
	assert_string_equal(shown("guestinfo.a"), "first");
	clock_sleep_ms(40);
	assert_string_equal(shown("guestinfo.a"), "second");
}

static void test_power_off_forgets_what_the_guest_set(void **state)
{
	(void)state;
	sim.options.extra_latency_ms = 0;
	extra_set(&sim, &vm, "guestinfo.a", "stored");
	extra_set_by_guest(&sim, &vm, "guestinfo.a", " ");
	extra_set_by_guest(&sim, &vm, "guestinfo.b", "x");
	assert_string_equal(shown("guestinfo.a"), " ");
	extra_drop_guest(&vm);
	assert_string_equal(shown("guestinfo.a"), "stored");
	assert_string_equal(shown("guestinfo.b"), "");
}

static void test_vcd_overwrites_a_guest(void **state)
{
	(void)state;
	sim.options.extra_latency_ms = 0;
	extra_set_by_guest(&sim, &vm, "guestinfo.a", "x");
	extra_set_by_guest(&sim, &vm, "guestinfo.a", "y");
	extra_set(&sim, &vm, "guestinfo.a", "");
	assert_null(vm.extra);
}

static void test_a_guest_sees_guestinfo_only(void **state)
{
	(void)state;
	vm.guest = &guest;
	extra_set(&sim, &vm, "guestinfo.a", "1");
	extra_set(&sim, &vm, "cse.key", "secret");
	assert_string_equal(view_get(&guest, "guestinfo.a"), "1");
	assert_null(view_get(&guest, "cse.key"));
	view_load(&guest, &vm);
	assert_string_equal(view_get(&guest, "guestinfo.a"), "1");
	assert_null(view_get(&guest, "cse.key"));
	vm.guest = NULL;
}

static void test_a_running_guest_may_not_see_new_keys(void **state)
{
	(void)state;
	vm.guest = &guest;
	for (sim.options.extra_mode = 1; sim.options.extra_mode <= 2; sim.options.extra_mode++) {
		extra_set(&sim, &vm, "guestinfo.a", "1");
		assert_null(view_get(&guest, "guestinfo.a"));
		assert_string_equal(shown("guestinfo.a"), "1");
	}
	vm.guest = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_vcd_writes_are_seen_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_guest_writes_are_seen_late, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_power_off_forgets_what_the_guest_set, setup, teardown),
		cmocka_unit_test_setup_teardown(test_vcd_overwrites_a_guest, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_guest_sees_guestinfo_only, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_running_guest_may_not_see_new_keys, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
