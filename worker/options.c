/* SPDX-License-Identifier: MIT */
#include "worker/options.h"

#include "common/str.h"

#include <getopt.h>

#define DEFAULT_CONFIG "/etc/cse-worker/cse-worker.yaml"

static const struct {
	const char *name;
	enum command command;
} commands[] = {
	{"run", COMMAND_RUN},
	{"check", COMMAND_CHECK},
	{"version", COMMAND_VERSION},
	{"help", COMMAND_HELP},
};

static bool find_command(enum command *out, const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (str_eq(commands[i].name, name)) {
			*out = commands[i].command;
			return true;
		}
	}
	return false;
}

static bool apply_option(struct options *out, int option)
{
	switch (option) {
	case 'c':
		out->config_path = optarg;
		return true;
	case 'p':
		out->print_config = true;
		return true;
	case 'e':
		out->print_example = true;
		return true;
	case 'j':
		out->json = true;
		return true;
	case 'o':
		out->orphans = true;
		return true;
	case 'h':
		out->command = COMMAND_HELP;
		return true;
	case 'v':
		out->command = COMMAND_VERSION;
		return true;
	default:
		return false;
	}
}

bool options_parse(struct options *out, int argc, char **argv, const char **problem)
{
	static const struct option known[] = {
		{"config", required_argument, NULL, 'c'},
		{"print-config", no_argument, NULL, 'p'},
		{"print-example", no_argument, NULL, 'e'},
		{"json", no_argument, NULL, 'j'},
		{"orphans", no_argument, NULL, 'o'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'v'},
		{0},
	};
	bool named = false;
	int option;

	*out = (struct options){.command = COMMAND_HELP, .config_path = DEFAULT_CONFIG};
	optind = 0;
	opterr = 0;
	/* "-" hands out the command as option 1, wherever it stands. */
	while ((option = getopt_long(argc, argv, "-:hc:", known, NULL)) != -1) {
		*problem = "unknown option or missing value";
		if (option == 1) {
			*problem = named ? "more than one command" : "unknown command";
			if (named || !find_command(&out->command, optarg))
				return false;
			named = true;
			continue;
		}
		if (!apply_option(out, option))
			return false;
		named = named || option == 'h' || option == 'v';
	}
	*problem = "--json and --orphans are options of check";
	if ((out->json || out->orphans) && out->command != COMMAND_CHECK)
		return false;
	*problem = "no command";
	return named && optind == argc;
}

void options_usage(FILE *out)
{
	fputs("usage: cse-worker COMMAND [OPTION...]\n"
	      "\n"
	      "  run      serve requests and operations until SIGTERM; a second SIGTERM leaves at "
	      "once\n"
	      "  check    look at everything a worker needs, change nothing, and report\n"
	      "  version  print the version\n"
	      "  help     print this\n"
	      "\n"
	      "  --config FILE    configuration, default " DEFAULT_CONFIG "\n"
	      "  --print-config   print each value and its origin, without secrets, and leave\n"
	      "  --print-example  print an annotated configuration, and leave\n"
	      "  --json           check: one JSON object instead of lines\n"
	      "  --orphans        check: also list unfinished tasks of others\n"
	      "\n"
	      "Exit status: 0 done, drained, or all is ok; 1 a problem, or a check that is not "
	      "ok;\n"
	      "2 wrong usage, or a configuration that cannot be read.\n",
		out);
}
