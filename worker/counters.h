/* SPDX-License-Identifier: MIT */
/*
 * What the worker counts: one table (counters.def), one atomic each, no lock. Any thread writes;
 * only the admin port reads. Zeroed memory is ready to use. A number never decides anything.
 */
#ifndef WORKER_COUNTERS_H
#define WORKER_COUNTERS_H

#include "common/buf.h"

#include <stdatomic.h>

enum counter {
#define FAMILY(kind, name, help)
#define COUNTER(id, labels) COUNTER_##id,
#define TIMING(id, labels)
#include "worker/counters.def"
#undef COUNTER
#undef TIMING
	COUNTER_COUNT
};

enum timing {
#define COUNTER(id, labels)
#define TIMING(id, labels) TIMING_##id,
#include "worker/counters.def"
#undef FAMILY
#undef COUNTER
#undef TIMING
	TIMING_COUNT
};

enum { TIMING_BUCKETS = 14 };

struct timing_counts {
	_Atomic int64_t buckets[TIMING_BUCKETS]; /* each its own share, not the sum so far */
	_Atomic int64_t beyond;			 /* longer than the last bound */
	_Atomic int64_t sum_ms;
};

struct counters {
	_Atomic int64_t values[COUNTER_COUNT];
	struct timing_counts timings[TIMING_COUNT];
};

/* Adds n, which may be negative for a LEVEL. */
void counter_add(struct counters *counters, enum counter which, int64_t n);
/* Sets a LEVEL or LEVEL_MS. */
void counter_set(struct counters *counters, enum counter which, int64_t value);
int64_t counter_get(const struct counters *counters, enum counter which);

/* Notes one duration. */
void timing_note(struct counters *counters, enum timing which, int64_t ms);

/* Appends every family in the text format 0.0.4 of Prometheus. */
void counters_print(const struct counters *counters, struct buf *out);

/* Appends the two lines that open a family, for numbers that are not in the table. */
void counters_print_family(struct buf *out, const char *name, const char *type, const char *help);

#endif
