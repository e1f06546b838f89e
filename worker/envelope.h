/* SPDX-License-Identifier: MIT */
/*
 * The message VCD forwards a client's HTTP request in: a JSON array of the request and of VCD's
 * word about the caller, which is a hint for fairness and logs and never authorises anything.
 */
#ifndef WORKER_ENVELOPE_H
#define WORKER_ENVELOPE_H

#include "common/amqp.h"
#include "config/config.h"
#include "worker/request.h"

struct envelope {
	struct request request; /* without body, query and tokens of the route */
	const char *accept;	/* header; NULL when absent */
	const char *body64;	/* "" when there was none */
	const char *query_text; /* "" when there was none */
	const char *org_hint;	/* URN of VCD's context, "" when absent */
};

/*
 * Reads a delivery; strings live in the arena. INVALID: not such an array, or one of id, method,
 * requestUri and headers is missing or of a wrong type, or body or queryString is no text.
 * Everything else may be absent or odd.
 * out->request.id is set as soon as it is known, else "". Release in every case.
 */
int envelope_decode(struct envelope *out, struct arena *arena, const struct delivery *delivery,
	const struct config *config, struct error *err) MUST_CHECK;

/*
 * Decodes and parses query and body into the request, within the configured limits. INVALID: not
 * percent-encoded, not Base64, not JSON, too long or too deep.
 */
int envelope_open(struct envelope *envelope, struct arena *arena, const struct config *config,
	struct error *err) MUST_CHECK;

void envelope_release(struct envelope *envelope);

#endif
