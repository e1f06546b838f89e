/* SPDX-License-Identifier: MIT */
#include "tests/vcdsim/options.h"

#include "common/json.h"
#include "common/str.h"

#include <stddef.h>

static const struct option_row {
	const char *name;
	size_t offset;
	int64_t initial, max;
} option_rows[] = {
#define OPTION(name_, initial_, max_)                                                              \
	{                                                                                          \
#name_, offsetof(struct sim_options, name_), initial_, max_                        \
	}
	OPTION(clone_ms, 5000, 3600000),
	OPTION(task_ms, 1000, 3600000),
	OPTION(boot_ms, 8000, 3600000),
	OPTION(extra_latency_ms, 5000, 3600000),
	OPTION(reply_timeout_ms, 10000, 3600000),
	OPTION(session_idle_ms, 30 * 60 * 1000, 86400000),
	OPTION(extra_mode, 0, 2),
	OPTION(rde_nulls_strict, 0, 1),
	OPTION(firewall_drop, 0, 1),
	OPTION(duplicate_requests, 0, 8),
	OPTION(ns_prefix, 0, 1),
	OPTION(played_guests, 0, 1),
	OPTION(played_fail, 0, 2),
	OPTION(clock_ahead_s, 0, 86400),
#undef OPTION
};

static int64_t *option_at(struct sim_options *options, const struct option_row *row)
{
	return (int64_t *)(void *)((char *)options + row->offset);
}

void options_init(struct sim_options *options)
{
	for (size_t i = 0; i < ARRAY_LEN(option_rows); i++)
		*option_at(options, &option_rows[i]) = option_rows[i].initial;
}

int options_set(struct sim_options *options, const char *name, int64_t value, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(option_rows); i++) {
		const struct option_row *row = &option_rows[i];

		if (!str_eq(row->name, name))
			continue;
		if (value < 0 || value > row->max)
			return error_set(err, ERR_INVALID, "option %s must be within 0 and %lld",
				name, (long long)row->max);
		*option_at(options, row) = value;
		return 0;
	}
	return error_set(err, ERR_INVALID, "there is no option '%s'", name);
}

struct json_object *options_json(const struct sim_options *options)
{
	struct sim_options copy = *options;
	struct json_object *out = json_object_new_object();

	for (size_t i = 0; i < ARRAY_LEN(option_rows); i++)
		json_set_int(out, option_rows[i].name, *option_at(&copy, &option_rows[i]));
	return out;
}
