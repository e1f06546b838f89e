/* SPDX-License-Identifier: MIT */
#include "common/yaml.h"

#include "common/buf.h"

#include <string.h>
#include <yaml.h>

enum { TEXT_MAX_BYTES = 256 * 1024, DEPTH_MAX = 32, LEAVES_MAX = 10000, PATH_MAX_BYTES = 512 };

/* One open mapping or list. A mapping alternates between waiting for a key and for its value. */
struct frame {
	bool list;
	bool has_key;
	size_t children;
	size_t path_len; /* of the collection itself */
	yaml_mark_t start;
};

struct key {
	uint64_t hash;
	const char *path;
};

struct keys {
	struct key *items;
	size_t count, size;
};

struct reader {
	yaml_parser_t parser;
	struct arena *arena;
	const char *name;
	struct yaml_leaves *out;
	size_t leaves_size;
	struct keys keys; /* full paths of all mapping keys, to find duplicates */
	struct frame stack[DEPTH_MAX];
	int depth;
	struct buf path;
	struct error *err;
};

static int fail(struct reader *reader, yaml_mark_t mark, const char *what)
{
	return error_set(reader->err, ERR_INVALID, "%s:%zu:%zu: %s", reader->name, mark.line + 1,
		mark.column + 1, what);
}

static void path_cut(struct reader *reader, size_t len)
{
	reader->path.len = len;
	if (reader->path.data)
		reader->path.data[len] = '\0';
}

/* Doubles an array in the arena when it is full; the old one stays there until the reset. */
static void *grown(struct arena *arena, const void *items, size_t count, size_t *size, size_t each)
{
	void *bigger;

	if (count < *size)
		return NULL;
	*size = *size ? *size * 2 : 64;
	bigger = arena_alloc(arena, *size * each);
	if (count)
		memcpy(bigger, items, count * each);
	return bigger;
}

static int add_leaf(struct reader *reader, yaml_mark_t mark, const char *value, enum yaml_kind kind)
{
	struct yaml_leaves *out = reader->out;
	void *bigger;

	if (out->count >= LEAVES_MAX)
		return fail(reader, mark, "one value too many, expected at most 10000");
	bigger = grown(
		reader->arena, out->items, out->count, &reader->leaves_size, sizeof(*out->items));
	if (bigger)
		out->items = bigger;
	out->items[out->count++] = (struct yaml_leaf){
		.path = arena_strdup(reader->arena, buf_str(&reader->path)),
		.value = value,
		.kind = kind,
		.line = (int)mark.line + 1,
		.column = (int)mark.column + 1,
	};
	return 0;
}

/* Puts the list index of a new child into the path; a mapping's key is there already. */
static int enter_child(struct reader *reader, yaml_mark_t mark)
{
	struct frame *frame;

	if (!reader->depth)
		return 0;
	frame = &reader->stack[reader->depth - 1];
	if (!frame->list && !frame->has_key)
		return fail(reader, mark, "a collection as a key, expected a plain name");
	if (frame->list && !buf_printf(&reader->path, "[%zu]", frame->children))
		return fail(reader, mark, "the path is too long, expected at most 512 bytes");
	frame->children++;
	return 0;
}

static void leave_child(struct reader *reader)
{
	struct frame *frame;

	if (!reader->depth)
		return;
	frame = &reader->stack[reader->depth - 1];
	frame->has_key = false;
	path_cut(reader, frame->path_len);
}

/* FNV-1a: of long paths that begin alike a few only are compared. */
static uint64_t hash_of(const char *text)
{
	uint64_t hash = 14695981039346656037U;

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 1099511628211U;
	return hash;
}

static int remember_key(struct reader *reader, yaml_mark_t mark)
{
	struct keys *keys = &reader->keys;
	const char *path = buf_str(&reader->path);
	uint64_t hash = hash_of(path);
	void *bigger;

	for (size_t i = 0; i < keys->count; i++) {
		if (keys->items[i].hash == hash && strcmp(keys->items[i].path, path) == 0)
			return error_set(reader->err, ERR_INVALID,
				"%s:%zu:%zu: key %s stands here again, expected it once",
				reader->name, mark.line + 1, mark.column + 1, path);
	}
	if (keys->count >= LEAVES_MAX)
		return fail(reader, mark, "one key too many, expected at most 10000");
	bigger = grown(reader->arena, keys->items, keys->count, &keys->size, sizeof(*keys->items));
	if (bigger)
		keys->items = bigger;
	keys->items[keys->count++] =
		(struct key){.hash = hash, .path = arena_strdup(reader->arena, path)};
	return 0;
}

static int read_key(struct reader *reader, struct frame *frame, yaml_mark_t mark, const char *key)
{
	if (!*key || strpbrk(key, ".[]"))
		return fail(reader, mark, "an odd key, expected a name without '.', '[' and ']'");
	if (!buf_printf(&reader->path, "%s%s", reader->path.len ? "." : "", key))
		return fail(reader, mark, "the path is too long, expected at most 512 bytes");
	frame->has_key = true;
	return remember_key(reader, mark);
}

static int on_scalar(struct reader *reader, const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;
	bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	struct frame *frame;

	if (strlen(text) != event->data.scalar.length)
		return fail(reader, event->start_mark, "a NUL character, expected text");
	if (!reader->depth)
		return fail(reader, event->start_mark, "a single value, expected keys");
	frame = &reader->stack[reader->depth - 1];
	if (!frame->list && !frame->has_key)
		return read_key(reader, frame, event->start_mark, text);
	if (enter_child(reader, event->start_mark) < 0 ||
		add_leaf(reader, event->start_mark, arena_strdup(reader->arena, text),
			plain ? YAML_SCALAR : YAML_QUOTED) < 0)
		return -1;
	leave_child(reader);
	return 0;
}

static int on_start(struct reader *reader, const yaml_event_t *event, bool list)
{
	if (reader->depth >= DEPTH_MAX)
		return fail(
			reader, event->start_mark, "nested too deep, expected at most 32 levels");
	if (!reader->depth && list)
		return fail(reader, event->start_mark, "a list, expected keys");
	if (enter_child(reader, event->start_mark) < 0)
		return -1;
	reader->stack[reader->depth++] = (struct frame){
		.list = list, .path_len = reader->path.len, .start = event->start_mark};
	return 0;
}

static int on_end(struct reader *reader)
{
	struct frame *frame = &reader->stack[reader->depth - 1];

	if (!frame->children && reader->depth > 1 &&
		add_leaf(reader, frame->start, "", frame->list ? YAML_EMPTY_LIST : YAML_EMPTY_MAP) <
			0)
		return -1;
	reader->depth--;
	leave_child(reader);
	return 0;
}

/* Anchors and tags let a small file mean a lot; a configuration needs neither. */
static int refuse_extras(struct reader *reader, const yaml_event_t *event)
{
	const yaml_char_t *anchor = NULL, *tag = NULL;

	if (event->type == YAML_ALIAS_EVENT)
		return fail(reader, event->start_mark, "an alias, expected a plain value");
	if (event->type == YAML_SCALAR_EVENT) {
		anchor = event->data.scalar.anchor;
		tag = event->data.scalar.tag;
	} else if (event->type == YAML_MAPPING_START_EVENT) {
		anchor = event->data.mapping_start.anchor;
		tag = event->data.mapping_start.tag;
	} else if (event->type == YAML_SEQUENCE_START_EVENT) {
		anchor = event->data.sequence_start.anchor;
		tag = event->data.sequence_start.tag;
	}
	if (anchor || tag)
		return fail(reader, event->start_mark, "an anchor or tag, expected a plain value");
	return 0;
}

static int on_event(struct reader *reader, const yaml_event_t *event, int *documents)
{
	if (refuse_extras(reader, event) < 0)
		return -1;
	if (event->type == YAML_SCALAR_EVENT)
		return on_scalar(reader, event);
	if (event->type == YAML_MAPPING_START_EVENT || event->type == YAML_SEQUENCE_START_EVENT)
		return on_start(reader, event, event->type == YAML_SEQUENCE_START_EVENT);
	if (event->type == YAML_MAPPING_END_EVENT || event->type == YAML_SEQUENCE_END_EVENT)
		return on_end(reader);
	if (event->type == YAML_DOCUMENT_START_EVENT && ++*documents > 1)
		return fail(reader, event->start_mark, "a second document, expected one");
	return 0;
}

static int fail_syntax(struct reader *reader)
{
	const char *problem = reader->parser.problem ? reader->parser.problem : "unreadable";
	yaml_mark_t mark = reader->parser.problem_mark;

	if (reader->parser.error == YAML_READER_ERROR)
		mark = reader->parser.mark; /* the reader knows only an offset */
	return error_set(reader->err, ERR_INVALID, "%s:%zu:%zu: %s, expected valid YAML",
		reader->name, mark.line + 1, mark.column + 1, problem);
}

static int read_events(struct reader *reader)
{
	int documents = 0;

	for (;;) {
		yaml_event_t event;
		yaml_event_type_t type;
		int status;

		if (!yaml_parser_parse(&reader->parser, &event))
			return fail_syntax(reader);
		type = event.type;
		status = on_event(reader, &event, &documents);
		yaml_event_delete(&event);
		if (status < 0)
			return -1;
		if (type == YAML_STREAM_END_EVENT)
			return 0;
	}
}

int yaml_read(struct yaml_leaves *out, struct arena *arena, const char *name, const char *text,
	size_t len, struct error *err)
{
	struct reader reader = {.arena = arena, .name = name, .out = out, .err = err};
	int status;

	*out = (struct yaml_leaves){0};
	if (len > TEXT_MAX_BYTES)
		return error_set(
			err, ERR_INVALID, "%s:1:1: %zu bytes, expected at most 256 KiB", name, len);
	if (!yaml_parser_initialize(&reader.parser))
		return error_set(err, ERR_INTERNAL, "the YAML parser does not start");
	yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, len);
	buf_init(&reader.path, PATH_MAX_BYTES);
	status = read_events(&reader);
	buf_release(&reader.path);
	yaml_parser_delete(&reader.parser);
	return status;
}
