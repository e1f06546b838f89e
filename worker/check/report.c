/* SPDX-License-Identifier: MIT */
#include "common/buf.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/str.h"
#include "worker/check/row.h"

#include <string.h>

static const char *const result_names[] = {
	[CHECK_OK] = "ok",
	[CHECK_WARN] = "warn",
	[CHECK_FAIL] = "FAIL",
	[CHECK_SKIPPED] = "skipped",
};

const char *check_result_name(enum check_result result)
{
	return result_names[result];
}

/* Names come from VCD and the broker: nothing of them reaches the terminal as a command. */
static void print_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		unsigned char byte = (unsigned char)*text, next = (unsigned char)text[1];
		/* U+0080 to U+009F are commands too. */
		bool c1 = byte == 0xc2 && next >= 0x80 && next < 0xa0;

		fputc(byte < 0x20 || byte == 0x7f || c1 ? '?' : byte, out);
		text += c1;
	}
}

void check_print_lines(const struct check *check, FILE *out)
{
	for (const struct check_finding *at = check->first; at; at = at->next) {
		fprintf(out, "%-7s  %-20s  ", result_names[at->result], check->row->name);
		if (*at->object) {
			print_text(out, at->object);
			fputs(": ", out);
		}
		print_text(out, at->found);
		if (*at->remedy) {
			fputs(" -> ", out);
			print_text(out, at->remedy);
		}
		fputc('\n', out);
	}
	fflush(out);
}

void check_count(struct check *const *checks, size_t count, size_t totals[CHECK_RESULTS])
{
	memset(totals, 0, CHECK_RESULTS * sizeof(*totals));
	for (size_t i = 0; i < count; i++)
		for (const struct check_finding *at = checks[i]->first; at; at = at->next)
			totals[at->result]++;
}

void check_print_totals(struct check *const *checks, size_t count, FILE *out)
{
	size_t totals[CHECK_RESULTS];

	check_count(checks, count, totals);
	fprintf(out, "%zu ok, %zu warn, %zu FAIL, %zu skipped\n", totals[CHECK_OK],
		totals[CHECK_WARN], totals[CHECK_FAIL], totals[CHECK_SKIPPED]);
	fflush(out);
}

/* The worst of all; what was skipped has its cause in another row. */
static const char *overall(const size_t totals[CHECK_RESULTS])
{
	if (totals[CHECK_FAIL])
		return result_names[CHECK_FAIL];
	return result_names[totals[CHECK_WARN] ? CHECK_WARN : CHECK_OK];
}

static void set_text(struct json_object *row, const char *key, const char *text)
{
	/* A peer may send bytes that JSON cannot hold. */
	json_set_str(row, key, str_is_utf8(text, strlen(text)) ? text : "(not UTF-8)");
}

void check_print_json(
	struct check *const *checks, size_t count, const struct config *config, FILE *out)
{
	CLEANUP(json_release)
	struct json_object *report = json_object_new_object();
	struct json_object *rows = json_object_new_array();
	struct arena arena = {0};
	size_t totals[CHECK_RESULTS];

	check_count(checks, count, totals);
	json_set_str(report, "program", "cse-worker " CSE_VERSION);
	json_set_str(report, "deployment", config->deployment);
	json_set_str(report, "result", overall(totals));
	for (size_t i = 0; i < CHECK_RESULTS; i++)
		json_set_int(report, arena_printf(&arena, "counts.%s", result_names[i]),
			(int64_t)totals[i]);
	for (size_t i = 0; i < count; i++) {
		for (const struct check_finding *at = checks[i]->first; at; at = at->next) {
			struct json_object *row = json_object_new_object();

			json_set_str(row, "check", checks[i]->row->name);
			json_set_str(row, "result", result_names[at->result]);
			set_text(row, "object", at->object);
			set_text(row, "found", at->found);
			set_text(row, "do", at->remedy);
			json_object_array_add(rows, row);
		}
	}
	json_set(report, "rows", rows);
	fprintf(out, "%s\n", json_text(&arena, report));
	fflush(out);
	arena_reset(&arena);
}
