/* SPDX-License-Identifier: MIT */
/*
 * One line per event on stderr: JSON for machines, key=value when stderr is a terminal.
 *
 * The event is a constant "noun.verb"; all data stands in fields. A thread sets its context
 * (request id, task ...) once per message and every line of that thread carries it. Libraries
 * return errors; only the code that decides what to do about one logs it. Secrets have a type of
 * their own and no field macro, so they cannot be passed.
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include "common/base.h"

/* error = someone must act; warn = we recovered; info = one line per request and per pass. NONE is
 * a limit only. */
enum log_level { LOG_NONE = -1, LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

struct log_field {
	const char *name;
	const char *text; /* NULL: the field is the number */
	int64_t number;
};

#define LOG_STR(name_, value_) ((struct log_field){.name = (name_), .text = log_text(value_)})
#define LOG_INT(name_, value_) ((struct log_field){.name = (name_), .number = (int64_t)(value_)})

#define log_event(level, event, ...)                                                               \
	log_write(level, event, (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){0}})

/* Writes one line; fields end with one whose name is NULL. Texts are escaped, cut at 4 KiB. */
void log_write(enum log_level level, const char *event, const struct log_field *fields);

/* The text itself, or "" for NULL. */
const char *log_text(const char *value);

/* Lines above this level are not written. Set once, before threads start. */
void log_set_level(enum log_level level);
bool log_level_parse(const char *name, enum log_level *out) MUST_CHECK; /* error warn info debug */

/*
 * This thread's context: name appears as "thread"; the others are left out while NULL. The strings
 * are borrowed until they are set again.
 */
struct log_context {
	const char *thread;
	const char *request_id;
	const char *task;
	const char *cluster;
	const char *org;
};
struct log_context *log_context(void);

#endif
