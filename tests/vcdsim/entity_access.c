/* SPDX-License-Identifier: MIT */
#include "tests/vcdsim/entity_access.h"

#include "common/json.h"
#include "common/str.h"

#include <stdio.h>

static bool has(const struct sim_session *session, struct json_object *type, const char *what)
{
	char right[160];

	snprintf(right, sizeof(right), "%s:%s: %s", json_str(type, "vendor", ""),
		json_str(type, "nss", ""), what);
	return session_has_right(session, right);
}

/* Is this session meant by a grant's member: the user, its role or its org? */
static bool is_member(const struct sim_session *session, const char *member)
{
	const char *uuid = str_urn_uuid(member);

	return str_eq(uuid, session->user->uuid) || str_eq(uuid, session->user->role_uuid) ||
	       str_eq(uuid, session->user->org->uuid);
}

static enum entity_level granted(const struct sim_session *session, struct json_object *doc)
{
	struct json_object *grants = json_at(doc, "_acl");
	enum entity_level best = LEVEL_NONE;

	for (size_t i = 0; grants && i < json_object_array_length(grants); i++) {
		struct json_object *grant = json_object_array_get_idx(grants, i);
		const char *level = str_urn_uuid(json_str(grant, "accessLevelId", ""));
		enum entity_level found = str_eq(level, "FullControl") ? LEVEL_FULL
					  : str_eq(level, "ReadWrite") ? LEVEL_MODIFY
								       : LEVEL_VIEW;

		if (is_member(session, json_str(grant, "memberId", "")) && found > best)
			best = found;
	}
	return best;
}

enum entity_level type_level(
	const struct sim_session *session, struct json_object *type, bool administrator)
{
	bool outsider = session_is_system(session) && json_at(type, "_acl") &&
			granted(session, type) == LEVEL_NONE;

	if (outsider)
		return LEVEL_NONE;
	if (has(session, type, "Administrator Full access"))
		return LEVEL_FULL;
	if (administrator)
		return has(session, type, "Administrator View") ? LEVEL_VIEW : LEVEL_NONE;
	if (has(session, type, "Full Access"))
		return LEVEL_FULL;
	if (has(session, type, "Modify"))
		return LEVEL_MODIFY;
	return has(session, type, "View") ? LEVEL_VIEW : LEVEL_NONE;
}

enum entity_level entity_level(
	struct sim *sim, const struct sim_session *session, struct json_object *entity)
{
	struct json_object *type = find_doc(sim->entity_types, json_str(entity, "entityType", ""));
	struct sim_org *org = find_org(sim, str_urn_uuid(json_str(entity, "org.id", "")));
	enum entity_level own, beyond = LEVEL_NONE, reach;

	if (!type)
		return LEVEL_NONE;
	own = type_level(session, type, false);
	reach = str_eq(str_urn_uuid(json_str(entity, "owner.id", "")), session->user->uuid)
			? LEVEL_FULL
			: granted(session, entity);
	if (org && session_sees_org(session, org))
		beyond = type_level(session, type, true);
	if (own > reach)
		own = reach;
	return own > beyond ? own : beyond;
}
