/* SPDX-License-Identifier: MIT */
/*
 * What clients asked for, the time that was imposed on them, and the faults that a test ordered.
 * It has a lock of its own, so every function may be called with and without the state lock.
 */
#ifndef VCDSIM_CALLS_H
#define VCDSIM_CALLS_H

#include "tests/vcdsim/state.h"

struct sim_fault_hit {
	int status; /* 0: no error answer is forced */
	char minor[64], message[256];
	int64_t delay_ms;  /* before the call is handled */
	bool reset, stall; /* close the connection; accept and never answer */
	bool after_effect; /* handle the call first, then answer as above */
};

struct sim_calls *calls_new(void) MUST_CHECK;
void calls_free(struct sim_calls *calls);

/* Adds a line to the call log. user is "name@org" or "". */
void calls_log(struct sim *sim, const char *method, const char *uri, int status, const char *agent,
	const char *user);
/* True when an ordered fault matches this call; it is used up as its "times" says. */
bool calls_fault(struct sim *sim, const char *method, const char *path, const char *agent,
	struct sim_fault_hit *out);

/*
 * Notes time that the simulator imposed on whoever builds a cluster. Of one name only the longest
 * counts, since equal things run in parallel: "clone", "nat", "reconfigure", "boot", "init",
 * "join", "extra_latency". GET /path shows the items and their sum; POST /calls/reset forgets them.
 */
void path_add(struct sim *sim, const char *name, int64_t ms);

/* Admin views, each a new object. */
struct json_object *calls_json(struct sim *sim) MUST_CHECK;
struct json_object *path_json(struct sim *sim) MUST_CHECK;
struct json_object *faults_json(struct sim *sim) MUST_CHECK;
void calls_reset(struct sim *sim);
/*
 * Orders a fault: {method, path_prefix, agent (prefix), nth: which matching call is the first to be
 * hit (1), times: how many are (1; 0: all), status, minor, message, reset, stall, after_effect,
 * delay_ms}. Everything is optional. INVALID on another member.
 */
int faults_add(struct sim *sim, struct json_object *fault, struct error *err) MUST_CHECK;
void faults_clear(struct sim *sim);

#endif
