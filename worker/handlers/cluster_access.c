/* SPDX-License-Identifier: MIT */
#include "worker/handlers/cluster_access.h"

#include "common/json.h"
#include "common/str.h"
#include "worker/admission.h"

enum { GRANTS_PAGE = 128, GRANTS_PAGES_MAX = 16 };

#define LEVEL_READ_WRITE "urn:vcloud:accessLevel:ReadWrite"
#define LEVEL_FULL_CONTROL "urn:vcloud:accessLevel:FullControl"

/* Each level holds what is asked for, and each right lets use it; the second one may be NULL. */
static const struct {
	const char *levels[2], *rights[2];
	const char *lacking;
} rows[] = {
	[ACCESS_CHANGE] = {{LEVEL_FULL_CONTROL, LEVEL_READ_WRITE},
		{RIGHT_CLUSTER_FULL, RIGHT_CLUSTER_MODIFY}, "may not change"},
	[ACCESS_FULL] = {{LEVEL_FULL_CONTROL}, {RIGHT_CLUSTER_FULL}, "has no full control of"},
};

struct question {
	struct thread_ctx *ctx;
	const struct identity *who;
	struct json_object *document;
	enum cluster_access access;
};

static bool is_granted(const struct question *question, struct json_object *grant)
{
	const struct identity *who = question->who;
	const char *member = json_str(grant, "memberId", "");
	const char *level = json_str(grant, "accessLevelId", "");
	const char *const *levels = rows[question->access].levels;

	if (!str_eq(level, levels[0]) && !(levels[1] && str_eq(level, levels[1])))
		return false;
	for (size_t i = 0; i < who->role_count; i++)
		if (str_eq(member, who->role_urns[i]))
			return true;
	return str_eq(member, who->user_urn) || str_eq(member, who->org_urn);
}

/* One page of …/accessControls; service session, which sees all grants. 1: there are more. */
static int read_grants(const struct question *question, int number, bool *out, struct error *err)
{
	const char *urn = json_str(question->document, "id", "");
	CLEANUP(json_release)
	struct json_object *page = NULL;
	struct vcd_answer answer;
	struct json_object *values;
	size_t count;

	if (vcd_json(question->ctx->vcd, VCD_SERVICE, "GET",
		    arena_printf(&question->ctx->arena,
			    "/cloudapi/1.0.0/entities/%s/accessControls?page=%d&pageSize=%d", urn,
			    number, GRANTS_PAGE),
		    NULL, "grants of the cluster", &answer, &page, err))
		return -1;
	values = json_at(page, "values");
	count = json_object_is_type(values, json_type_array) ? json_object_array_length(values) : 0;
	for (size_t i = 0; i < count && !*out; i++)
		*out = is_granted(question, json_object_array_get_idx(values, i));
	return json_int(page, "pageCount", count < GRANTS_PAGE ? number : number + 1) > number;
}

/* Page after page until a grant of the caller is found; a request's time bounds them as well. */
static int has_grant(const struct question *question, bool *out, struct error *err)
{
	struct error cause = {0};
	int more = 1;

	*out = false;
	for (int number = 1; more > 0 && !*out && number <= GRANTS_PAGES_MAX; number++)
		more = read_grants(question, number, out, &cause);
	if (more >= 0 || !error_may_retry(cause.code))
		return 0; /* none more that could be shown */
	*err = cause;
	return -1;
}

static int has_right(const struct question *question, bool *out, struct error *err)
{
	const char *const *rights = rows[question->access].rights;

	if (identity_has_right(question->ctx, question->who, rights[0], out, err))
		return -1;
	if (*out || !rights[1])
		return 0;
	return identity_has_right(question->ctx, question->who, rights[1], out, err);
}

int cluster_need_access(struct thread_ctx *ctx, const struct caller *caller,
	struct json_object *document, enum cluster_access access, struct error *err)
{
	const struct question question = {
		.ctx = ctx, .who = &caller->who, .document = document, .access = access};
	const char *owner = json_str(document, "owner.id", "");
	bool admin, right, reaches = str_eq(owner, caller->who.user_urn);

	if (identity_has_right(ctx, &caller->who, RIGHT_CLUSTER_ADMIN, &admin, err))
		return -1;
	/* As far as VCD lets it reach: to the own org, and for the System's users to all. */
	if (admin && (caller->who.system_admin ||
			     str_eq(json_str(document, "org.id", ""), caller->who.org_urn)))
		return 0;
	if (has_right(&question, &right, err))
		return -1;
	if (right && !reaches && has_grant(&question, &reaches, err))
		return -1;
	if (right && reaches)
		return 0;
	return error_set(err, ERR_DENIED, "user '%s' %s cluster '%s'", caller->who.user_name,
		rows[access].lacking, cluster_name_of(document));
}
