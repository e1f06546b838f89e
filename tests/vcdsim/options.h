/* SPDX-License-Identifier: MIT */
/* The simulator's switches, by name. */
#ifndef VCDSIM_OPTIONS_H
#define VCDSIM_OPTIONS_H

#include "tests/vcdsim/state.h"

void options_init(struct sim_options *options); /* the defaults */
/* INVALID when the name is unknown or the value out of range. */
int options_set(
	struct sim_options *options, const char *name, int64_t value, struct error *err) MUST_CHECK;
struct json_object *options_json(const struct sim_options *options) MUST_CHECK;

#endif
