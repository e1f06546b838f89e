/* SPDX-License-Identifier: MIT */
/* One phase of load: K requests outstanding for some seconds, and what came of them. */
#ifndef TESTS_BENCH_LOAD_H
#define TESTS_BENCH_LOAD_H

#include "tests/bench/bench_bus.h"

enum { BENCH_OUTSTANDING_MAX = 4096 };

struct bench_phase {
	double rate;	       /* replies per second */
	double p50_ms, p99_ms; /* publish to reply */
	double cpu_us;	       /* of the consumer's process, per reply */
	double rss_kib;	       /* of the consumer's process, at the end */
	long done, lost, duplicate;
	long refused; /* replies that are not 200 */
};

struct bench_load;

/* fresh_tokens: each request has a bearer token no other has. */
struct bench_load *bench_load_new(bool fresh_tokens);
void bench_load_free(struct bench_load **load);

/* pid 0: nothing is measured of the process. Waits up to 15 s for the last replies. */
struct bench_phase bench_load_run(struct bench_load *load, const char *routing_key,
	long outstanding, double seconds, long pid);

#endif
