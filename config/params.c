/* SPDX-License-Identifier: MIT */
#include "config/params.h"

#include "common/str.h"

#include <inttypes.h>
#include <string.h>

#define SECTION(name_, text_) {.section = (name_), .text = (text_)},
#define PARAM(field_, path_, type_, preset_, min_, max_, unit_, example_, text_)                   \
	{.path = (path_),                                                                          \
		.type = PARAM_##type_,                                                             \
		.preset = (preset_),                                                               \
		.min = (min_),                                                                     \
		.max = (max_),                                                                     \
		.unit = (unit_),                                                                   \
		.example = (example_),                                                             \
		.text = (text_),                                                                   \
		.offset = offsetof(struct config, field_)},
const struct param params[] = {
#include "config/params.def"
	{0}};
#undef PARAM
#undef SECTION

static void *member(struct config *config, const struct param *param)
{
	return (char *)config + param->offset;
}

static const void *member_const(const struct config *config, const struct param *param)
{
	return (const char *)config + param->offset;
}

const struct param *param_find(const char *path)
{
	for (const struct param *param = params; param->section || param->path; param++) {
		if (param->path && strcmp(param->path, path) == 0)
			return param;
	}
	return NULL;
}

bool param_is_list(const struct param *param)
{
	return param->type == PARAM_HOSTS || param->type == PARAM_TIMES;
}

bool param_is_file(const struct param *param)
{
	return param->type == PARAM_FILE || param->type == PARAM_SECRET_FILE;
}

/* Milliseconds as seconds, without needless zeros: 4500 is "4.5". */
static void add_seconds(struct buf *out, int64_t ms)
{
	int64_t fraction = ms % 1000;
	int width = 3;

	buf_printf(out, "%" PRId64, ms / 1000);
	if (!fraction)
		return;
	for (; fraction % 10 == 0; width--)
		fraction /= 10;
	buf_printf(out, ".%0*" PRId64, width, fraction);
}

static void add_choices(struct buf *out, const char *choices)
{
	const char *choice;
	size_t len;

	for (bool first = true; (choice = str_next(&choices, '|', &len)); first = false)
		buf_printf(out, "%s%.*s", first ? "" : ", ", (int)len, choice);
}

void param_expectation(const struct param *param, struct buf *out)
{
	switch (param->type) {
	case PARAM_TEXT:
		buf_printf(out, "text of %" PRId64 " to %" PRId64 " characters", param->min,
			param->max);
		break;
	case PARAM_NAME:
		buf_printf(out, "%" PRId64 " to %" PRId64 " characters of a-z, 0-9 and -",
			param->min, param->max);
		break;
	case PARAM_CHOICE:
		buf_add_str(out, strchr(param->unit, '|') ? "one of " : "");
		add_choices(out, param->unit);
		break;
	case PARAM_BOOL:
		buf_add_str(out, "true or false");
		break;
	case PARAM_INT:
		buf_printf(
			out, "a whole number from %" PRId64 " to %" PRId64, param->min, param->max);
		if (*param->unit)
			buf_printf(out, " (%s)", param->unit);
		break;
	case PARAM_TIMES:
	case PARAM_TIME:
		buf_add_str(out,
			param->type == PARAM_TIMES ? "four times, seconds from " : "seconds from ");
		add_seconds(out, param->min);
		buf_add_str(out, " to ");
		add_seconds(out, param->max);
		buf_add_str(out, " (up to 3 decimals)");
		break;
	case PARAM_HOST:
		buf_add_str(out, "host or host:port, without https://");
		break;
	case PARAM_HOSTS:
		buf_printf(out, "a list of %" PRId64 " to %" PRId64 " entries host or host:port",
			param->min, param->max);
		break;
	case PARAM_FILE:
		buf_add_str(out, "the absolute path of a readable file");
		break;
	case PARAM_SECRET_FILE:
		buf_add_str(out, "the absolute path of a file that others cannot read");
		break;
	}
}

static int refuse(const struct param *param, const char *value, struct error *err)
{
	CLEANUP(buf_release)
	struct buf expected;

	buf_init(&expected, 256);
	param_expectation(param, &expected);
	return error_set(err, ERR_INVALID, "%s is \"%.80s\", expected %s", param->path, value,
		buf_str(&expected));
}

static bool text_fits(const struct param *param, const char *text)
{
	int64_t len = (int64_t)strlen(text);

	for (const char *at = text; *at; at++) {
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			return false;
	}
	return len >= param->min && len <= param->max && str_is_utf8(text, (size_t)len);
}

static bool choice_fits(const char *choices, const char *text)
{
	const char *choice;
	size_t len;

	while ((choice = str_next(&choices, '|', &len))) {
		if (strlen(text) == len && strncmp(choice, text, len) == 0)
			return true;
	}
	return false;
}

static bool host_fits(const char *text)
{
	const char *colon = strrchr(text, ':');
	size_t name_len = colon ? (size_t)(colon - text) : strlen(text);
	int64_t port;

	if (!name_len || name_len > 253)
		return false;
	if (colon && !str_to_int(colon + 1, 1, 65535, &port))
		return false;
	return strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") ==
	       name_len;
}

static bool string_fits(const struct param *param, const char *text)
{
	switch (param->type) {
	case PARAM_NAME:
		return str_is_made_of(
			text, "abcdefghijklmnopqrstuvwxyz0123456789-", (size_t)param->max);
	case PARAM_CHOICE:
		return choice_fits(param->unit, text);
	case PARAM_HOST:
	case PARAM_HOSTS:
		return host_fits(text);
	case PARAM_FILE:
	case PARAM_SECRET_FILE:
		return *text == '/' && text_fits(param, text);
	case PARAM_TEXT:
		return text_fits(param, text);
	case PARAM_BOOL:
	case PARAM_INT:
	case PARAM_TIME:
	case PARAM_TIMES:
		break;
	}
	return false;
}

/* "4.5" as 4500; at most three decimals. */
static bool parse_seconds(const char *text, int64_t min, int64_t max, int64_t *out)
{
	const char *dot = strchr(text, '.');
	size_t whole_len = dot ? (size_t)(dot - text) : strlen(text);
	char whole[16], fraction[4] = "000";
	int64_t seconds, ms;

	if (whole_len >= sizeof(whole))
		return false;
	memcpy(whole, text, whole_len);
	whole[whole_len] = '\0';
	if (dot) {
		size_t len = strlen(dot + 1);

		if (!len || len > 3)
			return false;
		memcpy(fraction, dot + 1, len);
	}
	if (!str_to_int(whole, 0, 1000000, &seconds) || strspn(fraction, "0123456789") != 3 ||
		!str_to_int(fraction, 0, 999, &ms))
		return false;
	*out = seconds * 1000 + ms;
	return *out >= min && *out <= max;
}

static bool set_number(
	struct config *config, const struct param *param, const struct param_value *value)
{
	const char *text = value->items[0];

	if (value->quoted)
		return false;
	if (param->type == PARAM_BOOL) {
		*(bool *)member(config, param) = str_eq(text, "true");
		return str_eq(text, "true") || str_eq(text, "false");
	}
	if (param->type == PARAM_INT)
		return str_to_int(text, param->min, param->max, member(config, param));
	return parse_seconds(text, param->min, param->max, member(config, param));
}

static int set_times(struct config *config, const struct param *param,
	const struct param_value *value, struct error *err)
{
	int64_t *times = member(config, param);

	if (value->count != ARRAY_LEN(config->timing_rungs))
		return refuse(param, value->count ? value->items[value->count - 1] : "", err);
	for (size_t i = 0; i < value->count; i++) {
		if (!parse_seconds(value->items[i], param->min, param->max, &times[i]))
			return refuse(param, value->items[i], err);
	}
	return 0;
}

static int set_hosts(struct config *config, const struct param *param,
	const struct param_value *value, struct error *err)
{
	struct config_strings *list = member(config, param);

	if ((int64_t)value->count < param->min || (int64_t)value->count > param->max)
		return refuse(param, value->count ? value->items[0] : "[]", err);
	list->items = arena_alloc(&config->arena, value->count * sizeof(*list->items));
	list->count = value->count;
	for (size_t i = 0; i < value->count; i++) {
		if (!host_fits(value->items[i]))
			return refuse(param, value->items[i], err);
		list->items[i] = arena_strdup(&config->arena, value->items[i]);
	}
	return 0;
}

int param_set(struct config *config, const struct param *param, const struct param_value *value,
	struct error *err)
{
	if (param->type == PARAM_TIMES)
		return set_times(config, param, value, err);
	if (param->type == PARAM_HOSTS)
		return set_hosts(config, param, value, err);
	if (param->type == PARAM_BOOL || param->type == PARAM_INT || param->type == PARAM_TIME)
		return set_number(config, param, value) ? 0 : refuse(param, value->items[0], err);
	if (!string_fits(param, value->items[0]))
		return refuse(param, value->items[0], err);
	*(const char **)member(config, param) = arena_strdup(&config->arena, value->items[0]);
	return 0;
}

static void add_list(const struct config *config, const struct param *param, struct buf *out)
{
	const struct config_strings *hosts = member_const(config, param);
	const int64_t *times = member_const(config, param);
	size_t count = param->type == PARAM_HOSTS ? hosts->count : ARRAY_LEN(config->timing_rungs);

	buf_add_str(out, "[");
	for (size_t i = 0; i < count; i++) {
		buf_add_str(out, i ? ", " : "");
		if (param->type == PARAM_HOSTS)
			buf_add_str(out, hosts->items[i]);
		else
			add_seconds(out, times[i]);
	}
	buf_add_str(out, "]");
}

void param_text(const struct config *config, const struct param *param, struct buf *out)
{
	const void *value = member_const(config, param);

	if (param_is_list(param))
		add_list(config, param, out);
	else if (param->type == PARAM_BOOL)
		buf_add_str(out, *(const bool *)value ? "true" : "false");
	else if (param->type == PARAM_INT)
		buf_printf(out, "%" PRId64, *(const int64_t *)value);
	else if (param->type == PARAM_TIME)
		add_seconds(out, *(const int64_t *)value);
	else
		buf_add_str(out, str_or(*(const char *const *)value, ""));
}
