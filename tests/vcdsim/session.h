/* SPDX-License-Identifier: MIT */
/* Who is calling. */
#ifndef VCDSIM_SESSION_H
#define VCDSIM_SESSION_H

#include "tests/vcdsim/http.h"

/* The live session of the request's token, now used; NULL without one. Under the state lock. */
struct sim_session *session_find(struct sim *sim, const struct sim_request *req);

/* A new session, its rights as they are now. Under the state lock. */
struct sim_session *session_new(struct sim *sim, struct sim_user *user);

#endif
