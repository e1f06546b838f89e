/* SPDX-License-Identifier: MIT */
#include "config/config.h"

#include "common/buf.h"
#include "common/mem.h"
#include "common/str.h"
#include "config/params.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/cse-config-XXXXXX";

static void write_file(const char *name, const char *text, mode_t mode)
{
	CLEANUP(free_str)
	char *path = xasprintf("%s/%s", folder, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

/* Writes a complete file with the extra lines behind it, and loads it. */
static int load_with(struct config *config, const char *extra, struct error *err)
{
	CLEANUP(free_str)
	char *text = xasprintf("deployment: unit\n"
			       "broker:\n"
			       "  hosts: [one, \"two:99\"]\n"
			       "  user: u\n"
			       "  password_file: %s/broker\n"
			       "vcd: {host: v, user: s@System, password_file: %s/vcd}\n"
			       "catalog: {org: o, name: n}\n"
			       "%s",
		folder, folder, extra);
	CLEANUP(free_str)
	char *path = xasprintf("%s/c.yaml", folder);

	write_file("c.yaml", text, 0600);
	return config_load(config, path, err);
}

/* The extra lines stand on line 8 and after; the problem must start with that file's name. */
static void assert_problem(const char *extra, const char *expected)
{
	struct config config;
	struct error err;
	size_t len = strlen(folder) + strlen("/c.yaml:");

	assert_int_equal(load_with(&config, extra, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	assert_memory_equal(err.msg, folder, strlen(folder));
	assert_string_equal(err.msg + len, expected);
}

static void values_arrive(void **state)
{
	struct config config;
	struct error err;

	(void)state;
	assert_int_equal(
		load_with(&config, "timing: {reply: 4.5, rungs: [0.1, 0.5, 1.5, 6]}\n", &err), 0);
	assert_string_equal(config.deployment, "unit");
	assert_int_equal(config.broker_hosts.count, 2);
	assert_string_equal(config.broker_hosts.items[0], "one:5671");
	assert_string_equal(config.broker_hosts.items[1], "two:99");
	assert_true(config.broker_tls_enabled);
	assert_null(config.broker_tls_ca_file);
	assert_null(config.catalog_default_template);
	assert_string_equal(config.vcd_api_version, "35.0");
	assert_int_equal(config.timing_reply, 4500);
	assert_int_equal(config.timing_pass, 45000);
	assert_int_equal(config.timing_rungs[0], 100);
	assert_int_equal(config.timing_rungs[3], 6000);
	assert_string_equal(secret_reveal(&config.broker_password), "b-secret");
	assert_string_equal(secret_reveal(&config.vcd_password), "v-secret");
	config_release(&config);
}

static void a_shipped_worker_ends_within_50_s_of_sigterm(void **state)
{
	enum { END_MS = 50000, LEAVING_MS = 1000 };
	struct config config;
	struct error err;

	(void)state;
	assert_int_equal(load_with(&config, "", &err), 0);
	/* A thread that never comes back is left behind at the end of the drain. */
	assert_in_range(config.timing_drain, config.timing_pass + 1, END_MS - LEAVING_MS);
	config_release(&config);
}

static void problems_name_their_place(void **state)
{
	static const struct {
		const char *extra, *expected;
	} rows[] = {
		{"queus: {prefix: a}\n",
			"8:17: unknown key queus.prefix, expected perhaps queues.prefix"},
		{"colour: red\n", "8:9: unknown key colour, expected a key of --print-example"},
		{"threads: {request: many}\n",
			"8:20: threads.request is \"many\", expected a whole number from 5 to 512"},
		{"threads: {request: 4}\n",
			"8:20: threads.request is \"4\", expected a whole number from 5 to 512"},
		{"threads: {request: \"8\"}\n",
			"8:20: threads.request is \"8\", expected a whole number from 5 to 512"},
		{"threads: {request: [8]}\n",
			"8:21: threads.request is a list, expected a whole number from 5 to 512"},
		{"threads: {request: }\n",
			"8:20: threads.request is empty, expected a whole number from 5 to 512"},
		{"threads: {request: {a: 8}}\n",
			"8:24: threads.request has keys below it, expected a value"},
		{"log: {level: loud}\n",
			"8:14: log.level is \"loud\", expected one of error, warn, info, debug"},
		{"timing: {cache: 1.2345}\n", "8:17: timing.cache is \"1.2345\", expected seconds "
					      "from 0 to 600 (up to 3 decimals)"},
		{"timing: {cache: -1}\n", "8:17: timing.cache is \"-1\", expected seconds from 0 "
					  "to 600 (up to 3 decimals)"},
		{"timing: {cache: 600.001}\n", "8:17: timing.cache is \"600.001\", expected "
					       "seconds from 0 to 600 (up to 3 decimals)"},
		{"timing: {rungs: [1, 2, 3]}\n", "8:18: timing.rungs is \"3\", expected four "
						 "times, seconds from 0.01 to 600 (up to 3 "
						 "decimals)"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_problem(rows[i].extra, rows[i].expected);
}

static void the_order_of_times_is_checked(void **state)
{
	(void)state;
	assert_problem("timing: {last_mutation: 45}\n",
		"8:25: timing.last_mutation is 45, expected less than timing.pass (45)");
	assert_problem("timing: {reply: 3}\n",
		"8:17: timing.first_write is 3, expected less than timing.reply (3)");
	assert_problem("timing: {request_ttl: 4.001}\n",
		"8:23: timing.request_ttl + timing.reply is 10.001, expected at most what VCD "
		"waits for "
		"an answer (10)");
	assert_problem("timing: {takeover: 165}\n", "8:20: timing.claim_interval + timing.pass + "
						    "the last of timing.rungs is 165, expected "
						    "less than timing.takeover (165)");
	assert_problem("timing: {rungs: [1, 5, 5, 60]}\n",
		"8:18: timing.rungs does not rise at its item 3, expected rising times");
	assert_problem("timing: {drain: 45}\n",
		"8:17: timing.pass is 45, expected less than timing.drain (45)");
	assert_problem("limits: {body_bytes: 800000}\n",
		"8:22: limits.body_bytes is 800000, expected at most 3/4 of limits.message_bytes");
	assert_problem("admin: {address: localhost}\n",
		"8:18: admin.address is \"localhost\", expected an IPv4 or IPv6 address");
}

static void secret_files_are_private(void **state)
{
	CLEANUP(free_str)
	char *expected = NULL;
	struct config config;
	struct error err;

	(void)state;
	write_file("vcd", "v-secret\n", 0604);
	assert_int_equal(load_with(&config, "", &err), -1);
	expected = xasprintf(
		"%s/c.yaml:6:47: vcd.password_file is %s/vcd with mode 0604, which others "
		"can use, expected mode 0600 or 0640: run chmod o= %s/vcd",
		folder, folder, folder);
	assert_string_equal(err.msg, expected);
	write_file("vcd", "\n", 0600);
	assert_int_equal(load_with(&config, "", &err), -1);
	assert_non_null(strstr(err.msg, "c.yaml:6:47: vcd.password_file: secret file"));
	write_file("vcd", "v-secret\n", 0640);
	assert_int_equal(load_with(&config, "", &err), 0);
	config_release(&config);
}

static void the_environment_wins(void **state)
{
	struct config config;
	struct error err;

	(void)state;
	setenv("CSE_WORKER_BROKER_HOSTS", "a b:1,c", 1);
	setenv("CSE_WORKER_TIMING_CACHE", "0.5", 1);
	assert_int_equal(load_with(&config, "timing: {cache: 3}\n", &err), 0);
	assert_int_equal(config.broker_hosts.count, 3);
	assert_int_equal(config.timing_cache, 500);
	config_release(&config);
	setenv("CSE_WORKER_TIMING_CACHE", "x", 1);
	assert_int_equal(load_with(&config, "", &err), -1);
	assert_string_equal(err.msg, "CSE_WORKER_TIMING_CACHE: timing.cache is \"x\", expected "
				     "seconds from 0 to 600 (up to 3 "
				     "decimals)");
	unsetenv("CSE_WORKER_TIMING_CACHE");
	setenv("CSE_WORKER_TYPO", "1", 1);
	assert_int_equal(load_with(&config, "", &err), -1);
	assert_memory_equal(err.msg, "CSE_WORKER_TYPO: unknown variable", 33);
	unsetenv("CSE_WORKER_TYPO");
	unsetenv("CSE_WORKER_BROKER_HOSTS");
}

static char *printed(void (*print)(FILE *))
{
	char *text = NULL;
	size_t len;
	FILE *file = open_memstream(&text, &len);

	print(file);
	(void)fclose(file);
	return text;
}

static void the_example_file_is_the_printed_one(void **state)
{
	CLEANUP(free_str)
	char *expected = printed(config_print_example);
	CLEANUP(close_file)
	FILE *file = fopen(CSE_SOURCE_DIR "/config/cse-worker.yaml", "re");
	char text[32768];

	(void)state;
	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	assert_string_equal(text, expected);
}

/* All keys of the example, also the commented ones, must be what the program reads. */
static void the_example_loads_with_its_comments_taken_away(void **state)
{
	CLEANUP(free_str)
	char *text = printed(config_print_example);
	CLEANUP(free_str)
	char *path = xasprintf("%s/vcd", folder);
	CLEANUP(buf_release)
	struct buf lines;
	const char *rest = text, *line;
	struct config config;
	struct error err;
	size_t len;

	(void)state;
	buf_init(&lines, 65536);
	while ((line = str_next(&rest, '\n', &len))) {
		CLEANUP(free_str)
		char *copy = xstrndup(line, len);
		size_t blanks = strspn(copy, " ");
		char *key = copy + blanks + (copy[blanks] == '#' ? 2 : 0);
		size_t key_len = len > blanks ? strspn(key, "abcdefghijklmnopqrstuvwxyz_") : 0;

		/* A comment's sentence may look like a key; the two that do start like this. */
		if (key_len && key[key_len] == ':' && !str_starts(key, "info: ") &&
			!str_starts(key, "passive: "))
			buf_printf(&lines, "%.*s%s\n", (int)blanks, copy, key);
	}
	write_file("c.yaml", buf_str(&lines), 0600);
	setenv("CSE_WORKER_BROKER_PASSWORD_FILE", path, 1);
	setenv("CSE_WORKER_VCD_PASSWORD_FILE", path, 1);
	setenv("CSE_WORKER_BROKER_TLS_CA_FILE", path, 1);
	setenv("CSE_WORKER_BROKER_TLS_CERT_FILE", path, 1);
	setenv("CSE_WORKER_BROKER_TLS_KEY_FILE", path, 1);
	setenv("CSE_WORKER_VCD_CA_FILE", path, 1);
	free_str(&path);
	path = xasprintf("%s/c.yaml", folder);
	if (config_load(&config, path, &err) < 0)
		fail_msg("%s", err.msg);
	config_release(&config);
	(void)clearenv();
}

/* CSE_WORKER_<PATH> and the member's name both come from the path, so the rows must agree. */
static void every_row_is_complete(void **state)
{
	static const char *const fields[] = {
#define SECTION(name, text)
#define PARAM(field, path, type, preset, min, max, unit, example, text) #field,
#include "config/params.def"
#undef PARAM
#undef SECTION
	};
	size_t row = 0;

	(void)state;
	for (const struct param *param = params; param->section || param->path; param++) {
		CLEANUP(free_str)
		char *name = xstrdup(param->path);

		if (!name)
			continue;
		for (char *dot = name; (dot = strchr(dot, '.'));)
			*dot = '_';
		assert_string_equal(fields[row++], name);
		assert_ptr_equal(param_find(param->path), param);
		assert_true(str_ends(param->text, "."));
		if (str_empty(param->preset))
			assert_false(str_empty(param->example));
	}
	assert_int_equal(row, ARRAY_LEN(fields));
}

static int set_up(void **state)
{
	(void)state;
	(void)clearenv();
	if (!mkdtemp(folder))
		return -1;
	write_file("broker", "b-secret\n", 0600);
	write_file("vcd", "v-secret\n", 0600);
	return 0;
}

static int tear_down(void **state)
{
	static const char *const names[] = {"broker", "vcd", "c.yaml"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		CLEANUP(free_str)
		char *path = xasprintf("%s/%s", folder, names[i]);

		(void)unlink(path);
	}
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_arrive),
		cmocka_unit_test(a_shipped_worker_ends_within_50_s_of_sigterm),
		cmocka_unit_test(problems_name_their_place),
		cmocka_unit_test(the_order_of_times_is_checked),
		cmocka_unit_test(secret_files_are_private),
		cmocka_unit_test(the_environment_wins),
		cmocka_unit_test(the_example_file_is_the_printed_one),
		cmocka_unit_test(the_example_loads_with_its_comments_taken_away),
		cmocka_unit_test(every_row_is_complete),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
