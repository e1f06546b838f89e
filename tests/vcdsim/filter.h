/* SPDX-License-Identifier: MIT */
/*
 * VCD's filter language, a subset of FIQL: `name==a*;(state==RESOLVED,state==PRE_CREATED)`.
 *
 * `;` is AND, `,` is OR, and a mixture of both needs parentheses. A value ends at an unescaped
 * `( ) , ;` and may have a `*` at either end. Texts compare without regard to case, as VCD's do: a
 * client must compare names itself. Both APIs use it; each says by a callback what a key means.
 */
#ifndef VCDSIM_FILTER_H
#define VCDSIM_FILTER_H

#include "common/arena.h"
#include "common/error.h"

struct filter;

/* The object's value of that key as text, NULL when it has none. Borrowed until the next call. */
typedef const char *filter_value_fn(void *object, const char *key);

/* Parses the decoded filter; it lives in the arena. NULL and INVALID with the place of the mistake.
 */
struct filter *filter_parse(struct arena *arena, const char *text, struct error *err) MUST_CHECK;

/* The index-th key that the filter names (repetitions included), NULL behind the last one. */
const char *filter_key(const struct filter *filter, size_t index);

/* Does the object pass? A NULL filter lets everything pass. */
bool filter_match(const struct filter *filter, void *object, filter_value_fn *value_of);

/* value_of for json documents: the key is a dotted path; numbers and booleans become text. */
const char *filter_json_value(void *object, const char *key);

/*
 * The value that the filter demands of this key by an `==` that must hold for every match (one that
 * no `,` stands beside); NULL when there is none.
 */
const char *filter_demands(const struct filter *filter, const char *key);

#endif
