/* SPDX-License-Identifier: MIT */
/*
 * The part of JSON Schema that entity types use: type, enum, required, properties, items, minimum,
 * maximum. Other keywords are ignored, as VCD ignores the misspelt ones in real types.
 */
#ifndef VCDSIM_ENTITY_SCHEMA_H
#define VCDSIM_ENTITY_SCHEMA_H

#include "common/error.h"

#include <json-c/json.h>

/*
 * Checks a value (NULL is JSON's null). INVALID names the first violation with its path. When nulls
 * are lax, a null is as good as any value; when strict, it violates every `type`.
 */
int schema_check(struct json_object *schema, struct json_object *value, bool nulls_strict,
	struct error *err) MUST_CHECK;

#endif
