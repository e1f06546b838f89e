/* SPDX-License-Identifier: MIT */
/* Building the start state from the seed file; state_load calls it. */
#ifndef VCDSIM_SEED_H
#define VCDSIM_SEED_H

#include "tests/vcdsim/state.h"

/* Takes everything from sim->seed. INVALID names what is wrong. */
int seed_apply(struct sim *sim, struct error *err) MUST_CHECK;

#endif
