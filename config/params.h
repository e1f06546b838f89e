/* SPDX-License-Identifier: MIT */
/*
 * The table of params.def as data, and the conversions between a key's text and its member of
 * struct config. Inside config/ only.
 */
#ifndef CONFIG_PARAMS_H
#define CONFIG_PARAMS_H

#include "common/buf.h"
#include "config/config.h"

enum param_type {
	PARAM_TEXT,
	PARAM_NAME, /* a-z, 0-9 and '-' */
	PARAM_CHOICE,
	PARAM_BOOL,
	PARAM_INT,
	PARAM_TIME,	   /* seconds in the file, milliseconds in the struct */
	PARAM_TIMES,	   /* four of them, rising */
	PARAM_HOST,	   /* host or host:port */
	PARAM_HOSTS,	   /* a list of them */
	PARAM_FILE,	   /* must be readable */
	PARAM_SECRET_FILE, /* and not by others */
};

struct param {
	const char *section; /* set on the rows that only introduce a section; path is NULL then */
	const char *path;
	enum param_type type;
	const char *preset; /* NULL: required; "": unset */
	int64_t min, max;
	const char *unit;
	const char *example;
	const char *text;
	size_t offset; /* of the member of struct config */
};

/* Ends with a row that has neither section nor path. */
extern const struct param params[];

/* What was found for one key: one text, or the items of a list. */
struct param_value {
	const char *const *items;
	size_t count;
	bool quoted; /* numbers and booleans must not be */
};

/* The row of that path; NULL when there is none. */
const struct param *param_find(const char *path);

bool param_is_list(const struct param *param);
bool param_is_file(const struct param *param);

/* Sets the member. INVALID "<path> is <value>, expected <what>". */
int param_set(struct config *config, const struct param *param, const struct param_value *value,
	struct error *err) MUST_CHECK;

/* What the key takes: "seconds from 2 to 600, fractions allowed". */
void param_expectation(const struct param *param, struct buf *out);

/* The member's value as a user would write it; "" when unset. */
void param_text(const struct config *config, const struct param *param, struct buf *out);

#endif
