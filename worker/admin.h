/* SPDX-License-Identifier: MIT */
/*
 * The admin port: GET only, no login, on loopback unless configured otherwise. One thread of its
 * own serves all connections and never waits for anything but them.
 */
#ifndef WORKER_ADMIN_H
#define WORKER_ADMIN_H

#include "worker/thread.h"

struct admin;

/*
 * Listens as configured; *out stays NULL when admin.port is 0. INTERNAL: cannot listen. Call it
 * with signals blocked: its thread inherits the mask.
 */
int admin_start(struct admin **out, struct shared *shared, struct error *err) MUST_CHECK;

/* Ends the thread; before what it shows is freed. */
void admin_stop(struct admin **admin);

#endif
