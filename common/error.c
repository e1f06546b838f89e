/* SPDX-License-Identifier: MIT */
#include "common/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	int status;
	bool retry;
} classes[] = {
	[ERR_NONE] = {"none", 200, false},
#define ERR(code, name, status, retry) [ERR_##code] = {name, status, retry},
#include "common/error.def"
#undef ERR
};

/* Marks a cut text, so that nobody takes half a sentence for a whole one. */
static void mark_cut(struct error *err, size_t wanted)
{
	if (wanted >= sizeof(err->msg))
		memcpy(err->msg + sizeof(err->msg) - 4, "...", 4);
}

PRINTF_LIKE(3, 0)
static size_t format(struct error *err, size_t at, const char *fmt, va_list args)
{
	int len = vsnprintf(err->msg + at, sizeof(err->msg) - at, fmt, args);

	return len < 0 ? at : at + (size_t)len;
}

int error_set(struct error *err, enum err_code code, const char *fmt, ...)
{
	va_list args;

	err->code = code;
	va_start(args, fmt);
	mark_cut(err, format(err, 0, fmt, args));
	va_end(args);
	return -1;
}

int error_sys(struct error *err, enum err_code code, int sys_errno, const char *fmt, ...)
{
	char text[128];
	va_list args;
	size_t len;

	err->code = code;
	va_start(args, fmt);
	len = format(err, 0, fmt, args);
	va_end(args);
	if (len < sizeof(err->msg)) {
		const char *reason = strerror_r(sys_errno, text, sizeof(text));

		len += (size_t)snprintf(err->msg + len, sizeof(err->msg) - len, ": %s", reason);
	}
	mark_cut(err, len);
	return -1;
}

int error_wrap(struct error *err, const char *fmt, ...)
{
	struct error cause = *err;
	va_list args;
	size_t len;

	va_start(args, fmt);
	len = format(err, 0, fmt, args);
	va_end(args);
	if (len < sizeof(err->msg))
		len += (size_t)snprintf(err->msg + len, sizeof(err->msg) - len, ": %s", cause.msg);
	mark_cut(err, len);
	return -1;
}

const char *error_name(enum err_code code)
{
	return classes[code].name;
}

int error_status(enum err_code code)
{
	return classes[code].status;
}

bool error_may_retry(enum err_code code)
{
	return classes[code].retry;
}
