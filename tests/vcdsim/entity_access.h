/* SPDX-License-Identifier: MIT */
/*
 * Who may do what to a defined entity: the right on its type, and ownership, a grant or an
 * administrator's right.
 */
#ifndef VCDSIM_ENTITY_ACCESS_H
#define VCDSIM_ENTITY_ACCESS_H

#include "tests/vcdsim/state.h"

enum entity_level { LEVEL_NONE, LEVEL_VIEW, LEVEL_MODIFY, LEVEL_FULL };

/* What this session may do to this entity; NONE also when it may not know that the entity exists.
 */
enum entity_level entity_level(
	struct sim *sim, const struct sim_session *session, struct json_object *entity);

/*
 * What this session may do to entities of this type that are its own; users of System need a grant
 * on the type as well. `administrator` asks for the rights that reach beyond one's own entities.
 */
enum entity_level type_level(
	const struct sim_session *session, struct json_object *type, bool administrator);

#endif
