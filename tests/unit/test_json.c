/* SPDX-License-Identifier: MIT */
#include "common/json.h"

#include "tests/unit/unit.h"

static struct json_object *parse(const char *text, struct error *err)
{
	return json_parse(text, strlen(text), 8, err);
}

static void only_one_well_formed_value_is_parsed(void **state)
{
	static const char *const bad[] = {"", "{", "{\"a\":}", "[1,]", "{\"a\":1} x", "nul", "null",
		"[01]", "\"\xff\"", "[[[[[[[[[1]]]]]]]]]", "{\"a\":1}{\"b\":2}", "[1] ]",
		"{\"a\":tRue}"};
	struct error err = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_null(parse(bad[i], &err));
		assert_int_equal(err.code, ERR_INVALID);
	}
	assert_null(json_parse("\"a\0b\"", 5, 8, &err));
	CLEANUP(json_release)
	struct json_object *number = parse("42", &err);
	assert_int_equal(json_object_get_int(number), 42);
	CLEANUP(json_release)
	struct json_object *padded = parse(" {\"a\": [1, 2]} \n", &err);
	assert_non_null(padded);
}

static void members_are_found_along_paths(void **state)
{
	struct error err = {0};
	CLEANUP(json_release)
	struct json_object *object = parse(
		"{\"a\":{\"b\":{\"c\":\"x\"}},\"n\":7,\"t\":true,\"z\":null,\"s\":\"a\\u0000b\"}",
		&err);
	const char *text = NULL;
	int64_t number = 0;

	(void)state;
	assert_string_equal(json_str(object, "a.b.c", "?"), "x");
	assert_string_equal(json_str(object, "a.b.d", "?"), "?");
	assert_string_equal(json_str(object, "n", "?"), "?");
	assert_int_equal(json_int(object, "n", -1), 7);
	assert_int_equal(json_int(object, "t", -1), -1);
	assert_true(json_flag(object, "t", false));
	assert_null(json_at(object, "z"));
	assert_int_equal(json_need_str(object, "a.b.c", &text, &err), 0);
	assert_string_equal(text, "x");
	assert_int_equal(json_need_str(object, "gone", &text, &err), -1);
	assert_string_equal(err.msg, "gone is missing");
	assert_int_equal(json_need_str(object, "n", &text, &err), -1);
	assert_int_equal(json_need_str(object, "s", &text, &err), -1);
	assert_int_equal(json_need_int(object, "n", 0, 10, &number, &err), 0);
	assert_int_equal(number, 7);
	assert_int_equal(json_need_int(object, "n", 8, 10, &number, &err), -1);
	assert_int_equal(json_need_int(object, "t", 0, 10, &number, &err), -1);
}

static void members_are_set_removed_and_nulls_dropped(void **state)
{
	struct error err = {0};
	struct arena arena = {0};
	CLEANUP(json_release)
	struct json_object *object =
		parse("{\"keep\":{\"n\":null,\"l\":[{\"x\":null}]},\"gone\":null}", &err);

	(void)state;
	json_drop_nulls(object);
	json_set_str(object, "a.b", "1/2");
	json_set_str(object, "a.none", NULL);
	json_set_int(object, "a.n", 3);
	json_set_bool(object, "f", false);
	assert_string_equal(json_text(&arena, object),
		"{\"keep\":{\"l\":[{}]},\"a\":{\"b\":\"1/2\",\"n\":3},\"f\":false}");
	json_remove(object, "a.b");
	json_remove(object, "no.such.path");
	CLEANUP(json_release)
	struct json_object *copy = json_copy(object);
	json_remove(object, "keep");
	assert_string_equal(
		json_text(&arena, copy), "{\"keep\":{\"l\":[{}]},\"a\":{\"n\":3},\"f\":false}");
	arena_reset(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_one_well_formed_value_is_parsed),
		cmocka_unit_test(members_are_found_along_paths),
		cmocka_unit_test(members_are_set_removed_and_nulls_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
