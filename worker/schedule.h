/* SPDX-License-Identifier: MIT */
/* When an operation's next pass is due. Pure: knows times, not contents. */
#ifndef WORKER_SCHEDULE_H
#define WORKER_SCHEDULE_H

#include "config/config.h"
#include "worker/details.h"

#include <stdatomic.h>

struct schedule {
	int64_t wait_ms;   /* what the step in hand usually needs */
	int64_t waited_ms; /* how long the operation has stood there already */
	int64_t failures;  /* in a row, before and with this pass */
	int64_t lag_ms;	   /* how late messages arrive, see struct lag */
};

/*
 * Delay in milliseconds: the step's wait, a twelfth of the time already waited when that is more
 * (what is slow is asked less often), the failures' square in seconds, half of the lag; at most
 * max_ms.
 */
int64_t schedule_delay_ms(const struct schedule *schedule, int64_t max_ms) MUST_CHECK;

/* When the first pass is due: what admission started with VCD is not ready before. */
int64_t schedule_first_ms(const struct config *config, enum operation op) MUST_CHECK;

/*
 * Moving average of how late messages arrive: an eighth of each new sample; early counts as 0. All
 * threads share it; two samples at the same moment may count as one.
 */
struct lag {
	_Atomic int64_t average_ms;
};
void lag_note(struct lag *lag, int64_t late_ms);
int64_t lag_average_ms(const struct lag *lag);

#endif
