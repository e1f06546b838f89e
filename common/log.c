/* SPDX-License-Identifier: MIT */
#include "common/log.h"

#include "common/buf.h"
#include "common/clock.h"
#include "common/str.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 16384, TEXT_MAX_BYTES = 4096 };

static const char *const level_names[] = {
	[LOG_ERROR] = "error", [LOG_WARN] = "warn", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"};

static _Atomic int current_level = LOG_INFO;
static _Thread_local struct log_context thread_context;

void log_set_level(enum log_level level)
{
	atomic_store(&current_level, (int)level);
}

bool log_level_parse(const char *name, enum log_level *out)
{
	for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
		if (strcmp(name, level_names[i]) == 0) {
			*out = (enum log_level)i;
			return true;
		}
	}
	return false;
}

struct log_context *log_context(void)
{
	return &thread_context;
}

const char *log_text(const char *value)
{
	return value ? value : "";
}

/* How much of a text is written; a cut never falls inside a character. */
static size_t shown_len(const char *text)
{
	size_t len = strnlen(text, TEXT_MAX_BYTES + 1);

	if (len <= TEXT_MAX_BYTES)
		return len;
	len = TEXT_MAX_BYTES;
	while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
		len--;
	return len;
}

/* Escapes what would break a line or a JSON string; of a text that is not UTF-8 all odd bytes. */
static void add_escaped(struct buf *line, const char *text)
{
	size_t len = shown_len(text);
	bool utf8 = str_is_utf8(text, len);

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '"' || c == '\\')
			buf_printf(line, "\\%c", c);
		else if (c == '\n')
			buf_add_str(line, "\\n");
		else if (c < 0x20 || c == 0x7f || (c >= 0x80 && !utf8))
			buf_printf(line, "\\u%04x", c);
		else
			buf_add(line, &c, 1);
	}
	if (text[len])
		buf_add_str(line, "...");
}

static void add_text(struct buf *line, bool json, const char *name, const char *text)
{
	bool cut;

	if (!buf_printf(line, json ? ",\"%s\":\"" : " %s=\"", name))
		return;
	add_escaped(line, text);
	/* A text that does not fit is the line's last, and is closed as well. */
	cut = line->overflow;
	line->overflow = false;
	line->max += 1;
	buf_add_str(line, "\"");
	line->overflow = cut;
}

static void add_context(struct buf *line, bool json)
{
	const struct {
		const char *name, *value;
	} rows[] = {
		{"thread", thread_context.thread},
		{"request_id", thread_context.request_id},
		{"task", thread_context.task},
		{"cluster", thread_context.cluster},
		{"org", thread_context.org},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].value)
			add_text(line, json, rows[i].name, rows[i].value);
	}
}

void log_write(enum log_level level, const char *event, const struct log_field *fields)
{
	CLEANUP(buf_release)
	struct buf line = {0}; /* released also when nothing is written */
	char now[CLOCK_ISO_SIZE];
	bool json;

	if ((int)level > atomic_load(&current_level))
		return;
	json = !isatty(STDERR_FILENO);
	buf_init(&line, LINE_MAX_BYTES);
	clock_iso(now, clock_wall_ms());
	buf_printf(&line, json ? "{\"ts\":\"%s\",\"level\":\"%s\",\"event\":\"%s\"" : "%s %s %s",
		now, level_names[level], event);
	add_context(&line, json);
	for (; fields->name; fields++) {
		if (fields->text)
			add_text(&line, json, fields->name, fields->text);
		else
			buf_printf(&line, json ? ",\"%s\":%lld" : " %s=%lld", fields->name,
				(long long)fields->number);
	}
	line.overflow = false;
	line.max += 2;
	buf_add_str(&line, json ? "}\n" : "\n");
	/* One write per line: lines of several threads do not mix. */
	(void)!write(STDERR_FILENO, line.data, line.len);
}
