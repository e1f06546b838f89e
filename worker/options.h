/* SPDX-License-Identifier: MIT */
/* The command line: one command, few options. Reads nothing but its arguments. */
#ifndef WORKER_OPTIONS_H
#define WORKER_OPTIONS_H

#include "worker/parked.h"

#include <stdio.h>

enum command { COMMAND_RUN, COMMAND_CHECK, COMMAND_PARKED, COMMAND_VERSION, COMMAND_HELP };

struct options {
	enum command command;
	const char *config_path; /* borrowed from argv */
	bool print_config;
	bool print_example;
	bool json;    /* of check and parked */
	bool orphans; /* of check */
	struct parked_options parked;
	const char *wrong; /* the argument that a problem is about; NULL: no single one */
	char letter[3];	   /* room for it, when it is one letter of several */
};

/* The exit statuses of the program. */
enum { EXIT_OK = 0, EXIT_PROBLEM = 1, EXIT_USAGE = 2 };

/* Fills *out. False when the arguments are wrong; *problem is then a sentence without full stop. */
bool options_parse(struct options *out, int argc, char **argv, const char **problem) MUST_CHECK;

void options_usage(FILE *out);

#endif
