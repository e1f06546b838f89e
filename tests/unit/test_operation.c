/* SPDX-License-Identifier: MIT */
#include "worker/operation.h"

#include "common/str.h"
#include "tests/unit/unit.h"
#include "worker/names.h"
#include "worker/schedule.h"

#define URN "urn:vcloud:entity:cse:nativeCluster:1.0.0:6e6f0c9a-5d2b-4b3e-8e9b-0f4b6f6e7a10"

static void message_survives(void **state)
{
	const struct operation_message in = {.id = "i",
		.operation = OPERATION_UPDATE,
		.cluster = URN,
		.task = "t",
		.pass = 3,
		.claimed = 2,
		.attempt = 1,
		.due = "2026-11-23T08:47:00.000Z",
		.request_id = "r",
		.user = "u",
		.org = "o"};
	struct operation_message out;
	struct arena arena = {0};
	struct error err;
	const char *text = operation_encode(&arena, &in);

	(void)state;
	assert_int_equal(operation_decode(&out, &arena, text, strlen(text), &err), 0);
	assert_string_equal(text, operation_encode(&arena, &out));
	assert_int_equal(out.pass, 3);
	assert_int_equal(out.claimed, 2);
	assert_int_equal(out.operation, OPERATION_UPDATE);
	arena_reset(&arena);
}

static void broken_messages_are_named(void **state)
{
	static const char good[] = "{\"version\":1,\"id\":\"i\",\"operation\":\"create\","
				   "\"cluster\":\"c\",\"task\":\"t\","
				   "\"pass\":1,\"attempt\":0,\"due\":\"d\",\"request_id\":\"r\","
				   "\"user\":\"u\",\"org\":\"o\"}";
	static const struct {
		const char *from, *to;
		enum err_code code;
	} rows[] = {
		{"\"version\":1", "\"version\":2", ERR_FORMAT},
		{"\"version\":1", "\"version\":\"1\"", ERR_INVALID},
		{"\"pass\":1", "\"pass\":0", ERR_INVALID},
		{"\"attempt\":0", "\"attempt\":-1", ERR_INVALID},
		{"\"create\"", "\"upgrade\"", ERR_INVALID},
		{"\"task\":\"t\"", "\"task\":7", ERR_INVALID},
		{"\"org\":\"o\"", "\"or\":\"o\"", ERR_INVALID},
		{"}", "", ERR_INVALID},
	};
	struct operation_message out;
	struct arena arena = {0};
	struct error err;

	(void)state;
	assert_int_equal(operation_decode(&out, &arena, good, strlen(good), &err), 0);
	assert_int_equal(out.claimed, 1); /* an older program's */
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *at = strstr(good, rows[i].from);
		const char *bad = arena_printf(&arena, "%.*s%s%s", (int)(at - good), good,
			rows[i].to, at + strlen(rows[i].from));

		assert_int_equal(operation_decode(&out, &arena, bad, strlen(bad), &err), -1);
		assert_int_equal(err.code, rows[i].code);
	}
	arena_reset(&arena);
}

static void names_are_derived_and_distinct(void **state)
{
	enum { WORKERS = 100 };
	const char *first[WORKERS + 1], *second[WORKERS + 1];
	struct arena arena = {0};
	enum role role;

	(void)state;
	vm_names(&arena, URN, "req-1", WORKERS, first);
	vm_names(&arena, URN, "req-1", WORKERS, second);
	for (size_t i = 0; i <= WORKERS; i++) {
		assert_string_equal(first[i], second[i]);
		assert_int_equal(strlen(first[i]), 9);
		assert_true(vm_role(first[i], &role));
		assert_int_equal(role, i ? ROLE_WORKER : ROLE_CONTROL_PLANE);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(first[i], first[j]);
	}
	/* A worker that comes later, and one whose name is taken, get other names. */
	vm_names(&arena, URN, "req-2", 1, second);
	assert_string_not_equal(first[1], second[1]);
	assert_string_not_equal(
		vm_name(&arena, URN, ROLE_WORKER, "req-1", 0, (const char *[]){first[1], NULL}),
		first[1]);
	assert_false(vm_role("other-x", &role));
	arena_reset(&arena);
}

static void cluster_names_are_checked(void **state)
{
	static const char *const good[] = {"a", "tkg1", "A-b-9", "abcdefghijklmnopqrstuvwxy"};
	static const char *const bad[] = {
		"", "1a", "-a", "a b", "a_b", "a.b", "abcdefghijklmnopqrstuvwxyz", "ü"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(cluster_name_valid(good[i]));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(cluster_name_valid(bad[i]));
}

static void delays_grow_with_trouble(void **state)
{
	static const struct {
		struct schedule schedule;
		int64_t delay_ms;
	} rows[] = {
		{{.wait_ms = 5000}, 5000},
		{{.wait_ms = 5000, .waited_ms = 60000}, 5000},
		{{.wait_ms = 5000, .waited_ms = 120000}, 10000},
		{{.wait_ms = 1000, .failures = 1}, 1000},
		{{.wait_ms = 1000, .failures = 3}, 9000},
		{{.wait_ms = 1000, .failures = INT64_MAX}, 60000},
		{{.wait_ms = 1000, .lag_ms = 20000}, 10000},
		{{.wait_ms = 15000, .lag_ms = 20000}, 15000},
		{{.waited_ms = -5000}, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(schedule_delay_ms(&rows[i].schedule, 60000), rows[i].delay_ms);
}

static void lag_is_smoothed(void **state)
{
	struct lag lag = {0};

	(void)state;
	lag_note(&lag, 8000);
	assert_int_equal(lag.average_ms, 1000);
	for (int i = 0; i < 100; i++)
		lag_note(&lag, 8000);
	assert_in_range(lag.average_ms, 7900, 8000);
	for (int i = 0; i < 100; i++)
		lag_note(&lag, -500); /* early is not late */
	assert_in_range(lag.average_ms, 0, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(message_survives),
		cmocka_unit_test(broken_messages_are_named),
		cmocka_unit_test(names_are_derived_and_distinct),
		cmocka_unit_test(cluster_names_are_checked),
		cmocka_unit_test(delays_grow_with_trouble),
		cmocka_unit_test(lag_is_smoothed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
