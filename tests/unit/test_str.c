/* SPDX-License-Identifier: MIT */
#include "common/str.h"

#include "tests/unit/unit.h"

static void numbers_are_whole_and_in_range(void **state)
{
	static const struct {
		const char *text;
		bool good;
		int64_t value;
	} rows[] = {
		{"0", true, 0},
		{"42", true, 42},
		{"-7", true, -7},
		{"9223372036854775807", true, INT64_MAX},
		{"-9223372036854775808", true, INT64_MIN},
		{"9223372036854775808", false, 0},
		{"-9223372036854775809", false, 0},
		{"", false, 0},
		{"-", false, 0},
		{"+1", false, 0},
		{" 1", false, 0},
		{"1 ", false, 0},
		{"1.0", false, 0},
		{"0x10", false, 0},
		{NULL, false, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t value = 0;

		assert_int_equal(
			str_to_int(rows[i].text, INT64_MIN, INT64_MAX, &value), rows[i].good);
		assert_int_equal(value, rows[i].value);
	}
	int64_t value = 5;

	assert_false(str_to_int("101", 0, 100, &value));
	assert_false(str_to_int("-1", 0, 100, &value));
	assert_int_equal(value, 5);
}

static void utf8_is_strict(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		bool good;
	} rows[] = {
		{"plain", 5, true},
		{"", 0, true},
		{"\xc3\xa4", 2, true},
		{"\xe2\x82\xac", 3, true},
		{"\xf0\x9f\x98\x80", 4, true},
		{"a\0b", 3, false},
		{"\xc3", 1, false},
		{"\xc0\xaf", 2, false},
		{"\xe0\x80\xaf", 3, false},
		{"\xed\xa0\x80", 3, false},
		{"\xf4\x90\x80\x80", 4, false},
		{"\xff", 1, false},
		{"\x80", 1, false},
		{"eight bytes and more: \xc3\xa4 fine", 29, true},
		{"eight b\0tes", 11, false},
		{"eight by\xffs", 10, false},
		{"1234567\xc3", 8, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(str_is_utf8(rows[i].text, rows[i].len), rows[i].good);
}

static void readable_text_is_utf8(void **state)
{
	static const char good[] = "\xc3\xa4";
	struct arena arena = {0};

	(void)state;
	assert_ptr_equal(str_readable(&arena, good), good);
	assert_string_equal(str_readable(&arena, "a\xff\xc3z"), "a??z");
	arena_reset(&arena);
}

static void percent_codes_round_trip(void **state)
{
	struct arena arena = {0};
	char *encoded = str_percent_encode(&arena, "a,b (c)/\xc3\xa4");

	(void)state;
	assert_string_equal(encoded, "a%2Cb%20%28c%29%2F%C3%A4");
	assert_string_equal(
		str_percent_decode(&arena, encoded, strlen(encoded)), "a,b (c)/\xc3\xa4");
	assert_null(str_percent_decode(&arena, "%", 1));
	assert_null(str_percent_decode(&arena, "%4", 2));
	assert_null(str_percent_decode(&arena, "%zz", 3));
	assert_null(str_percent_decode(&arena, "a%00b", 5));
	arena_reset(&arena);
}

static void fields_are_taken_one_by_one(void **state)
{
	const char *rest = "a,,b";
	const char *field;
	size_t len;

	(void)state;
	field = str_next(&rest, ',', &len);
	assert_memory_equal(field, "a", 1);
	assert_int_equal(len, 1);
	assert_non_null(str_next(&rest, ',', &len));
	assert_int_equal(len, 0);
	field = str_next(&rest, ',', &len);
	assert_string_equal(field, "b");
	assert_null(str_next(&rest, ',', &len));
}

static void small_questions(void **state)
{
	char hex[7];

	(void)state;
	assert_true(str_eq(NULL, NULL));
	assert_false(str_eq("", NULL));
	assert_true(str_eq_ci("Content-TYPE", "content-type"));
	assert_false(str_eq_ci("a", "ab"));
	assert_true(str_starts("urn:vcloud", "urn:"));
	assert_false(str_starts(NULL, "x"));
	assert_true(str_ends("a.def", ".def"));
	assert_false(str_ends("f", ".def"));
	assert_string_equal(str_last_segment("https://h/api/task/1-2"), "1-2");
	assert_string_equal(str_last_segment("plain"), "plain");
	assert_string_equal(str_urn_uuid("urn:vcloud:org:9f"), "9f");
	assert_true(str_is_made_of("ab-1", "ab1-", 4));
	assert_false(str_is_made_of("ab-1", "ab1-", 3));
	assert_false(str_is_made_of("", "ab", 3));
	str_hex(hex, "\x00\xab\xff", 3);
	assert_string_equal(hex, "00abff");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_whole_and_in_range),
		cmocka_unit_test(utf8_is_strict),
		cmocka_unit_test(readable_text_is_utf8),
		cmocka_unit_test(percent_codes_round_trip),
		cmocka_unit_test(fields_are_taken_one_by_one),
		cmocka_unit_test(small_questions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
