/* SPDX-License-Identifier: MIT */
/*
 * The simulator's end of the message broker: a request goes to an extension's exchange, its reply
 * comes back through a reply exchange, matched by correlation id.
 *
 * One thread owns the connection and makes it again whenever it is lost. Callers wait without any
 * lock but the bridge's own.
 */
#ifndef VCDSIM_BRIDGE_H
#define VCDSIM_BRIDGE_H

#include "common/arena.h"
#include "tests/vcdsim/state.h"

/*
 * Starts the thread, declares the extension's exchange (direct, durable) at every connect, and
 * waits up to 5 s for the first one; a broker that comes later is found later. INVALID: password
 * file.
 */
int bridge_start(struct sim *sim, struct error *err) MUST_CHECK;
void bridge_stop(struct sim *sim); /* fails the calls that still wait */

struct bridge_request {
	const char *exchange, *routing_key;
	const char *text;
	int copies; /* how often the same message is sent */
};

enum bridge_result {
	BRIDGE_REPLIED,
	BRIDGE_TIMED_OUT,
	BRIDGE_FAILED, /* no broker, or no such exchange */
};

/* Blocks up to timeout_ms; not under the state lock. The reply's body lives in the arena. */
enum bridge_result bridge_call(struct sim *sim, const struct bridge_request *request,
	int64_t timeout_ms, struct arena *arena, char **reply) MUST_CHECK;

#endif
