/* SPDX-License-Identifier: MIT */
#include "worker/vcd/vcd.h"

#include "common/clock.h"
#include "common/str.h"
#include "worker/check/row.h"
#include "worker/vcd/entity.h"
#include "worker/vcd/site.h"

#include <stdlib.h>
#include <string.h>

struct vcd *check_vcd(struct check *check)
{
	struct check_state *state = check->state;

	if (!state->vcd) {
		state->vcd_shared = vcd_shared_new(&state->config);
		state->vcd = vcd_new(state->vcd_shared, NULL, NULL);
	}
	/* Nothing that changes anything is started after 0, which is long ago. */
	vcd_begin(state->vcd, &check->arena, check->end_ms, 0);
	return state->vcd;
}

const char *check_vcd_remedy(const struct error *err)
{
	if (err->code == ERR_DENIED)
		return "give the service account's role the rights that vcd.right names";
	if (error_may_retry(err->code))
		return "run it again when VCD is well";
	return "run it again; if it stays, VCD's own log says why";
}

void check_vcd_tls(struct check *check)
{
	const struct config *config = &check->state->config;
	const char *host = config->vcd_host;
	const char *colon = strrchr(host, ':');

	if (!colon || strchr(colon, ']'))
		host = arena_printf(&check->arena, "%s:443", host);
	(void)check_certificate(check, host, config->vcd_ca_file, CHECK_FAIL);
}

void check_vcd_version(struct check *check)
{
	const char *wanted = check->state->config.vcd_api_version;
	struct vcd_version *versions;
	struct error err;
	size_t count;

	if (vcd_versions(check_vcd(check), &versions, &count, &err)) {
		check_add(check, CHECK_FAIL, "", "check vcd.host: this is not VCD's API", "%s",
			err.msg);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		if (!str_eq(versions[i].name, wanted))
			continue;
		if (versions[i].deprecated)
			check_add(check, CHECK_WARN, wanted,
				"do not upgrade VCD before a newer cse-worker is there",
				"supported, but a later VCD will not have it");
		else
			check_add(check, CHECK_OK, wanted, "", "supported");
		return;
	}
	check_add(check, CHECK_FAIL, wanted, "VCD 10.2 or 10.3 is needed",
		"not among the %zu API versions of this VCD", count);
}

void check_clock(struct check *check)
{
	/* The Date header has whole seconds. */
	enum { GOOD_MS = 5000, BAD_MS = 3600 * 1000 };
	struct vcd *vcd = check_vcd(check);
	struct vcd_version *versions;
	struct error err;
	int64_t begin_ms = clock_wall_ms();
	int64_t ahead_ms;
	size_t count;

	if (vcd_versions(vcd, &versions, &count, &err)) {
		check_add(check, CHECK_FAIL, "", check_vcd_remedy(&err), "%s", err.msg);
		return;
	}
	if (vcd_now_ms(vcd) == 0) {
		check_add(check, CHECK_FAIL, "",
			"something between here and VCD removes the header: let it through",
			"VCD's answers have no Date: the age of operations cannot be told");
		return;
	}
	ahead_ms = (begin_ms + clock_wall_ms()) / 2 - vcd_now_ms(vcd) - 500;
	if (llabs(ahead_ms) <= GOOD_MS)
		check_add(check, CHECK_OK, "", "", "within %d s of VCD's", GOOD_MS / 1000);
	else
		check_add(check, llabs(ahead_ms) < BAD_MS ? CHECK_WARN : CHECK_FAIL, "",
			"let both follow the same time servers: certificates of clusters are made "
			"with this clock",
			"this machine is %lld s %s VCD", (long long)llabs(ahead_ms) / 1000,
			ahead_ms > 0 ? "ahead of" : "behind");
}

void check_vcd_login(struct check *check)
{
	const struct config *config = &check->state->config;
	struct vcd_session *session = &check->state->session;
	struct error err;

	if (vcd_session_current(check_vcd(check), VCD_SERVICE, session, &err)) {
		check_add(check, CHECK_FAIL, config->vcd_user,
			"check vcd.user and vcd.password_file, and that VCD has not locked the "
			"account",
			"%s", err.msg);
		return;
	}
	if (!str_eq_ci(session->org_name, "System"))
		check_add(check, CHECK_FAIL, config->vcd_user,
			"give a user of the System org, as `cse install` makes it",
			"belongs to org %s and does not see tenants' objects", session->org_name);
	else
		check_add(check, CHECK_OK, config->vcd_user, "", "role %s",
			session->role_count ? session->role_names[0] : "unknown");
}

/* Every right the service session needs, with one of the calls that need it. */
static const struct {
	enum { SERVICE, CALLER, EITHER } session;
	const char *method, *path, *right;
} needed[] = {
#define VCD_RIGHT(function_, session_, method_, path_, right_) {session_, method_, path_, right_},
#include "worker/vcd/rights.def"
#undef VCD_RIGHT
};

/* A right is listed at its first row only. */
static bool is_needed(size_t index)
{
	if (needed[index].session == CALLER || !*needed[index].right)
		return false;
	for (size_t i = 0; i < index; i++)
		if (needed[i].session != CALLER && str_eq(needed[i].right, needed[index].right))
			return false;
	return true;
}

struct held {
	const char **names;
	size_t count;
};

static int read_held(struct check *check, struct held *held, struct error *err)
{
	const struct vcd_session *session = &check->state->session;
	struct vcd *vcd = check_vcd(check);

	*held = (struct held){0};
	for (size_t i = 0; i < session->role_count; i++) {
		const char **names, **all;
		size_t count;

		if (vcd_role_rights(vcd, session->role_urns[i], &names, &count, err))
			return -1;
		all = arena_alloc(&check->arena, (held->count + count + 1) * sizeof(*all));
		if (held->count)
			memcpy(all, held->names, held->count * sizeof(*all));
		if (count)
			memcpy(all + held->count, names, count * sizeof(*all));
		held->names = all;
		held->count += count;
	}
	return 0;
}

static bool holds(const struct held *held, const char *right)
{
	for (size_t i = 0; i < held->count; i++)
		if (str_eq(held->names[i], right))
			return true;
	return false;
}

void check_rights(struct check *check)
{
	const struct vcd_session *session = &check->state->session;
	const char *remedy = arena_printf(&check->arena,
		"add it to the role %s; the worker has it after its next login",
		session->role_count ? session->role_names[0] : "of the service account");
	struct held held;
	struct error err;

	if (read_held(check, &held, &err)) {
		check_add(check, CHECK_FAIL, "", "add the right \"Right: View\" to the role", "%s",
			err.msg);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
		if (!is_needed(i))
			continue;
		if (holds(&held, needed[i].right))
			check_add(check, CHECK_OK, needed[i].right, "", "held");
		else
			check_add(check, CHECK_FAIL, needed[i].right, remedy,
				"missing; %s %s needs it", needed[i].method, needed[i].path);
	}
}

void check_entity_type(struct check *check)
{
	struct vcd_entity_type type;
	struct error err;

	if (vcd_entity_type_get(check_vcd(check), ENTITY_TYPE, &type, &err))
		check_add(check, CHECK_FAIL, ENTITY_TYPE,
			err.code == ERR_GONE ? "run `cse install`, and give the service account's "
					       "role the rights of the type"
					     : check_vcd_remedy(&err),
			"%s", err.msg);
	else if (type.readonly)
		check_add(check, CHECK_FAIL, ENTITY_TYPE, "make it again with `cse install`",
			"is read-only: no cluster can be made");
	else
		check_add(check, CHECK_OK, ENTITY_TYPE, "", "%s, version %s", type.name,
			type.version);
}
