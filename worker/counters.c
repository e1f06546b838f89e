/* SPDX-License-Identifier: MIT */
#include "worker/counters.h"

#include <inttypes.h>

enum kind { KIND_COUNT, KIND_LEVEL, KIND_LEVEL_MS, KIND_TIMES };

/* A row that opens a family has a name, one that belongs to it has none. */
struct row {
	enum kind kind;
	const char *name, *help;
	const char *labels;
	int index;
};

static const struct row rows[] = {
#define FAMILY(kind_, name_, help_) {.kind = KIND_##kind_, .name = (name_), .help = (help_)},
#define COUNTER(id_, labels_) {.labels = (labels_), .index = COUNTER_##id_},
#define TIMING(id_, labels_) {.labels = (labels_), .index = TIMING_##id_},
#include "worker/counters.def"
#undef FAMILY
#undef COUNTER
#undef TIMING
};

/* From a quick answer of VCD to the longest pass. */
static const int64_t bounds_ms[TIMING_BUCKETS] = {
	10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 20000, 30000, 45000, 60000};

void counter_add(struct counters *counters, enum counter which, int64_t n)
{
	atomic_fetch_add_explicit(&counters->values[which], n, memory_order_relaxed);
}

void counter_set(struct counters *counters, enum counter which, int64_t value)
{
	atomic_store_explicit(&counters->values[which], value, memory_order_relaxed);
}

int64_t counter_get(const struct counters *counters, enum counter which)
{
	return atomic_load_explicit(&counters->values[which], memory_order_relaxed);
}

void timing_note(struct counters *counters, enum timing which, int64_t ms)
{
	struct timing_counts *counts = &counters->timings[which];
	_Atomic int64_t *share = &counts->beyond;

	for (size_t i = 0; i < TIMING_BUCKETS; i++) {
		if (ms <= bounds_ms[i]) {
			share = &counts->buckets[i];
			break;
		}
	}
	atomic_fetch_add_explicit(share, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&counts->sum_ms, ms > 0 ? ms : 0, memory_order_relaxed);
}

void counters_print_family(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void print_seconds(struct buf *out, int64_t ms)
{
	buf_printf(out, "%s%" PRId64 ".%03" PRId64, ms < 0 ? "-" : "", (ms < 0 ? -ms : ms) / 1000,
		(ms < 0 ? -ms : ms) % 1000);
}

static void print_number(
	struct buf *out, const struct row *family, const struct row *row, int64_t value)
{
	const char *open = *row->labels ? "{" : "", *close = *row->labels ? "}" : "";

	buf_printf(out, "%s%s%s%s ", family->name, open, row->labels, close);
	if (family->kind == KIND_LEVEL_MS)
		print_seconds(out, value);
	else
		buf_printf(out, "%" PRId64, value);
	buf_add_str(out, "\n");
}

static void print_timing(struct buf *out, const struct row *family, const struct row *row,
	const struct timing_counts *counts)
{
	const char *open = *row->labels ? "{" : "", *close = *row->labels ? "}" : "";
	const char *comma = *row->labels ? "," : "";
	int64_t sum_ms = atomic_load_explicit(&counts->sum_ms, memory_order_relaxed);
	int64_t total = 0;

	for (size_t i = 0; i < TIMING_BUCKETS; i++) {
		total += atomic_load_explicit(&counts->buckets[i], memory_order_relaxed);
		buf_printf(out, "%s_bucket{%s%sle=\"%g\"} %" PRId64 "\n", family->name, row->labels,
			comma, (double)bounds_ms[i] / 1000, total);
	}
	/* One reading for the last bucket and the count: they must be equal. */
	total += atomic_load_explicit(&counts->beyond, memory_order_relaxed);
	buf_printf(out, "%s_bucket{%s%sle=\"+Inf\"} %" PRId64 "\n", family->name, row->labels,
		comma, total);
	buf_printf(out, "%s_sum%s%s%s ", family->name, open, row->labels, close);
	print_seconds(out, sum_ms);
	buf_printf(out, "\n%s_count%s%s%s %" PRId64 "\n", family->name, open, row->labels, close,
		total);
}

void counters_print(const struct counters *counters, struct buf *out)
{
	static const char *const types[] = {
		[KIND_COUNT] = "counter",
		[KIND_LEVEL] = "gauge",
		[KIND_LEVEL_MS] = "gauge",
		[KIND_TIMES] = "histogram",
	};
	const struct row *family = NULL;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *row = &rows[i];

		if (row->name) {
			family = row;
			counters_print_family(out, row->name, types[row->kind], row->help);
		} else if (family && family->kind == KIND_TIMES) {
			print_timing(out, family, row, &counters->timings[row->index]);
		} else if (family) {
			print_number(
				out, family, row, counter_get(counters, (enum counter)row->index));
		}
	}
}
