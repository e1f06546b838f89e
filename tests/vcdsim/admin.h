/* SPDX-License-Identifier: MIT */
/* The plain HTTP port for tests: state, calls, imposed time, guests, faults, options. */
#ifndef VCDSIM_ADMIN_H
#define VCDSIM_ADMIN_H

#include "tests/vcdsim/state.h"

int admin_start(struct sim *sim, const char *listen, struct error *err) MUST_CHECK;
void admin_stop(struct sim *sim);
int admin_port(const struct sim *sim);

/* What GET /state, /tasks show; new objects, made under the state lock. */
struct json_object *state_view(struct sim *sim) MUST_CHECK;
struct json_object *tasks_view(struct sim *sim) MUST_CHECK;

#endif
