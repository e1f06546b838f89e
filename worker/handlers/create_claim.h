/* SPDX-License-Identifier: MIT */
/*
 * Whose a cluster name is: names are unique in an org, and the same request id finds what it has
 * already made instead of making it twice.
 */
#ifndef WORKER_HANDLERS_CREATE_CLAIM_H
#define WORKER_HANDLERS_CREATE_CLAIM_H

#include "worker/admission.h"

/*
 * Looks for a cluster of the wanted name in the org (service session). 0: there is none; 1: it is
 * this very request's, *winner is its document and the caller releases it; -1: CONFLICT, somebody
 * else's.
 */
int claim_look(const struct admission *adm, const struct request *req, struct json_object **winner,
	struct error *err) MUST_CHECK;

/* The same after VCD refused the vApp's name: by way of the vApp's Description. 1 or -1. */
int claim_look_vapp(const struct admission *adm, const struct request *req,
	struct json_object **winner, struct error *err) MUST_CHECK;

/* An accepted cluster has its vApp's href in externalId. */
bool claim_is_accepted(struct json_object *document);

/*
 * Looks again while this request's entity `urn` and its vApp exist: of two requests for one name
 * that began together at least one sees the other here. *own is our document, which the caller
 * releases; *twin: the request has made another one for the same task, see plans/twin.h. CONFLICT
 * when we must give way; BUSY when the other one does not decide in time. May wait, until
 * timing.first_write after the delivery.
 */
int claim_settle(const struct admission *adm, const struct request *req, const char *urn,
	struct json_object **own, bool *twin, struct error *err) MUST_CHECK;

#endif
