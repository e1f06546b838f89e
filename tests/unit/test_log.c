/* SPDX-License-Identifier: MIT */
#include "common/json.h"
#include "common/log.h"
#include "common/str.h"

#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { CAPTURE_MAX = 32768 };

/* Runs with stderr in a file and returns what was written, in a static buffer. */
static const char *capture(void (*write_lines)(void))
{
	static char text[CAPTURE_MAX];
	FILE *file = tmpfile();
	int old = dup(STDERR_FILENO);
	size_t len;

	assert_non_null(file);
	dup2(fileno(file), STDERR_FILENO);
	write_lines();
	dup2(old, STDERR_FILENO);
	close(old);
	rewind(file);
	len = fread(text, 1, sizeof(text) - 1, file);
	text[len] = '\0';
	fclose(file);
	return text;
}

static void odd_texts(void)
{
	log_context()->task = "t-1";
	log_event(LOG_INFO, "test.line", LOG_STR("quote", "a\"b\\c\nd\x01"), LOG_INT("n", -5),
		LOG_STR("none", NULL));
	log_context()->task = NULL;
	log_event(LOG_DEBUG, "test.hidden");
}

static void every_line_is_one_json_object(void **state)
{
	const char *text = capture(odd_texts);
	struct error err = {0};
	CLEANUP(json_release)
	struct json_object *line = NULL;

	(void)state;
	line = json_parse(text, strlen(text), 4, &err);
	assert_non_null(line);
	assert_string_equal(json_str(line, "event", ""), "test.line");
	assert_string_equal(json_str(line, "level", ""), "info");
	assert_string_equal(json_str(line, "task", ""), "t-1");
	assert_string_equal(json_str(line, "quote", ""), "a\"b\\c\nd\x01");
	assert_int_equal(json_int(line, "n", 0), -5);
	assert_string_equal(json_str(line, "none", "?"), "");
}

static void broken_text(void)
{
	log_event(
		LOG_INFO, "test.line", LOG_STR("bytes", "a\xff\xc3"), LOG_STR("good", "\xc3\xa4"));
}

/* Names in a message's properties are whatever bytes the sender liked. */
static void a_text_that_is_no_utf8_leaves_a_readable_line(void **state)
{
	const char *text = capture(broken_text);
	struct error err = {0};
	CLEANUP(json_release)
	struct json_object *line = json_parse(text, strlen(text), 4, &err);

	(void)state;
	assert_non_null(line);
	assert_string_equal(json_str(line, "bytes", ""), "a\xc3\xbf\xc3\x83");
	assert_string_equal(json_str(line, "good", ""), "\xc3\xa4");
}

static void huge_text(void)
{
	static char text[100000];

	memset(text, '\x02', sizeof(text) - 1);
	log_event(LOG_ERROR, "test.huge", LOG_STR("a", text), LOG_STR("b", text));
}

static void long_texts_stay_one_line(void **state)
{
	const char *text = capture(huge_text);
	struct error err = {0};
	CLEANUP(json_release)
	struct json_object *line = json_parse(text, strlen(text), 4, &err);

	(void)state;
	assert_true(strlen(text) > 4096);
	assert_non_null(line);
	assert_true(str_starts(json_str(line, "a", ""), "\x02\x02\x02"));
	assert_null(json_at(line, "b"));
}

static void levels_have_names(void **state)
{
	enum log_level level = LOG_ERROR;

	(void)state;
	assert_true(log_level_parse("debug", &level));
	assert_int_equal(level, LOG_DEBUG);
	assert_false(log_level_parse("loud", &level));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_line_is_one_json_object),
		cmocka_unit_test(a_text_that_is_no_utf8_leaves_a_readable_line),
		cmocka_unit_test(long_texts_stay_one_line),
		cmocka_unit_test(levels_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
