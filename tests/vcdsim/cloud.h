/* SPDX-License-Identifier: MIT */
/*
 * What the modules of the cloudapi share: documents as the client may see them, filtered lists, and
 * the first checks of a request.
 */
#ifndef VCDSIM_CLOUD_H
#define VCDSIM_CLOUD_H

#include "tests/vcdsim/filter.h"
#include "tests/vcdsim/http.h"

/* A copy without the members whose name starts with "_"; the caller owns it. */
struct json_object *doc_shown(struct json_object *doc) MUST_CHECK;

/*
 * The query's `filter`, parsed. False after the request was answered with 400: malformed, or it
 * names a key that is not in `keys` (NULL-terminated; "entity." allows every path below). Without a
 * filter *out is NULL.
 */
bool list_filter(const struct sim_request *req, struct sim_reply *reply, const char *const keys[],
	struct filter **out) MUST_CHECK;

/* Sorts by the query's sortAsc or sortDesc; without either the order means nothing, so it is
 * reversed. */
void list_sort(const struct sim_request *req, struct json_object *values);

/* {"name": …, "id": …} */
struct json_object *reference(const char *name, const char *id) MUST_CHECK;

/* Does this session see documents of that org (member orgRef.id or org.id)? Those of no org: all
 * do. */
bool doc_visible(struct sim *sim, const struct sim_session *session, struct json_object *doc);

/* False after a 400: the body is no JSON object, or holds a member that is not in `members`. */
bool body_ok(const struct sim_request *req, struct sim_reply *reply,
	const char *const members[]) MUST_CHECK;

struct cloud_work {
	const char *name, *operation; /* "edgeGatewayNatRuleCreate"; the sentence that people see */
	struct json_object *owner;    /* the document that it is about */
	const char *lock;	      /* what is busy meanwhile; NULL: nothing */
	int64_t delay_ms;	      /* -1: until somebody ends it */
	void (*done)(struct sim *sim, struct sim_task *task);
	struct json_object *note; /* for done; NULL: nothing */
};

/* Starts a native task about an object of the cloudapi. */
struct sim_task *cloud_task(
	struct sim *sim, const struct sim_request *req, const struct cloud_work *work) MUST_CHECK;

/* What `note` was when the task started; the caller releases it. */
struct json_object *task_note(const struct sim_task *task) MUST_CHECK;

#endif
