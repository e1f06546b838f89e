/* SPDX-License-Identifier: MIT */
/*
 * A YAML file as a flat list of leaves with their places, on libyaml's events: no recursion, no
 * anchors or aliases, limits on size (256 KiB), depth (32) and leaves (10 000).
 */
#ifndef COMMON_YAML_H
#define COMMON_YAML_H

#include "common/arena.h"
#include "common/error.h"

enum yaml_kind { YAML_SCALAR, YAML_QUOTED, YAML_EMPTY_MAP, YAML_EMPTY_LIST };

struct yaml_leaf {
	const char *path;  /* "broker.hosts[0]" */
	const char *value; /* scalar text, "" for the empty kinds */
	enum yaml_kind kind;
	int line, column; /* from 1 */
};

struct yaml_leaves {
	struct yaml_leaf *items;
	size_t count;
};

/*
 * Reads one document. INVALID "<name>:<line>:<column>: <what>, expected <what>"; a duplicate key is
 * an error. The leaves live in the arena.
 */
int yaml_read(struct yaml_leaves *out, struct arena *arena, const char *name, const char *text,
	size_t len, struct error *err) MUST_CHECK;

#endif
