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
	int64_t delay_ms;	      /* before the call is handled */
	bool reset, stall;	      /* close the connection; accept and never answer */
	bool after_effect;	      /* handle the call first, then answer as above */
	bool hold_before, hold_after; /* wait before the effect, or before the answer */
	char task_error[256]; /* the task that the call starts ends in this error; "": none */
	int64_t fault;	      /* which one, for calls_hold() */
};

struct sim_call { /* one that a client makes, as faults look at it */
	const char *method, *path, *agent, *body;
	const char *request; /* the client's id of the request that it serves, NULL: none */
};

struct sim_calls *calls_new(void) MUST_CHECK;
void calls_free(struct sim_calls *calls);

/* Adds a line to the call log. user is "name@org" or "". */
void calls_log(struct sim *sim, const char *method, const char *uri, int status, const char *agent,
	const char *user);
/* True when an ordered fault matches this call; it is used up as its "times" says. */
bool calls_fault(struct sim *sim, const struct sim_call *call, struct sim_fault_hit *out);

/*
 * Holds this call until a test releases it, all faults are dropped or the simulator stops. False:
 * the test wants the connection closed, with no effect if there was none yet. Blocks; call it
 * without the state lock.
 */
bool calls_hold(
	struct sim *sim, const struct sim_fault_hit *hit, const struct sim_call *call) MUST_CHECK;

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
 * Orders a fault: {method, path_prefix, path (a pattern of the shell), agent (prefix), body (a part
 * of it), request (the client's request id), writes: only calls that change something (no GET, no
 * login), nth: which matching call is the first to be hit (1), times: how many are (1; 0: all),
 * status, minor, message, reset, stall, after_effect, delay_ms, hold: "before" the effect or
 * "after" it, task_error: text}. Everything is optional. INVALID on another member. faults_json
 * adds to each: seen (matching calls), hits, held (calls that wait now).
 */
int faults_add(struct sim *sim, struct json_object *fault, struct error *err) MUST_CHECK;
void faults_clear(struct sim *sim); /* held calls go on */
/*
 * Lets held calls go on, all or those that fit {path_prefix, path, body}; with {drop: true} closes
 * their connections instead. Returns how many there were.
 */
int64_t faults_release(struct sim *sim, struct json_object *which);

#endif
