/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "common/json.h"
#include "common/str.h"
#include "tests/vcdsim/calls.h"

static struct sim sim;

static int make(void **state)
{
	(void)state;
	sim.calls = calls_new();
	return 0;
}

static int drop(void **state)
{
	(void)state;
	calls_free(sim.calls);
	sim.calls = NULL;
	return 0;
}

static bool hits_body(const char *method, const char *path, const char *body)
{
	const struct sim_call call = {method, path, "cse-worker/1", body, "0a1b-2"};
	struct sim_fault_hit hit;

	return calls_fault(&sim, &call, &hit);
}

static bool hits(const char *method, const char *path)
{
	return hits_body(method, path, NULL);
}

static void order_fault(const char *text)
{
	struct error err;
	CLEANUP(json_release)
	struct json_object *order = json_parse(text, strlen(text), 4, &err);

	assert_int_equal(faults_add(&sim, order, &err), 0);
}

static int64_t count_of(const char *path)
{
	CLEANUP(json_release)
	struct json_object *calls = calls_json(&sim);
	struct json_object *number;

	return json_object_object_get_ex(json_at(calls, "counts"), path, &number)
		       ? json_object_get_int64(number)
		       : 0;
}

static void counts_calls_of_a_kind_together(void **state)
{
	(void)state;
	calls_log(&sim, "GET", "/api/vApp/vapp-0a0a0a0a-0000-4000-8000-000000000001?x=1", 200, "a",
		"");
	calls_log(&sim, "GET", "/api/vApp/vapp-0a0a0a0a-0000-4000-8000-000000000002", 200, "a", "");
	calls_log(
		&sim, "POST", "/api/vApp/vapp-0a0a0a0a-0000-4000-8000-000000000002", 200, "b", "");
	assert_int_equal(count_of("GET /api/vApp/{id}"), 2);
	assert_int_equal(count_of("POST /api/vApp/{id}"), 1);
	calls_reset(&sim);
	assert_int_equal(count_of("GET /api/vApp/{id}"), 0);
}

static void faults_hit_the_call_they_were_ordered_for(void **state)
{
	(void)state;
	assert_false(hits("GET", "/api/x"));
	order_fault("{\"method\":\"GET\",\"path_prefix\":\"/api/x\",\"nth\":2,\"status\":503}");
	assert_false(hits("POST", "/api/x"));
	assert_false(hits("GET", "/api/y"));
	assert_false(hits("GET", "/api/x/1"));
	assert_true(hits("GET", "/api/x/2"));
	assert_false(hits("GET", "/api/x/3"));
	order_fault("{\"path_prefix\":\"/api/z\",\"times\":0,\"reset\":true}");
	assert_true(hits("GET", "/api/z"));
	assert_true(hits("PUT", "/api/z"));
	order_fault("{\"agent\":\"vcd-cli\",\"status\":500}");
	assert_false(hits("GET", "/api/other"));
	faults_clear(&sim);
	assert_false(hits("GET", "/api/z"));
	order_fault("{\"body\":\"of mine\"}");
	assert_false(hits("POST", "/api/z"));
	assert_false(hits_body("POST", "/api/z", "a rule of yours"));
	assert_true(hits_body("POST", "/api/z", "a rule of mine"));
	order_fault("{\"request\":\"0a1b\",\"path\":\"/api/r\"}");
	assert_true(hits("GET", "/api/r"));
	order_fault("{\"request\":\"0a1c\",\"path\":\"/api/r\"}");
	assert_false(hits("GET", "/api/r"));
}

static void faults_on_writes_leave_reads_and_logins_alone(void **state)
{
	(void)state;
	order_fault("{\"writes\":true,\"times\":0,\"status\":503}");
	assert_false(hits("GET", "/api/vApp/vapp-1"));
	assert_false(hits("POST", "/cloudapi/1.0.0/sessions/provider"));
	assert_false(hits("POST", "/api/sessions"));
	assert_true(hits("POST", "/api/tasksList/1"));
	assert_true(hits("PUT", "/cloudapi/1.0.0/entities/1"));
	assert_true(hits("DELETE", "/api/vApp/vapp-1"));
	CLEANUP(json_release)
	struct json_object *faults = faults_json(&sim);
	struct json_object *fault = json_object_array_get_idx(faults, 0);

	assert_int_equal(json_int(fault, "seen", 0), 3);
	assert_int_equal(json_int(fault, "hits", 0), 3);
}

static void unknown_members_of_a_fault_are_refused(void **state)
{
	struct error err;
	CLEANUP(json_release)
	struct json_object *order = json_object_new_object();

	(void)state;
	json_set_int(order, "statsu", 500);
	assert_int_equal(faults_add(&sim, order, &err), -1);
	assert_non_null(strstr(err.msg, "statsu"));
}

static void parallel_times_count_once(void **state)
{
	(void)state;
	path_add(&sim, "boot", 100);
	path_add(&sim, "boot", 300);
	path_add(&sim, "boot", 200);
	path_add(&sim, "clone", 50);
	CLEANUP(json_release)
	struct json_object *path = path_json(&sim);

	assert_int_equal(json_int(path, "total_ms", 0), 350);
	assert_int_equal(json_int(path, "items.boot", 0), 300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(counts_calls_of_a_kind_together, make, drop),
		cmocka_unit_test_setup_teardown(
			faults_hit_the_call_they_were_ordered_for, make, drop),
		cmocka_unit_test_setup_teardown(
			faults_on_writes_leave_reads_and_logins_alone, make, drop),
		cmocka_unit_test_setup_teardown(unknown_members_of_a_fault_are_refused, make, drop),
		cmocka_unit_test_setup_teardown(parallel_times_count_once, make, drop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
