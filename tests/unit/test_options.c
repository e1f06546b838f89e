/* SPDX-License-Identifier: MIT */
#include "worker/options.h"

#include "common/str.h"
#include "tests/unit/unit.h"

static bool parse(struct options *out, const char *line, const char **problem)
{
	char text[128];
	static char program[] = "cse-worker";
	char *argv[8] = {program};
	char *rest = text;
	int argc = 1;

	strncpy(text, line, sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	while ((argv[argc] = strsep(&rest, " ")))
		argc++;
	return options_parse(out, argc, argv, problem);
}

static void commands_and_options_stand_in_any_order(void **state)
{
	struct options options;
	const char *problem;

	(void)state;
	assert_true(parse(&options, "run", &problem));
	assert_int_equal(options.command, COMMAND_RUN);
	assert_string_equal(options.config_path, "/etc/cse-worker/cse-worker.yaml");
	assert_true(parse(&options, "--print-config check", &problem));
	assert_int_equal(options.command, COMMAND_CHECK);
	assert_true(options.print_config);
	assert_true(parse(&options, "run --print-example", &problem));
	assert_true(options.print_example);
	assert_true(parse(&options, "--json check --orphans", &problem));
	assert_true(options.json && options.orphans);
	assert_true(parse(&options, "parked --json list", &problem));
	assert_int_equal(options.command, COMMAND_PARKED);
	assert_int_equal(options.parked.action, PARKED_LIST);
	assert_true(options.parked.json);
	assert_true(parse(&options, "--all parked retry", &problem));
	assert_true(options.parked.all);
	assert_true(parse(&options, "parked drop x1", &problem));
	assert_int_equal(options.parked.action, PARKED_DROP);
	assert_string_equal(options.parked.id, "x1");
	assert_true(parse(&options, "--help", &problem));
	assert_int_equal(options.command, COMMAND_HELP);
	assert_true(parse(&options, "version", &problem));
	assert_int_equal(options.command, COMMAND_VERSION);
}

static void wrong_usage_is_named(void **state)
{
	static const struct {
		const char *line, *problem, *wrong;
	} rows[] = {
		{"walk", "unknown command", "walk"},
		{"run check", "more than one command", "check"},
		{"run --fast", "unknown option or missing value", "--fast"},
		{"run -xh", "unknown option or missing value", "-x"},
		{"run --config", "unknown option or missing value", "--config"},
		{"--print-config", "no command", NULL},
		{"run --json", "--json is an option of check and parked", NULL},
		{"--orphans run", "--orphans is an option of check", NULL},
		{"parked", "parked needs an action: list, show, retry or drop", NULL},
		{"parked look", "unknown action of parked", "look"},
		{"parked list x", "parked list takes no id", NULL},
		{"parked list --all", "--all is an option of parked retry and parked drop", NULL},
		{"run --all", "--all is an option of parked retry and parked drop", NULL},
		{"parked show", "parked show needs an id", NULL},
		{"parked show x y", "more than one id", "y"},
		{"parked retry", "parked retry and drop need an id, or --all", NULL},
		{"parked drop x --all", "parked retry and drop need an id, or --all", NULL},
	};
	struct options options;
	const char *problem;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_false(parse(&options, rows[i].line, &problem));
		assert_string_equal(problem, rows[i].problem);
		if (rows[i].wrong)
			assert_string_equal(options.wrong, rows[i].wrong);
		else
			assert_null(options.wrong);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_and_options_stand_in_any_order),
		cmocka_unit_test(wrong_usage_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
