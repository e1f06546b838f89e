/* SPDX-License-Identifier: MIT */
/*
 * Plays VCD's side against two consumers in turn, the echo and the worker, and compares them:
 *
 *	bench_load RUN ROUNDS SECONDS K[,K…] ECHO_PID WORKER_PID
 *
 * RUN a: one token for all requests; RUN b: a token of its own for each, worker only. Requests of 5
 *KB, K outstanding, matched by correlation id. Medians over the rounds go to stdout as one JSON
 *line, a table to stderr. Exit 1 when a reply is lost, doubled or not 200.
 */
#include "tests/bench/bench_load.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KS_MAX = 8, ROUNDS_MAX = 25, SIDES = 2 };

static const char *const side_names[SIDES] = {"echo", "worker"};
static const char *const side_keys[SIDES] = {"bench-echo", "cse"};

/* One column of the table per K and side. */
struct column {
	long outstanding;
	int side;
	struct bench_phase rounds[ROUNDS_MAX];
	size_t count;
};

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(const struct column *column, size_t offset)
{
	double values[ROUNDS_MAX];

	for (size_t i = 0; i < column->count; i++)
		memcpy(&values[i], (const char *)&column->rounds[i] + offset, sizeof(double));
	qsort(values, column->count, sizeof(double), compare);
	return values[column->count / 2];
}

#define MEDIAN(column, member) median((column), offsetof(struct bench_phase, member))

static long total(const struct column *column, size_t offset)
{
	long sum = 0, value;

	for (size_t i = 0; i < column->count; i++) {
		memcpy(&value, (const char *)&column->rounds[i] + offset, sizeof(value));
		sum += value;
	}
	return sum;
}

#define TOTAL(column, member) total((column), offsetof(struct bench_phase, member))

static bool print_column(const struct column *column, const struct column *echo, bool first)
{
	double rate = MEDIAN(column, rate);
	double ratio = echo ? rate / MEDIAN(echo, rate) : 0;
	long bad = TOTAL(column, lost) + TOTAL(column, duplicate) + TOTAL(column, refused);

	printf("%s{\"k\":%ld,\"side\":\"%s\",\"rate\":%.0f,\"ratio\":%.2f,\"p50_ms\":%.2f,"
	       "\"p99_ms\":%.2f,\"cpu_us\":%.1f,\"rss_kib\":%.0f,\"done\":%ld,\"lost\":%ld,"
	       "\"duplicate\":%ld,\"refused\":%ld}",
		first ? "" : ",", column->outstanding, side_names[column->side], rate, ratio,
		MEDIAN(column, p50_ms), MEDIAN(column, p99_ms), MEDIAN(column, cpu_us),
		MEDIAN(column, rss_kib), TOTAL(column, done), TOTAL(column, lost),
		TOTAL(column, duplicate), TOTAL(column, refused));
	fprintf(stderr, "%5ld %-7s %8.0f %6.2f %8.2f %8.2f %8.1f %9.0f %9ld %5ld %5ld %7ld\n",
		column->outstanding, side_names[column->side], rate, ratio, MEDIAN(column, p50_ms),
		MEDIAN(column, p99_ms), MEDIAN(column, cpu_us), MEDIAN(column, rss_kib),
		TOTAL(column, done), TOTAL(column, lost), TOTAL(column, duplicate),
		TOTAL(column, refused));
	return bad == 0;
}

static bool print_results(const char *run, struct column *columns, size_t count)
{
	bool good = true;

	fprintf(stderr, "run %s\n%5s %-7s %8s %6s %8s %8s %8s %9s %9s %5s %5s %7s\n", run, "K",
		"side", "rate/s", "ratio", "p50 ms", "p99 ms", "CPU us", "RSS KiB", "done", "lost",
		"dupl", "refused");
	printf("{\"run\":\"%s\",\"rounds\":%zu,\"results\":[", run, columns[0].count);
	for (size_t i = 0; i < count; i++) {
		const struct column *echo =
			i > 0 && columns[i].side == 1 && columns[i - 1].side == 0 ? &columns[i - 1]
										  : NULL;

		good = print_column(&columns[i], echo, i == 0) && good;
	}
	printf("]}\n");
	return good;
}

static size_t make_columns(struct column *columns, const char *ks, bool with_echo)
{
	size_t count = 0;

	while (*ks && count < (size_t)KS_MAX * SIDES) {
		char *end;
		long k = strtol(ks, &end, 10);

		bench_need(end != ks && k > 0 && k <= BENCH_OUTSTANDING_MAX, "read K");
		if (with_echo)
			columns[count++] = (struct column){.outstanding = k, .side = 0};
		columns[count++] = (struct column){.outstanding = k, .side = 1};
		ks = *end == ',' ? end + 1 : end;
	}
	return count;
}

int main(int argc, char **argv)
{
	static struct column columns[KS_MAX * SIDES];
	struct bench_load *load;
	size_t count, rounds;
	bool good;

	if (argc != 7) {
		fprintf(stderr, "usage: bench_load a|b ROUNDS SECONDS K[,K] ECHO_PID WORKER_PID\n");
		return 2;
	}
	rounds = strtoul(argv[2], NULL, 10);
	bench_need(rounds >= 1 && rounds <= ROUNDS_MAX, "read ROUNDS");
	count = make_columns(columns, argv[4], argv[1][0] == 'a');
	load = bench_load_new(argv[1][0] == 'b');
	for (size_t i = 0; i < count; i++) /* caches and connections warm */
		bench_load_run(load, side_keys[columns[i].side], columns[i].outstanding, 1, 0);
	for (size_t round = 0; round < rounds; round++)
		for (size_t i = 0; i < count; i++) {
			long pid = strtol(argv[columns[i].side ? 6 : 5], NULL, 10);

			columns[i].rounds[columns[i].count++] =
				bench_load_run(load, side_keys[columns[i].side],
					columns[i].outstanding, strtod(argv[3], NULL), pid);
		}
	good = print_results(argv[1], columns, count);
	bench_load_free(&load);
	return good ? 0 : 1;
}
