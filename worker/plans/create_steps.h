/* SPDX-License-Identifier: MIT */
/* The checks and acts of a create's steps that live in create_nodes.c and create_guests.c. */
#ifndef WORKER_PLANS_CREATE_STEPS_H
#define WORKER_PLANS_CREATE_STEPS_H

#include "worker/plans/plan.h"

typedef enum condition step_check(const struct observed *seen, struct error *why);
typedef int step_act(struct work *work, struct observed *seen, struct error *err);

/* create_nodes.c */
/*
 * Of a step with something to write: VCD takes no write while it works on the vApp, unless that is
 * one of this pass, which its act waits for.
 */
enum condition write_condition(const struct observed *seen);
step_check check_astray, check_control_plane, check_workers, check_read_back, check_power;
step_act act_astray, act_control_plane, act_workers, act_power;

/* create_guests.c */
step_check check_boot, check_init, check_cni, check_joined, check_published, check_secrets;
step_act act_secrets;

#endif
