/* SPDX-License-Identifier: MIT */
#include "common/str.h"
#include "config/check.h"
#include "config/params.h"

#include <string.h>

void config_print(const struct config *config, FILE *out)
{
	for (const struct param *param = params; param->section || param->path; param++) {
		CLEANUP(buf_release)
		struct buf value;

		if (!param->path)
			continue;
		buf_init(&value, 8192);
		param_text(config, param, &value);
		fprintf(out, "%-26s %-32s # %s\n", param->path,
			value.len ? buf_str(&value) : "(unset)",
			config_origin(config, param->path));
	}
}

static int depth_of(const char *path)
{
	int depth = 0;

	for (; *path; path++)
		depth += *path == '.';
	return depth;
}

static void indent(FILE *out, int depth)
{
	fprintf(out, "%*s", 2 * depth, "");
}

static void print_comment(FILE *out, int depth, const char *text)
{
	const char *line;
	size_t len;

	while ((line = str_next(&text, '\n', &len))) {
		indent(out, depth);
		fprintf(out, "# %.*s\n", (int)len, line);
	}
}

/* Opens "tls:" when the row is the first one in a section inside its section. */
static void print_subsection(FILE *out, const struct param *param, const struct param *before)
{
	const char *dot = strrchr(param->path, '.');
	const char *start = strchr(param->path, '.');
	size_t len = dot ? (size_t)(dot - param->path) : 0;

	if (!dot || dot == start ||
		(before->path && strncmp(before->path, param->path, len + 1) == 0))
		return;
	indent(out, 1);
	fprintf(out, "%.*s:\n", (int)(dot - start - 1), start + 1);
}

static void print_expectation(FILE *out, const struct param *param, int depth)
{
	CLEANUP(buf_release)
	struct buf expected;

	buf_init(&expected, 256);
	param_expectation(param, &expected);
	indent(out, depth);
	fprintf(out, "# [%s%s]\n", buf_str(&expected),
		!param->preset	 ? "; required"
		: *param->preset ? ""
				 : "; optional");
}

static void print_row(FILE *out, const struct param *param, const struct param *before)
{
	const char *dot = strrchr(param->path, '.');
	int depth = depth_of(param->path);
	const char *value = str_empty(param->preset) ? param->example : param->preset;

	print_subsection(out, param, before);
	print_comment(out, depth, param->text);
	print_expectation(out, param, depth);
	indent(out, depth);
	fprintf(out, "%s%s: ", param->preset ? "# " : "", dot ? dot + 1 : param->path);
	if (param->type == PARAM_TIMES) {
		const char *item;
		size_t len;

		fputs("[", out);
		for (bool first = true; (item = str_next(&value, ' ', &len)); first = false)
			fprintf(out, "%s%.*s", first ? "" : ", ", (int)len, item);
		fputs("]\n", out);
	} else {
		fprintf(out, "%s\n", value);
	}
}

void config_print_example(FILE *out)
{
	fputs("# Configuration of cse-worker, as `cse-worker check --print-example` prints it.\n"
	      "# Commented keys show their default, or an example where they are optional. "
	      "Unknown\n"
	      "# keys are errors. A variable CSE_WORKER_<KEY>, as CSE_WORKER_VCD_HOST, overrides "
	      "a\n"
	      "# key; lists are separated by blanks there. `check --print-config` shows each "
	      "value\n"
	      "# and where it came from.\n\n",
		out);
	for (const struct param *param = params; param->section || param->path; param++) {
		if (param->path) {
			print_row(out, param, param - 1 < params ? param : param - 1);
			continue;
		}
		fputs("\n", out);
		print_comment(out, 0, param->text);
		fprintf(out, "%s:\n", param->section);
	}
}
