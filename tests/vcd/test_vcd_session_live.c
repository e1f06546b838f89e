/* SPDX-License-Identifier: MIT */
/* The service session, limits and failures of calls, against a running simulator. */
#include "tests/vcd/live.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/str.h"
#include "worker/vcd/org.h"
#include "worker/vcd/task.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { CALL_MS = 20000, THREADS = 8 };

#define LOGIN "/cloudapi/1.0.0/sessions/provider"

/* One thread's client with a service session of its own. */
struct client {
	struct config config;
	struct vcd_shared *shared;
	struct vcd *vcd;
	struct arena arena;
};

static void open_client(struct client *client, const char *password, const char *password_file)
{
	*client = (struct client){.config = live_config(password, password_file)};
	client->shared = vcd_shared_new(&client->config);
	client->vcd = vcd_new(client->shared, NULL, NULL);
	vcd_begin(client->vcd, &client->arena, clock_ms() + CALL_MS, clock_ms() + CALL_MS);
}

static void close_client(struct client *client)
{
	vcd_free(&client->vcd);
	vcd_shared_free(&client->shared);
	secret_release(&client->config.vcd_password);
	arena_reset(&client->arena);
}

static void forget_calls(void)
{
	json_object_put(live_admin("POST", "/calls/reset", ""));
}

/* How often the worker called this since forget_calls(). */
static int count_calls(const char *method, const char *path)
{
	CLEANUP(json_release)
	struct json_object *log = live_admin("GET", "/calls", "");
	struct json_object *calls = json_at(log, "log");
	int count = 0;

	assert_true(json_object_is_type(calls, json_type_array));
	for (size_t i = 0; i < json_object_array_length(calls); i++) {
		struct json_object *call = json_object_array_get_idx(calls, i);

		count += str_eq(json_str(call, "method", ""), method) &&
			 str_starts(json_str(call, "path", ""), path) &&
			 str_starts(json_str(call, "agent", ""), "cse-worker/");
	}
	return count;
}

static void order_fault(const char *fault)
{
	json_object_put(live_admin("POST", "/faults", fault));
}

static int read_org(struct client *client, struct error *err)
{
	const char *uuid;

	return vcd_org_find(client->vcd, VCD_SERVICE, "tenant1", &uuid, err);
}

static int end_test(void **state)
{
	(void)state;
	json_object_put(live_admin("DELETE", "/faults", ""));
	return 0;
}

static void test_session_is_made_once_and_ended(void **state)
{
	struct client client;
	struct error err;

	(void)state;
	forget_calls();
	open_client(&client, "svc-password", NULL);
	OK(read_org(&client, &err));
	OK(read_org(&client, &err));
	assert_int_equal(vcd_calls(client.vcd), 3);
	close_client(&client);
	assert_int_equal(count_calls("POST", LOGIN), 1);
	assert_int_equal(count_calls("DELETE", "/api/session"), 1);
}

/* The message of a refused token: a new login, and the call once more. */
static void test_lost_session_is_renewed_once(void **state)
{
	struct client client;
	struct error err;

	(void)state;
	open_client(&client, "svc-password", NULL);
	OK(read_org(&client, &err));
	forget_calls();
	order_fault("{\"method\":\"GET\",\"path_prefix\":\"/api/query\",\"status\":401}");
	OK(read_org(&client, &err));
	assert_int_equal(count_calls("POST", LOGIN), 1);
	/* Twice in a row is not the session's fault: no third try, and not the caller's 401. */
	order_fault(
		"{\"method\":\"GET\",\"path_prefix\":\"/api/query\",\"status\":401,\"times\":2}");
	forget_calls();
	FAILS(read_org(&client, &err), ERR_TRANSIENT);
	assert_int_equal(count_calls("GET", "/api/query"), 2);
	OK(read_org(&client, &err));
	close_client(&client);
}

static void test_refused_password_is_read_again_once(void **state)
{
	char path[] = "/tmp/vcd-password.XXXXXX";
	CLEANUP(close_fd)
	int fd = mkstemp(path);
	struct client client;
	struct error err;

	(void)state;
	assert_true(write(fd, "svc-password\n", 13) == 13);
	forget_calls();
	open_client(&client, "old-password", path);
	OK(read_org(&client, &err));
	assert_int_equal(count_calls("POST", LOGIN), 2);
	close_client(&client);
	unlink(path);
}

/* VCD locks accounts: after a refusal nobody tries again at once. */
static void test_refused_login_pauses(void **state)
{
	struct client client;
	struct error err;

	(void)state;
	forget_calls();
	open_client(&client, "wrong", NULL);
	FAILS(read_org(&client, &err), ERR_TRANSIENT);
	assert_non_null(strstr(err.msg, "VCD refuses the worker's own user or its password"));
	assert_null(strstr(err.msg, "wrong"));
	FAILS(read_org(&client, &err), ERR_TRANSIENT);
	assert_int_equal(count_calls("POST", LOGIN), 1);
	close_client(&client);
}

struct thread_case {
	pthread_t thread;
	struct vcd_shared *shared;
	int result;
	struct error err;
};

static void *run_thread(void *data)
{
	struct thread_case *own = data;
	struct vcd *vcd = vcd_new(own->shared, NULL, NULL);
	struct arena arena = {0};
	const char *uuid;

	vcd_begin(vcd, &arena, clock_ms() + CALL_MS, clock_ms() + CALL_MS);
	own->result = vcd_org_find(vcd, VCD_SERVICE, "tenant1", &uuid, &own->err);
	vcd_free(&vcd);
	arena_reset(&arena);
	return NULL;
}

static void run_threads(struct vcd_shared *shared, struct thread_case cases[THREADS])
{
	for (int i = 0; i < THREADS; i++) {
		cases[i] = (struct thread_case){.shared = shared};
		pthread_create(&cases[i].thread, NULL, run_thread, &cases[i]);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(cases[i].thread, NULL);
}

static void test_threads_share_one_login(void **state)
{
	struct thread_case cases[THREADS];
	struct client client;

	(void)state;
	open_client(&client, "svc-password", NULL);
	forget_calls();
	order_fault("{\"method\":\"POST\",\"path_prefix\":\"" LOGIN "\",\"delay_ms\":500}");
	run_threads(client.shared, cases);
	for (int i = 0; i < THREADS; i++) {
		if (cases[i].result != 0)
			fail_msg("%s", cases[i].err.msg);
	}
	assert_int_equal(count_calls("POST", LOGIN), 1);
	close_client(&client);
}

static void test_failed_login_fails_all_waiters_at_once(void **state)
{
	struct thread_case cases[THREADS];
	struct client client;
	int64_t start = clock_ms();

	(void)state;
	open_client(&client, "wrong", NULL);
	forget_calls();
	order_fault("{\"method\":\"POST\",\"path_prefix\":\"" LOGIN "\",\"delay_ms\":500,"
		    "\"status\":401}");
	run_threads(client.shared, cases);
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(cases[i].result, -1);
		assert_int_equal(cases[i].err.code, ERR_TRANSIENT);
	}
	assert_int_equal(count_calls("POST", LOGIN), 1);
	assert_true(clock_ms() - start < 5000);
	close_client(&client);
}

static void test_nothing_starts_when_time_is_up(void **state)
{
	struct client client;
	struct vcd_task task;
	struct vcd_task_write write = {.operation = "x", .details = "y", .progress = -1};
	struct error err;

	(void)state;
	open_client(&client, "svc-password", NULL);
	OK(read_org(&client, &err));
	vcd_begin(client.vcd, &client.arena, clock_ms() + CALL_MS, clock_ms());
	OK(read_org(&client, &err));
	FAILS(vcd_task_create(client.vcd, "o", "o", "u", "u", &write, &task, &err), ERR_TRANSIENT);
	assert_int_equal(vcd_calls(client.vcd), 1);
	vcd_begin(client.vcd, &client.arena, clock_ms(), clock_ms());
	FAILS(read_org(&client, &err), ERR_TRANSIENT);
	assert_int_equal(vcd_calls(client.vcd), 0);
	close_client(&client);
}

/* A login is needed for reading too: the limit on changes must not stop it. */
static void test_login_is_no_change(void **state)
{
	struct client client;
	struct error err;

	(void)state;
	open_client(&client, "svc-password", NULL);
	vcd_begin(client.vcd, &client.arena, clock_ms() + CALL_MS, clock_ms());
	OK(read_org(&client, &err));
	close_client(&client);
}

static void test_answers_have_classes(void **state)
{
	static const struct {
		const char *fault;
		enum err_code code;
	} rows[] = {
		{"\"status\":503,\"times\":2", ERR_TRANSIENT},
		{"\"status\":429", ERR_TRANSIENT},
		{"\"status\":400,\"minor\":\"BUSY_ENTITY\",\"message\":\"m\"", ERR_BUSY},
		{"\"status\":400,\"minor\":\"BAD_REQUEST\",\"message\":\"m\"", ERR_INVALID},
		{"\"status\":403,\"minor\":\"ACCESS_TO_RESOURCE_IS_FORBIDDEN\",\"message\":\"m\"",
			ERR_DENIED},
		{"\"reset\":true,\"times\":6", ERR_TRANSIENT},
	};
	struct client client;
	struct error err;

	(void)state;
	open_client(&client, "svc-password", NULL);
	OK(read_org(&client, &err));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		order_fault(arena_printf(&client.arena,
			"{\"method\":\"GET\",\"path_prefix\":\"/api/query\",%s}", rows[i].fault));
		FAILS(read_org(&client, &err), rows[i].code);
		json_object_put(live_admin("DELETE", "/faults", ""));
	}
	close_client(&client);
}

static int ticks;

static bool count_tick(void *data)
{
	(void)data;
	ticks++;
	return true;
}

static bool stop_tick(void *data)
{
	(void)data;
	return false;
}

/* Only what changes nothing: of a write nobody knows whether it was done. */
static void test_a_read_is_sent_once_more(void **state)
{
	struct client client;
	struct vcd_task_write write = {.operation = "o", .status = TASK_RUNNING, .details = ""};
	struct vcd_task task;
	struct error err;

	(void)state;
	open_client(&client, "svc-password", NULL);
	OK(read_org(&client, &err));
	forget_calls();
	order_fault("{\"method\":\"GET\",\"path_prefix\":\"/api/query\",\"status\":503}");
	OK(read_org(&client, &err));
	assert_int_equal(count_calls("GET", "/api/query"), 2);
	order_fault("{\"method\":\"POST\",\"status\":503}");
	FAILS(vcd_task_create(client.vcd, "o", "o", "u", "u", &write, &task, &err), ERR_TRANSIENT);
	assert_int_equal(count_calls("POST", "/api/"), 1);
	json_object_put(live_admin("DELETE", "/faults", ""));
	close_client(&client);
}

static void test_waiting_ticks_and_can_be_stopped(void **state)
{
	struct client client;
	struct error err;

	(void)state;
	open_client(&client, "svc-password", NULL);
	OK(read_org(&client, &err));
	vcd_free(&client.vcd);
	client.vcd = vcd_new(client.shared, count_tick, NULL);
	vcd_begin(client.vcd, &client.arena, clock_ms() + CALL_MS, clock_ms() + CALL_MS);
	order_fault("{\"method\":\"GET\",\"path_prefix\":\"/api/query\",\"delay_ms\":600}");
	OK(read_org(&client, &err));
	assert_true(ticks > 0);
	vcd_free(&client.vcd);
	client.vcd = vcd_new(client.shared, stop_tick, NULL);
	vcd_begin(client.vcd, &client.arena, clock_ms() + CALL_MS, clock_ms() + CALL_MS);
	FAILS(read_org(&client, &err), ERR_TRANSIENT);
	close_client(&client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_session_is_made_once_and_ended, end_test),
		cmocka_unit_test_teardown(test_lost_session_is_renewed_once, end_test),
		cmocka_unit_test_teardown(test_refused_password_is_read_again_once, end_test),
		cmocka_unit_test_teardown(test_refused_login_pauses, end_test),
		cmocka_unit_test_teardown(test_threads_share_one_login, end_test),
		cmocka_unit_test_teardown(test_failed_login_fails_all_waiters_at_once, end_test),
		cmocka_unit_test_teardown(test_nothing_starts_when_time_is_up, end_test),
		cmocka_unit_test_teardown(test_login_is_no_change, end_test),
		cmocka_unit_test_teardown(test_answers_have_classes, end_test),
		cmocka_unit_test_teardown(test_a_read_is_sent_once_more, end_test),
		cmocka_unit_test_teardown(test_waiting_ticks_and_can_be_stopped, end_test),
	};

	if (!live_start()) {
		puts("skipped: no simulator (run tests/vcd/live.sh)");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
