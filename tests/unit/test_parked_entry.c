/* SPDX-License-Identifier: MIT */
/* What the parked queue holds, as a person sees it: ours, the broker's, and anything else. */
#include "common/clock.h"
#include "common/str.h"
#include "tests/unit/unit.h"
#include "worker/park.h"
#include "worker/parked_entry.h"
#include "worker/topology.h"

#define OPERATION(id, cluster)                                                                     \
	"{\"version\":1,\"id\":\"" id "\",\"operation\":\"delete\",\"cluster\":\"" cluster         \
	"\",\"task\":\"t\",\"pass\":4,\"attempt\":2,\"due\":\"2026-01-01T00:00:00.000Z\","         \
	"\"request_id\":\"r\",\"user\":\"u\",\"org\":\"o\"}"

static struct arena arena;

static struct parked_entry read_bytes(const char *body, size_t len)
{
	struct delivery delivery = {.body = body, .body_len = len, .tag = 5, .returned = 2};
	struct parked_entry entry;

	parked_entry_read(&entry, &arena, &delivery);
	assert_int_equal(entry.tag, 5);
	assert_int_equal(entry.returned, 2);
	return entry;
}

static struct parked_entry read_text(const char *body)
{
	return read_bytes(body, strlen(body));
}

static void what_the_broker_moved_gets_a_record(void **state)
{
	struct delivery delivery = {.body = OPERATION("m-1", "c"),
		.body_len = strlen(OPERATION("m-1", "c")),
		.dead_reason = "delivery_limit",
		.dead_ms = 1767225600000};
	struct parked_entry entry, again;

	(void)state;
	parked_entry_read(&entry, &arena, &delivery);
	assert_string_equal(entry.kind, "operation");
	assert_string_equal(entry.id, "m-1");
	assert_string_equal(entry.time, "2026-01-01T00:00:00.000Z");
	assert_string_equal(entry.reason, "the broker gave it up: delivery_limit");
	assert_string_equal(entry.what, "delete of c, task t, pass 4");
	assert_true(entry.retryable);
	/* Published anew it is the same to see, without the broker's headers. */
	again = read_bytes(entry.content, entry.content_len);
	assert_string_equal(again.id, entry.id);
	assert_string_equal(again.time, entry.time);
	assert_string_equal(again.reason, entry.reason);
	assert_true(again.retryable);
}

static void a_retry_is_the_next_pass_and_no_lag(void **state)
{
	struct parked_entry entry = read_text(OPERATION("m-1", "c"));
	struct operation_message next, decoded;
	struct error err;
	const char *text;

	(void)state;
	parked_entry_next(&next, &arena, &entry);
	assert_int_equal(next.pass, 5);
	assert_int_equal(next.attempt, 0);
	assert_string_not_equal(next.id, "m-1");
	text = operation_encode(&arena, &next);
	assert_int_equal(operation_decode(&decoded, &arena, text, strlen(text), &err), 0);
	assert_string_equal(decoded.due, "");
	assert_string_equal(decoded.cluster, "c");
}

static void anything_else_is_unknown_and_not_shown(void **state)
{
	static const char *const bodies[] = {"", "hidden", "[\"hidden\"]", "7", "{}", "null",
		"{\"kind\":\"request\",\"x\":\"hidden\"}",
		"{\"version\":2,\"kind\":\"request\",\"x\":\"hidden\"}",
		"{\"version\":1,\"kind\":\"hidden\"}"};
	const struct delivery large = {.body = "", .too_large = true};
	struct parked_entry entry;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		entry = read_text(bodies[i]);
		assert_string_equal(entry.kind, "unknown");
		assert_false(entry.retryable);
		assert_null(strstr(entry.record, "hidden"));
		assert_null(strstr(entry.what, "hidden"));
		assert_int_equal(entry.content_len, strlen(bodies[i]));
	}
	assert_string_equal(read_bytes("a\0b", 3).kind, "unknown");
	parked_entry_read(&entry, &arena, &large);
	assert_null(entry.content);
}

static void records_with_odd_members_are_listed(void **state)
{
	static const char *const bodies[] = {
		"{\"version\":1,\"kind\":\"request\"}",
		"{\"version\":1,\"kind\":\"request\",\"time\":7,\"id\":{},\"reason\":null}",
		"{\"version\":1,\"kind\":\"operation\"}",
		"{\"version\":1,\"kind\":\"operation\",\"message\":\"x\"}",
		"{\"version\":1,\"kind\":\"operation\",\"message\":{\"version\":9}}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		struct parked_entry entry = read_text(bodies[i]);

		assert_string_not_equal(entry.kind, "unknown");
		assert_false(entry.retryable);
		assert_string_equal(entry.time, "");
		assert_int_equal(strlen(entry.id), 16);
	}
}

static void nothing_acts_on_a_terminal(void **state)
{
	struct parked_entry entry = read_text(OPERATION("\\u001b[2J", "\\u0007\\u009b31m\\u007f"));

	(void)state;
	assert_true(entry.retryable);
	for (const char *text = entry.what; *text; text++)
		assert_true((unsigned char)*text >= ' ' && *text != 0x7f);
	assert_null(strstr(entry.what, "\xc2\x9b"));
	assert_null(strchr(entry.id, '\x1b'));
}

static void time_goes_on_when_it_is_published_anew(void **state)
{
	CLEANUP(json_release)
	struct json_object *record = park_record_new("request", 1767225600000, "x");
	struct parked_entry entry = read_text(json_text(&arena, record));
	const int64_t parked = 1767225600000;

	(void)state;
	assert_int_equal(parked_entry_life_ms(&entry, parked + 5000), TOPOLOGY_PARKED_MS - 5000);
	assert_int_equal(parked_entry_life_ms(&entry, parked + TOPOLOGY_PARKED_MS), 1);
	assert_int_equal(parked_entry_life_ms(&entry, parked + 9 * TOPOLOGY_PARKED_MS), 1);
	/* A clock that is wrong keeps it too long rather than not at all. */
	assert_int_equal(parked_entry_life_ms(&entry, parked - 5000), TOPOLOGY_PARKED_MS);
	entry.time = "";
	assert_int_equal(parked_entry_life_ms(&entry, parked), TOPOLOGY_PARKED_MS);
}

static int stop(void **state)
{
	(void)state;
	arena_reset(&arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_broker_moved_gets_a_record),
		cmocka_unit_test(a_retry_is_the_next_pass_and_no_lag),
		cmocka_unit_test(anything_else_is_unknown_and_not_shown),
		cmocka_unit_test(records_with_odd_members_are_listed),
		cmocka_unit_test(nothing_acts_on_a_terminal),
		cmocka_unit_test(time_goes_on_when_it_is_published_anew),
	};

	return cmocka_run_group_tests(tests, NULL, stop);
}
