/* SPDX-License-Identifier: MIT */
/* Seed, rights, tasks, locks and pools of the simulator. */
#include "tests/unit/unit.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/str.h"
#include "tests/vcdsim/http.h"
#include "tests/vcdsim/objects.h"
#include "tests/vcdsim/session.h"

#include <stdlib.h>

static struct sim sim;

static int load(void **state)
{
	struct error err;

	(void)state;
	memset(&sim, 0, sizeof(sim));
	assert_int_equal(state_load(&sim, CSE_SOURCE_DIR "/tests/vcdsim/seed.json", &err), 0);
	sim.base_url = "https://127.0.0.1:1";
	return 0;
}

static int drop(void **state)
{
	(void)state;
	state_free(&sim);
	return 0;
}

static struct sim_user *user_named(const char *name)
{
	for (struct sim_user *user = sim.users; user != NULL; user = user->next) {
		if (str_eq(user->name, name))
			return user;
	}
	fail_msg("no user %s", name);
	return NULL;
}

static void every_route_right_is_somebodys(void **state)
{
	static const struct sim_route *const tables[] = {auth_routes, legacy_routes, vapp_routes,
		task_routes, cloudapi_routes, entity_routes, edge_routes, extension_routes};
	struct sim_session *root = session_new(&sim, user_named("administrator"));

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		for (const struct sim_route *row = tables[i]; row->method != NULL; row++) {
			if (row->right != NULL && !session_has_right(root, row->right))
				fail_msg("nobody has '%s' of %s", row->right, row->path);
		}
	}
}

static void roles_differ_as_the_tests_need(void **state)
{
	struct sim_session *alice = session_new(&sim, user_named("alice"));
	struct sim_session *bob = session_new(&sim, user_named("bob"));
	struct sim_session *carol = session_new(&sim, user_named("carol"));
	struct sim_session *service = session_new(&sim, user_named("svc-cse"));

	(void)state;
	assert_true(session_has_right(alice, "Organization vDC Gateway: Configure NAT"));
	assert_false(session_has_right(carol, "Organization vDC Gateway: Configure NAT"));
	assert_true(session_has_right(carol, "vApp: Create / Reconfigure"));
	assert_false(session_has_right(bob, "vApp: Create / Reconfigure"));
	assert_true(session_has_right(service, "Task: Update"));
	assert_false(session_has_right(alice, "Task: Update"));
	assert_true(session_sees_extra(service));
	assert_false(session_sees_extra(alice));
	assert_true(session_is_system(service));
	assert_false(session_sees_org(alice, find_org_named(&sim, "tenant2")));
	assert_true(session_sees_org(service, find_org_named(&sim, "tenant2")));
}

static void count_end(struct sim *unused, struct sim_task *task)
{
	(void)unused;
	(*(int *)task->object)++;
}

static void fail_end(struct sim *unused, struct sim_task *task)
{
	(void)unused;
	task_fail(task, "BAD_REQUEST", "first %d", 1);
	task_fail(task, "BAD_REQUEST", "second");
}

static void tasks_end_once_and_free_their_locks(void **state)
{
	int ends = 0;
	struct arena arena = {0};
	struct sim_task *task =
		task_start(&sim, NULL, "vdcRecomposeVapp", "x", 3600000, count_end, &ends);

	(void)state;
	task->locks[0] = "aaaa";
	assert_string_equal(task->status, "queued");
	tasks_tick(&sim);
	assert_string_equal(task->status, "running");
	assert_ptr_equal(lock_holder(&sim, "aaaa"), task);
	assert_null(lock_holder(&sim, "bbbb"));
	const char *text = lock_busy_text(&sim, &arena, "vapp", "urn:vcloud:vapp:aaaa");

	assert_null(text); /* locks are held by the name they were given */
	text = lock_busy_text(&sim, &arena, "vapp", "aaaa");
	assert_non_null(strstr(text, "com.vmware.vcloud.entity.vapp:aaaa is busy completing an "
				     "operation VDC_RECOMPOSE_VAPP."));
	task->due_ms = clock_ms() - 1;
	tasks_tick(&sim);
	tasks_tick(&sim);
	task_finish(&sim, task);
	assert_int_equal(ends, 1);
	assert_string_equal(task->status, "success");
	assert_null(lock_holder(&sim, "aaaa"));
	arena_reset(&arena);
}

static void a_failed_task_shows_its_first_cause(void **state)
{
	struct sim_task *task = task_start(&sim, NULL, "x", "x", 0, fail_end, NULL);

	(void)state;
	tasks_tick(&sim);
	assert_string_equal(task->status, "error");
	assert_string_equal(task->error_message, "first 1");
	assert_true(task_is_final(task));
}

static void endless_and_external_tasks_do_not_end_by_themselves(void **state)
{
	struct sim_task *endless = task_start(&sim, NULL, "x", "x", -1, NULL, NULL);
	struct sim_task *external = task_start(&sim, NULL, "x", "x", 0, NULL, NULL);

	(void)state;
	external->external = true;
	tasks_tick(&sim);
	tasks_tick(&sim);
	assert_false(task_is_final(endless));
	assert_false(task_is_final(external));
}

static void pools_give_each_address_once(void **state)
{
	const char *network =
		str_urn_uuid(json_str(json_object_array_get_idx(sim.networks, 0), "id", ""));
	struct sim_vapp *vapp = xcalloc(1, sizeof(*vapp));
	char spare[16];
	int given = 0;

	(void)state;
	vapp->vdc = sim.vdcs;
	memcpy(vapp->network_uuid, network, SIM_ID);
	sim.vapps = vapp;
	for (;;) {
		struct sim_vm *vm = xcalloc(1, sizeof(*vm));

		vm->vapp = vapp;
		vm->next = vapp->vms;
		vapp->vms = vm;
		if (!pool_take(&sim, network, vm->ip))
			break;
		given++;
	}
	assert_int_equal(given, 90); /* .10 to .99 of the seed */
	assert_string_equal(vapp->vms->ip, "");
	vm_free(&sim, vapp->vms->next);
	assert_true(pool_take(&sim, network, spare));
	assert_string_equal(spare, "127.50.0.99");
	assert_false(pool_take(&sim, "no-such-network", spare));
}

static void rights_have_stable_ids(void **state)
{
	char first[64], again[64], other[64];

	(void)state;
	right_id("vApp: Delete", first);
	right_id("vApp: Delete", again);
	right_id("vApp: Deletf", other);
	assert_string_equal(first, again);
	assert_string_not_equal(first, other);
	assert_int_equal(strlen(first), strlen("urn:vcloud:right:") + 36);
}

static void a_wrong_seed_is_named(void **state)
{
	struct sim other = {0};
	struct error err;

	(void)state;
	assert_int_equal(state_load(&other, "/nonexistent/seed.json", &err), -1);
	assert_non_null(strstr(err.msg, "/nonexistent/seed.json"));
	state_free(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_route_right_is_somebodys, load, drop),
		cmocka_unit_test_setup_teardown(roles_differ_as_the_tests_need, load, drop),
		cmocka_unit_test_setup_teardown(tasks_end_once_and_free_their_locks, load, drop),
		cmocka_unit_test_setup_teardown(a_failed_task_shows_its_first_cause, load, drop),
		cmocka_unit_test_setup_teardown(
			endless_and_external_tasks_do_not_end_by_themselves, load, drop),
		cmocka_unit_test_setup_teardown(pools_give_each_address_once, load, drop),
		cmocka_unit_test(rights_have_stable_ids),
		cmocka_unit_test(a_wrong_seed_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
