/* SPDX-License-Identifier: MIT */
/*
 * The typed query: each type gives its records as JSON objects of texts, whose members are the
 * attributes of the record element; the engine filters, sorts, pages and writes them.
 */
#ifndef VCDSIM_QUERY_H
#define VCDSIM_QUERY_H

#include "tests/vcdsim/http.h"

typedef void query_rows_fn(
	struct sim *sim, const struct sim_request *req, struct json_object *records);

struct query_type {
	const char *name, *record;
	bool admin;	     /* only for users of the System org */
	const char *attrs;   /* all attributes that a filter may name, blanks between */
	query_rows_fn *rows; /* adds the records that the session may see */
};

extern const struct query_type query_types[]; /* ends with a row whose name is NULL */

#endif
