/* SPDX-License-Identifier: MIT */
/* The checks' machinery on rows of the test's own, and what is read out of a broker's refusals. */
#include "common/amqp_look.h"
#include "common/mem.h"
#include "common/str.h"
#include "tests/unit/unit.h"
#include "worker/check/row.h"

#include <stdlib.h>
#include <unistd.h>

static void is_ok(struct check *check)
{
	check_add(check, CHECK_OK, "thing", "", "fine");
}

static void is_warn(struct check *check)
{
	check_add(check, CHECK_WARN, "thing", "mend it", "old");
}

static void is_fail(struct check *check)
{
	check_add(check, CHECK_OK, "one", "", "fine");
	check_add(check, CHECK_FAIL, "two", "mend it", "broken");
}

static void finds_nothing(struct check *check)
{
	(void)check;
}

static void hangs(struct check *check)
{
	(void)check;
	for (;;)
		pause();
}

#define ROW(name_, needs_, group_, limit_ms_, always_, run_)                                       \
	{                                                                                          \
		.name = (name_), .needs = (needs_), .group = (group_), .limit_ms = (limit_ms_),    \
		.always = (always_), .run = (run_)                                                 \
	}

static void count_done(const struct check *check, void *data)
{
	(void)check;
	++*(size_t *)data;
}

/* Runs rows and compares the worst result of each. */
static void assert_results(const struct check_row *rows, const enum check_result *expected,
	size_t count, bool extra, size_t expected_done, bool all_back)
{
	struct check *checks[8] = {NULL};
	size_t done = 0;

	assert_true(count <= ARRAY_LEN(checks));
	assert_int_equal(
		check_rows_run(checks, rows, count, NULL, extra, count_done, &done), all_back);
	assert_int_equal(done, expected_done);
	for (size_t i = 0; i < count; i++) {
		if (check_worst(checks[i]) != expected[i])
			fail_msg("%s is %s", rows[i].name,
				check_result_name(check_worst(checks[i])));
		check_free(&checks[i]);
	}
}

static void what_stands_on_a_failure_is_skipped_and_never_ok(void **state)
{
	static const struct check_row rows[] = {
		ROW("a", "", CHECK_LOCAL, 1000, true, is_ok),
		ROW("b", "a", CHECK_LOCAL, 1000, true, is_fail),
		ROW("c", "a", CHECK_LOCAL, 1000, true, is_warn),
		ROW("d", "a b", CHECK_LOCAL, 1000, true, is_ok),
		ROW("e", "d", CHECK_LOCAL, 1000, true, is_ok),
		ROW("f", "c", CHECK_LOCAL, 1000, true, finds_nothing),
	};
	static const enum check_result expected[] = {
		CHECK_OK, CHECK_FAIL, CHECK_WARN, CHECK_SKIPPED, CHECK_SKIPPED, CHECK_OK};

	(void)state;
	assert_results(rows, expected, ARRAY_LEN(rows), false, ARRAY_LEN(rows), true);
}

static void extra_rows_run_when_asked_for(void **state)
{
	static const struct check_row rows[] = {
		ROW("a", "", CHECK_LOCAL, 1000, true, is_ok),
		ROW("b", "", CHECK_LOCAL, 1000, false, is_warn),
	};
	static const enum check_result without[] = {CHECK_OK, CHECK_OK};
	static const enum check_result with[] = {CHECK_OK, CHECK_WARN};

	(void)state;
	assert_results(rows, without, ARRAY_LEN(rows), false, 1, true);
	assert_results(rows, with, ARRAY_LEN(rows), true, 2, true);
}

static void a_row_that_hangs_ends_its_group_only(void **state)
{
	static const struct check_row rows[] = {
		ROW("a", "", CHECK_BROKER, 10, true, hangs),
		ROW("b", "", CHECK_BROKER, 1000, true, is_ok),
		ROW("c", "", CHECK_VCD, 1000, true, is_ok),
		ROW("d", "a", CHECK_VCD, 1000, true, is_ok),
	};
	static const enum check_result expected[] = {
		CHECK_FAIL, CHECK_SKIPPED, CHECK_OK, CHECK_SKIPPED};

	(void)state;
	assert_results(rows, expected, ARRAY_LEN(rows), false, ARRAY_LEN(rows), false);
}

static void the_table_is_in_order(void **state)
{
	(void)state;
	for (size_t i = 0; i < check_row_count; i++) {
		const char *rest = *check_rows[i].needs ? check_rows[i].needs : NULL;
		const char *start;
		size_t len;

		assert_true(check_rows[i].limit_ms > 0);
		while ((start = str_next(&rest, ' ', &len))) {
			bool known = false;

			for (size_t j = 0; j < i; j++)
				known = known ||
					(strlen(check_rows[j].name) == len &&
						memcmp(check_rows[j].name, start, len) == 0);
			if (!known)
				fail_msg("%s needs something that does not come before",
					check_rows[i].name);
		}
	}
}

static void a_finding_is_one_line_whatever_a_peer_says(void **state)
{
	static const struct check_row row = ROW("some.row", "", CHECK_LOCAL, 1, true, NULL);
	struct check check = {.row = &row, .last = &check.first};
	CLEANUP(free_str)
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	check_add(&check, CHECK_FAIL, "na\nme", "do\x1b[2Jthis", "found%c", '\x07');
	check_add(&check, CHECK_OK, "", "", "plain");
	check_print_lines(&check, out);
	fclose(out);
	assert_string_equal(text, "FAIL     some.row              na?me: found? -> do?[2Jthis\n"
				  "ok       some.row              plain\n");
	arena_reset(&check.arena);
}

static void refusals_of_the_broker_are_read(void **state)
{
	static const struct {
		const char *text, *argument, *wanted, *found;
	} rows[] = {
		{"queue: 406 PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'q' "
		 "in "
		 "vhost '/': received '6000' but current is '5000'",
			"x-message-ttl", "'6000'", "'5000'"},
		{"inequivalent arg 'x-delivery-limit' for queue 'q' in vhost '/': received the "
		 "value "
		 "'5' of type 'signedint' but current is none",
			"x-delivery-limit", "'5'", "none"},
		{"inequivalent arg 'x-max-length' for queue 'q' in vhost '/': received none but "
		 "current is the value '-1' of type 'signedint'",
			"x-max-length", "none", "'-1'"},
		{"inequivalent arg 'x-dead-letter-exchange' for queue 'q' in vhost '/': received "
		 "'a' "
		 "but current is ''",
			"x-dead-letter-exchange", "'a'", "''"},
		{"inequivalent arg 'type' for exchange 'x' in vhost '/': received 'direct' but "
		 "current is 'topic'",
			"type", "'direct'", "'topic'"},
		{"inequivalent arg 'x-message-ttl' for queue 'a very long na...", "x-message-ttl",
			"", ""},
	};
	static const char *const others[] = {
		"RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'q'",
		"PRECONDITION_FAILED - invalid arg 'x-max-age' for queue 'q'",
		"inequivalent arg 'x",
		"",
	};
	struct bus_difference difference;
	struct arena arena = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_true(bus_difference_read(&difference, &arena, rows[i].text));
		assert_string_equal(difference.argument, rows[i].argument);
		assert_string_equal(difference.wanted, rows[i].wanted);
		assert_string_equal(difference.found, rows[i].found);
	}
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		assert_false(bus_difference_read(&difference, &arena, others[i]));
	arena_reset(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_stands_on_a_failure_is_skipped_and_never_ok),
		cmocka_unit_test(extra_rows_run_when_asked_for),
		cmocka_unit_test(a_row_that_hangs_ends_its_group_only),
		cmocka_unit_test(the_table_is_in_order),
		cmocka_unit_test(a_finding_is_one_line_whatever_a_peer_says),
		cmocka_unit_test(refusals_of_the_broker_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
