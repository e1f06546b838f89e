/* SPDX-License-Identifier: MIT */
#include "tests/vcdsim/filter.h"

#include "common/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char document[] =
	"{\"name\":\"Demo (1)\",\"id\":\"urn:vcloud:network:7\",\"count\":9,\"on\":true,"
	"\"ownerRef\":{\"id\":\"urn:vcloud:vdc:1\"},\"none\":null}";

static bool matches(const char *text)
{
	struct arena arena = {0};
	struct error err = {0};
	CLEANUP(json_release)
	struct json_object *object = json_parse(document, strlen(document), 8, &err);
	struct filter *filter = filter_parse(&arena, text, &err);
	bool result;

	assert_non_null(filter);
	result = filter_match(filter, object, filter_json_value);
	arena_reset(&arena);
	return result;
}

static void compares(void **state)
{
	(void)state;
	assert_true(matches("name==Demo \\(1\\)"));
	assert_true(matches("name==demo \\(1\\)"));
	assert_false(matches("name==Demo"));
	assert_true(matches("name==Demo*"));
	assert_true(matches("name==*\\(1\\)"));
	assert_true(matches("name==*emo*"));
	assert_true(matches("name==*"));
	assert_false(matches("name==*emo"));
	assert_true(matches("name!=x"));
	assert_false(matches("name!=Demo*"));
	assert_true(matches("id==urn:vcloud:network:7"));
	assert_true(matches("on==true"));
	assert_true(matches("ownerRef.id==urn:vcloud:vdc:1"));
}

static void orders_numbers(void **state)
{
	(void)state;
	assert_true(matches("count=lt=10"));
	assert_false(matches("count=gt=10"));
	assert_true(matches("count=le=9"));
	assert_true(matches("count=ge=9"));
	assert_false(matches("count=lt=9"));
}

static void absent_values_match_only_not_equal(void **state)
{
	(void)state;
	assert_false(matches("none==*"));
	assert_false(matches("none=lt=1"));
	assert_true(matches("none!=x"));
	assert_false(matches("ownerRef.name==*"));
}

static void combines(void **state)
{
	(void)state;
	assert_true(matches("count==9;on==true"));
	assert_false(matches("count==9;on==false"));
	assert_true(matches("count==8,on==true"));
	assert_false(matches("count==8,on==false"));
	assert_true(matches("(count==8,on==true);name==Demo*"));
	assert_false(matches("(count==8,on==true);name==x*"));
	assert_true(matches("((count==9))"));
}

static void refuses_malformed(void **state)
{
	static const char *const bad[] = {"", "name", "name=x", "name==", "==x", "(name==x",
		"name==x)", "name==x;", "a==1;b==2,c==3", "name==x;;b==1"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct arena arena = {0};
		struct error err = {0};

		assert_null(filter_parse(&arena, bad[i], &err));
		assert_int_equal(err.code, ERR_INVALID);
		arena_reset(&arena);
	}
}

static void names_keys_and_demands(void **state)
{
	struct arena arena = {0};
	struct error err = {0};
	struct filter *filter =
		filter_parse(&arena, "name==a;_context==urn:1;(state==A,state==B);type==x*", &err);

	(void)state;
	assert_non_null(filter);
	assert_string_equal(filter_key(filter, 0), "name");
	assert_string_equal(filter_key(filter, 3), "state");
	assert_string_equal(filter_key(filter, 4), "type");
	assert_null(filter_key(filter, 5));
	assert_string_equal(filter_demands(filter, "_context"), "urn:1");
	assert_null(filter_demands(filter, "state"));
	assert_null(filter_demands(filter, "type"));
	arena_reset(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compares),
		cmocka_unit_test(orders_numbers),
		cmocka_unit_test(absent_values_match_only_not_equal),
		cmocka_unit_test(combines),
		cmocka_unit_test(refuses_malformed),
		cmocka_unit_test(names_keys_and_demands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
