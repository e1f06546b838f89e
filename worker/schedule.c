/* SPDX-License-Identifier: MIT */
#include "worker/schedule.h"

enum { FAILURES_MAX = 60, SECOND_MS = 1000, WAITED_PART = 12 };

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int64_t schedule_delay_ms(const struct schedule *schedule, int64_t max_ms)
{
	int64_t failures = smaller(schedule->failures, FAILURES_MAX);
	int64_t delay = larger(schedule->wait_ms, schedule->waited_ms / WAITED_PART);

	delay = larger(delay, failures * failures * SECOND_MS);
	delay = larger(delay, schedule->lag_ms / 2);
	return smaller(larger(delay, 0), max_ms);
}

/* Per operation, in units of the shortest rung: a clone takes VCD seconds at least. */
static const int first_waits[] = {
	[OPERATION_CREATE] = 5,
	[OPERATION_UPDATE] = 0,
	[OPERATION_DELETE] = 0,
};

int64_t schedule_first_ms(const struct config *config, enum operation op)
{
	return first_waits[op] * config->timing_rungs[0];
}

void lag_note(struct lag *lag, int64_t late_ms)
{
	int64_t average = atomic_load(&lag->average_ms);

	atomic_store(&lag->average_ms, average + (larger(late_ms, 0) - average) / 8);
}

int64_t lag_average_ms(const struct lag *lag)
{
	return atomic_load(&lag->average_ms);
}
