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
	{"parked", COMMAND_PARKED},
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

static bool find_action(enum parked_action *out, const char *name)
{
	static const char *const names[] = {
		[PARKED_NONE] = "",
		[PARKED_LIST] = "list",
		[PARKED_SHOW] = "show",
		[PARKED_RETRY] = "retry",
		[PARKED_DROP] = "drop",
	};

	for (size_t i = PARKED_LIST; i < ARRAY_LEN(names); i++) {
		if (str_eq(names[i], name)) {
			*out = (enum parked_action)i;
			return true;
		}
	}
	return false;
}

/* The words in their order: the command, and of `parked` its action and an id. */
static bool take_word(struct options *out, bool named, const char *word, const char **problem)
{
	if (!named) {
		*problem = "unknown command";
		return find_command(&out->command, word);
	}
	*problem = "more than one command";
	if (out->command != COMMAND_PARKED)
		return false;
	if (!out->parked.action) {
		*problem = "unknown action of parked";
		return find_action(&out->parked.action, word);
	}
	*problem = "more than one id";
	if (out->parked.id)
		return false;
	out->parked.id = word;
	return true;
}

/* What getopt stands at: a word, or an option it does not know or that lacks its value. */
static const char *argument_at(struct options *out, int option, char **argv)
{
	if (option == 1)
		return optarg;
	if (!optopt || str_starts(argv[optind - 1], "--"))
		return argv[optind - 1];
	/* It may stand among others, as in -xv. */
	snprintf(out->letter, sizeof(out->letter), "-%c", optopt);
	return out->letter;
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
	case 'a':
		out->parked.all = true;
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

/* What of the parts does not belong together; NULL: nothing. */
static const char *find_conflict(const struct options *options)
{
	const struct parked_options *parked = &options->parked;

	if (options->orphans && options->command != COMMAND_CHECK)
		return "--orphans is an option of check";
	if (options->json && options->command != COMMAND_CHECK &&
		options->command != COMMAND_PARKED)
		return "--json is an option of check and parked";
	if (parked->all && parked->action != PARKED_RETRY && parked->action != PARKED_DROP)
		return "--all is an option of parked retry and parked drop";
	switch (parked->action) {
	case PARKED_NONE:
		return options->command == COMMAND_PARKED && !options->print_config
			       ? "parked needs an action: list, show, retry or drop"
			       : NULL;
	case PARKED_LIST:
		return parked->id ? "parked list takes no id" : NULL;
	case PARKED_SHOW:
		return parked->id ? NULL : "parked show needs an id";
	case PARKED_RETRY:
	case PARKED_DROP:
		break;
	}
	return !parked->id == parked->all ? NULL : "parked retry and drop need an id, or --all";
}

bool options_parse(struct options *out, int argc, char **argv, const char **problem)
{
	static const struct option known[] = {
		{"config", required_argument, NULL, 'c'},
		{"print-config", no_argument, NULL, 'p'},
		{"print-example", no_argument, NULL, 'e'},
		{"json", no_argument, NULL, 'j'},
		{"orphans", no_argument, NULL, 'o'},
		{"all", no_argument, NULL, 'a'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'v'},
		{0},
	};
	bool named = false;
	int option;

	*out = (struct options){.command = COMMAND_HELP, .config_path = DEFAULT_CONFIG};
	optind = 0;
	opterr = 0;
	/* "-" hands out the words as option 1, wherever they stand. */
	while ((option = getopt_long(argc, argv, "-:hc:", known, NULL)) != -1) {
		*problem = "unknown option or missing value";
		out->wrong = argument_at(out, option, argv);
		if (option == 1 ? !take_word(out, named, optarg, problem)
				: !apply_option(out, option))
			return false;
		named = named || option == 1 || option == 'h' || option == 'v';
	}
	out->wrong = NULL;
	*problem = "no command";
	if (!named || optind != argc)
		return false;
	out->parked.json = out->json;
	*problem = find_conflict(out);
	return !*problem;
}

void options_usage(FILE *out)
{
	fputs("usage: cse-worker COMMAND [OPTION...]\n"
	      "\n"
	      "  run      serve requests and operations until SIGTERM; a second SIGTERM leaves at "
	      "once\n"
	      "  check    look at everything a worker needs, change nothing, and report\n"
	      "  parked   what could not be run or answered, on the queue kept for it:\n"
	      "             list            one line each\n"
	      "             show ID         all that is known of it\n"
	      "             retry ID|--all  queue an operation again\n"
	      "             drop ID|--all   remove it for good\n"
	      "  version  print the version\n"
	      "  help     print this\n"
	      "\n"
	      "  --config FILE    configuration, default " DEFAULT_CONFIG "\n"
	      "  --print-config   print each value and its origin, without secrets, and leave\n"
	      "  --print-example  print an annotated configuration, and leave\n"
	      "  --json           check, parked: one JSON object instead of lines\n"
	      "  --orphans        check: also list unfinished tasks of others\n"
	      "\n"
	      "Exit status: 0 done, drained, or all is ok; 1 a problem, or a check that is not "
	      "ok;\n"
	      "2 wrong usage, or a configuration that cannot be read.\n",
		out);
}
