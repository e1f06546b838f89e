/* SPDX-License-Identifier: MIT */
#include "common/yaml.h"

#include "common/buf.h"
#include "tests/unit/unit.h"

static const char *problem_of(const char *text, size_t len)
{
	static struct error err;
	struct arena arena = {0};
	struct yaml_leaves leaves;
	int status = yaml_read(&leaves, &arena, "f", text, len, &err);

	arena_reset(&arena);
	return status < 0 ? err.msg : "";
}

static void assert_problem(const char *text, const char *expected)
{
	assert_string_equal(problem_of(text, strlen(text)), expected);
}

static void leaves_carry_paths_and_places(void **state)
{
	static const char text[] = "a: 1\n"
				   "b:\n"
				   "  c: \"two\"\n"
				   "  d: [x, {e: y}, []]\n"
				   "  f: {}\n"
				   "g:\n";
	static const struct yaml_leaf expected[] = {
		{"a", "1", YAML_SCALAR, 1, 4},
		{"b.c", "two", YAML_QUOTED, 3, 6},
		{"b.d[0]", "x", YAML_SCALAR, 4, 7},
		{"b.d[1].e", "y", YAML_SCALAR, 4, 14},
		{"b.d[2]", "", YAML_EMPTY_LIST, 4, 18},
		{"b.f", "", YAML_EMPTY_MAP, 5, 6},
		{"g", "", YAML_SCALAR, 6, 3},
	};
	struct arena arena = {0};
	struct yaml_leaves leaves;
	struct error err;

	(void)state;
	assert_int_equal(yaml_read(&leaves, &arena, "f", text, strlen(text), &err), 0);
	assert_int_equal(leaves.count, ARRAY_LEN(expected));
	for (size_t i = 0; i < leaves.count; i++) {
		assert_string_equal(leaves.items[i].path, expected[i].path);
		assert_string_equal(leaves.items[i].value, expected[i].value);
		assert_int_equal(leaves.items[i].kind, expected[i].kind);
		assert_int_equal(leaves.items[i].line, expected[i].line);
		assert_int_equal(leaves.items[i].column, expected[i].column);
	}
	arena_reset(&arena);
}

static void odd_files_are_refused_with_their_place(void **state)
{
	(void)state;
	assert_problem("", "");
	assert_problem("x", "f:1:1: a single value, expected keys");
	assert_problem("- a", "f:1:1: a list, expected keys");
	assert_problem("a: 1\na: 2", "f:2:1: key a stands here again, expected it once");
	assert_problem("a: {b: 1}\na: {c: 2}", "f:2:1: key a stands here again, expected it once");
	assert_problem("a: &x 1", "f:1:4: an anchor or tag, expected a plain value");
	assert_problem("a: !!int 1", "f:1:4: an anchor or tag, expected a plain value");
	assert_problem("a: [&x {b: c}, *x]", "f:1:5: an anchor or tag, expected a plain value");
	assert_problem("a.b: 1", "f:1:1: an odd key, expected a name without '.', '[' and ']'");
	assert_problem("? [a]\n: 1", "f:1:3: a collection as a key, expected a plain name");
	assert_problem("a: 1\n---\nb: 2", "f:2:1: a second document, expected one");
	assert_problem("a: \"\\0\"", "f:1:4: a NUL character, expected text");
	assert_problem("a: [", "f:2:1: did not find expected node content, expected valid YAML");
	assert_string_equal(problem_of("a: \x80", 4),
		"f:1:1: invalid leading UTF-8 octet, expected valid YAML");
}

static void limits_hold(void **state)
{
	CLEANUP(buf_release)
	struct buf text;

	(void)state;
	buf_init(&text, 512 * 1024);
	buf_add_str(&text, "a: ");
	for (int i = 0; i < 40; i++)
		buf_add_str(&text, "[");
	assert_string_equal(problem_of(buf_str(&text), text.len),
		"f:1:35: nested too deep, expected at most 32 levels");
	buf_clear(&text);
	buf_add_str(&text, "a: [");
	for (int i = 0; i < 10001; i++)
		buf_add_str(&text, "1,");
	buf_add_str(&text, "1]");
	assert_non_null(strstr(problem_of(buf_str(&text), text.len), "expected at most 10000"));
	buf_clear(&text);
	while (text.len <= 256 * 1024)
		buf_add_str(&text, "# filler\n");
	assert_non_null(strstr(problem_of(buf_str(&text), text.len), "at most 256 KiB"));
	buf_clear(&text);
	for (int i = 0; i < 600; i++)
		buf_add_str(&text, "k");
	buf_add_str(&text, ": 1");
	assert_non_null(strstr(problem_of(buf_str(&text), text.len), "at most 512 bytes"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaves_carry_paths_and_places),
		cmocka_unit_test(odd_files_are_refused_with_their_place),
		cmocka_unit_test(limits_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
