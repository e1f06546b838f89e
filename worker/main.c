/* SPDX-License-Identifier: MIT */
#include "common/http.h"
#include "common/xml.h"
#include "config/config.h"
#include "worker/check/check.h"
#include "worker/options.h"
#include "worker/pool.h"
#include "worker/process.h"

#include <unistd.h>

static int fail_usage(const char *problem, const char *argument)
{
	if (argument)
		fprintf(stderr, "cse-worker: %s: %s\n", problem, argument);
	else
		fprintf(stderr, "cse-worker: %s\n", problem);
	options_usage(stderr);
	return EXIT_USAGE;
}

static int with_config(const struct options *options)
{
	struct config config;
	struct error err;
	int status = EXIT_OK;

	process_harden();
	if (config_load(&config, options->config_path, &err) < 0) {
		fprintf(stderr, "cse-worker: %s\n", err.msg);
		return EXIT_USAGE;
	}
	process_set_log_level(config.log_level);
	http_startup();
	xml_startup();
	if (options->print_config)
		config_print(&config, stdout);
	else if (options->command == COMMAND_PARKED)
		status = parked_run(&config, &options->parked, stdout);
	else
		status = pool_run(&config);
	config_release(&config);
	return status;
}

static int check(const struct options *options)
{
	struct check_options what = {
		.config_path = options->config_path,
		.json = options->json,
		.orphans = options->orphans,
	};
	bool hangs;
	int status;

	process_harden();
	process_set_log_level("error"); /* the report says it */
	http_startup();
	xml_startup();
	status = check_run(&what, stdout, &hangs);
	if (hangs)
		_exit(status);
	return status;
}

int main(int argc, char **argv)
{
	struct options options;
	const char *problem;

	if (!options_parse(&options, argc, argv, &problem))
		return fail_usage(problem, options.wrong);
	if (options.command == COMMAND_VERSION)
		puts("cse-worker " CSE_VERSION);
	else if (options.command == COMMAND_HELP)
		options_usage(stdout);
	else if (options.print_example)
		config_print_example(stdout);
	else if (options.command == COMMAND_CHECK && !options.print_config)
		return check(&options);
	else
		return with_config(&options);
	return EXIT_OK;
}
