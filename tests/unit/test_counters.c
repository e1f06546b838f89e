/* SPDX-License-Identifier: MIT */
/*
 * The metrics' text: names, HELP and TYPE lines, histograms that add up, and labels that are words
 * of this program only.
 */
#include "common/mem.h"
#include "common/str.h"
#include "tests/unit/unit.h"
#include "worker/counters.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

enum { LINES_MAX = 400, TEXT_MAX = 65536 };

static struct counters counters;
static struct buf text;

static const char *print(void)
{
	buf_release(&text);
	buf_init(&text, TEXT_MAX);
	counters_print(&counters, &text);
	assert_false(text.overflow);
	return buf_str(&text);
}

static bool matches(const char *line, size_t len, const char *pattern)
{
	CLEANUP(free_str)
	char *copy = xstrndup(line, len);
	regex_t regex;
	bool found;

	assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
	found = regexec(&regex, copy, 0, NULL, 0) == 0;
	regfree(&regex);
	if (!found)
		print_message("line: %s\n", copy);
	return found;
}

#define NAME "cse_worker_[a-z_]*[a-z]"
#define LABEL "[a-z_]+=\"[a-z_]+\""

/* HELP, TYPE, then samples of that family and of no other, and each family once. */
static void every_line_has_its_form_and_place(void **state)
{
	const char *rest = print(), *line, *names[LINES_MAX];
	size_t len, families = 0;
	char family[128] = "";
	bool helped = false;

	(void)state;
	assert_true(str_ends(rest, "\n"));
	while ((line = str_next(&rest, '\n', &len)) && len > 0) {
		if (str_starts(line, "# HELP ")) {
			assert_true(matches(line, len,
				"^# HELP " NAME " [A-Z].*\\.$|^# HELP " NAME " 1 while .*\\.$"));
			snprintf(family, sizeof(family), "%.*s", (int)strcspn(line + 7, " "),
				line + 7);
			for (size_t i = 0; i < families; i++)
				assert_string_not_equal(names[i], family);
			names[families++] = xstrdup(family);
			helped = true;
			continue;
		}
		assert_int_equal(strncmp(line + (helped ? 7 : 0), family, strlen(family)), 0);
		if (helped)
			assert_true(
				matches(line, len, "^# TYPE " NAME " (counter|gauge|histogram)$"));
		else
			assert_true(matches(line, len,
				"^" NAME "(\\{((" LABEL "|le=\"([0-9.]+|\\+Inf)\"),?)+\\})? "
				"-?[0-9]+(\\.[0-9]{3})?$"));
		helped = false;
	}
	assert_true(families > 10);
	for (size_t i = 0; i < families; i++)
		free((char *)(uintptr_t)names[i]);
}

/* What Prometheus' own checker asks of names. */
static void names_end_in_what_they_are(void **state)
{
	const char *rest = print(), *line;
	size_t len;

	(void)state;
	while ((line = str_next(&rest, '\n', &len)) && len > 0) {
		if (!str_starts(line, "# TYPE "))
			continue;
		assert_int_equal(strncmp(line + len - 8, " counter", 8) == 0,
			memmem(line, len, "_total ", 7) != NULL);
		if (strncmp(line + len - 10, " histogram", 10) == 0)
			assert_non_null(memmem(line, len, "_seconds ", 9));
	}
}

static void numbers_appear_where_they_belong(void **state)
{
	const char *out;

	(void)state;
	counters = (struct counters){0};
	counter_add(&counters, COUNTER_CREATE_FAILED, 3);
	counter_add(&counters, COUNTER_REQUESTS_NOW, 2);
	counter_add(&counters, COUNTER_REQUESTS_NOW, -1);
	counter_set(&counters, COUNTER_LAG, 2050);
	out = print();
	assert_non_null(strstr(
		out, "cse_worker_operations_total{operation=\"create\",outcome=\"failed\"} 3\n"));
	assert_non_null(strstr(out, "\ncse_worker_requests_in_progress 1\n"));
	assert_non_null(strstr(out, "\ncse_worker_lag_seconds 2.050\n"));
	assert_int_equal(counter_get(&counters, COUNTER_CREATE_FAILED), 3);
}

static void histograms_add_up(void **state)
{
	const char *out;

	(void)state;
	counters = (struct counters){0};
	timing_note(&counters, TIMING_VCD_READ, 10);
	timing_note(&counters, TIMING_VCD_READ, 11);
	timing_note(&counters, TIMING_VCD_READ, 70000);
	timing_note(&counters, TIMING_VCD_WRITE, 0);
	out = print();
#define FAMILY_NAME "cse_worker_vcd_call_duration_seconds"
	assert_non_null(strstr(out, FAMILY_NAME "_bucket{kind=\"read\",le=\"0.01\"} 1\n"));
	assert_non_null(strstr(out, FAMILY_NAME "_bucket{kind=\"read\",le=\"0.025\"} 2\n"));
	assert_non_null(strstr(out, FAMILY_NAME "_bucket{kind=\"read\",le=\"60\"} 2\n"));
	assert_non_null(strstr(out, FAMILY_NAME "_bucket{kind=\"read\",le=\"+Inf\"} 3\n"));
	assert_non_null(strstr(out, FAMILY_NAME "_sum{kind=\"read\"} 70.021\n"));
	assert_non_null(strstr(out, FAMILY_NAME "_count{kind=\"read\"} 3\n"));
	assert_non_null(strstr(out, FAMILY_NAME "_count{kind=\"write\"} 1\n"));
	assert_non_null(strstr(out, "\ncse_worker_request_duration_seconds_count 0\n"));
}

static int tear_down(void **state)
{
	(void)state;
	buf_release(&text);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_line_has_its_form_and_place),
		cmocka_unit_test(names_end_in_what_they_are),
		cmocka_unit_test(numbers_appear_where_they_belong),
		cmocka_unit_test(histograms_add_up),
	};

	return cmocka_run_group_tests(tests, NULL, tear_down);
}
