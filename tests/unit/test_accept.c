/* SPDX-License-Identifier: MIT */
#include "worker/accept.h"

#include "tests/unit/unit.h"

static const struct row {
	const char *header;
	const char *version; /* NULL: 406 */
} rows[] = {
	{"application/json;version=35.0", "35.0"},
	{"*/*;version=35.0", "35.0"},
	{"*;version=35.0", "35.0"},
	{"application/*+json;version=35.0", "35.0"},
	{"application/*;version=35.0", "35.0"},
	{"*/json;version=35.0", "35.0"},
	{"APPLICATION/JSON;VERSION=35.0", "35.0"},
	{"text/xml;version=35.0,application/json;version=35.0", "35.0"},
	{"application/json;version=34.0,application/json;version=35.0", "34.0"},
	{"application/json;version=35.0;q=1", "0.0"},
	{"application/json; version=35.0", "35.0"},
	{" application/json ; version = 35.0 ", "35.0"},
	{"text/xml, application/json; version=35.0", "35.0"},
	{"application/json;version=", ""},
	{"application/json", NULL},
	{"application/*+xml;version=35.0", NULL},
	{"application/json;q=1", NULL},
	{"application/json;version=35.0=1", NULL},
	{"application/json/x;version=35.0", NULL},
	{"json;version=35.0", NULL},
	{"", NULL},
	{",;,", NULL},
	{NULL, NULL},
};

static void each_header_has_its_version(void **state)
{
	struct arena arena = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *version = "untouched";
		struct error err = {0};
		int status = accept_version(&version, &arena, rows[i].header, &err);

		if (rows[i].version) {
			assert_int_equal(status, 0);
			assert_string_equal(version, rows[i].version);
		} else {
			assert_int_equal(status, -1);
			assert_int_equal(err.code, ERR_FORMAT);
			assert_string_equal(err.msg, "CSE can only serve response as json.");
		}
	}
	arena_reset(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_header_has_its_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
