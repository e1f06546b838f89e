/* SPDX-License-Identifier: MIT */
#include "worker/vcd/query.h"

#include "common/buf.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/str.h"

#include <string.h>

/* What many may fill, entities of one name for instance, must not fill our memory. */
enum { PAGES_MAX = 200, LIST_MAX_BYTES = 8 * 1024 * 1024, FILTER_MAX = 4096 };

const char *filter_term(struct arena *arena, const char *key, const char *value)
{
	CLEANUP(buf_release)
	struct buf text = {.max = FILTER_MAX};

	buf_printf(&text, "%s==", key);
	for (; *value; value++) {
		if (strchr("(),;\\", *value))
			buf_add_str(&text, "\\");
		buf_add(&text, value, 1);
	}
	return arena_strdup(arena, buf_str(&text));
}

const char *filter_and(struct arena *arena, const char *a, const char *b)
{
	if (!a || !b)
		return a ? a : b;
	return arena_printf(arena, "%s;%s", a, b);
}

const char *query_filter(struct arena *arena, const char *filter)
{
	return arena_printf(arena, "filter=%s", str_percent_encode(arena, filter));
}

const char *path_segment(struct arena *arena, const char *id)
{
	static const char colon[] = "%3A";
	const size_t skip = sizeof(colon) - 1;
	char *text = str_percent_encode(arena, id);
	char *to = text;

	for (const char *from = text; *from; to++) {
		bool found = strncmp(from, colon, skip) == 0;

		*to = found ? ':' : *from;
		from += found ? skip : 1;
	}
	*to = '\0';
	return text;
}

const char *href_uuid(struct arena *arena, const char *href, const char *prefix)
{
	const char *path = arena_strndup(arena, str_or(href, ""), strcspn(str_or(href, ""), "?#"));
	const char *id = str_last_segment(path);

	return str_starts(id, prefix) ? id + strlen(prefix) : id;
}

int query_records(struct vcd *vcd, struct vcd_as as, const char *type, const char *filter,
	const char *what, struct xml_doc **out, struct error *err)
{
	const char *path = arena_printf(vcd_arena(vcd),
		"/api/query?type=%s&format=records&page=1&pageSize=128&sortAsc=name&%s", type,
		query_filter(vcd_arena(vcd), filter));

	return vcd_get_xml(vcd, as, path, what, out, err);
}

static struct xml_node *first_named(struct arena *arena, struct xml_node *node, const char *name)
{
	for (; node; node = xml_next(node, NULL, NULL)) {
		if (!xml_is(node, XML_VCLOUD, "Link") &&
			str_eq(xml_attr(arena, node, "name"), name))
			return node;
	}
	return NULL;
}

struct xml_node *record_named(struct arena *arena, struct xml_doc *records, const char *name)
{
	return first_named(arena, xml_child(xml_root(records), NULL, NULL), name);
}

struct xml_node *record_after(struct arena *arena, struct xml_node *record, const char *name)
{
	return first_named(arena, xml_next(record, NULL, NULL), name);
}

/* Moves the documents of a page to `all`; their number. */
static size_t take_values(struct json_object *page, struct json_object *all)
{
	struct json_object *values = json_at(page, "values");
	size_t count = json_object_array_length(values);

	for (size_t i = 0; i < count; i++)
		json_object_array_add(all, json_object_get(json_object_array_get_idx(values, i)));
	return count;
}

/* Some lists have no pageCount: they end with a page that is not full. */
static bool is_last_page(struct json_object *page, int number, size_t count, int page_size)
{
	int64_t pages = json_int(page, "pageCount", -1);

	return count == 0 || (pages < 0 ? count < (size_t)page_size : number >= pages);
}

int list_pages(struct vcd *vcd, struct vcd_as as, const char *path, const char *query,
	int page_size, const char *what, struct json_object **values, struct error *err)
{
	CLEANUP(json_release)
	struct json_object *all = json_object_new_array();
	size_t before = vcd_arena(vcd)->bytes;

	for (int number = 1; number <= PAGES_MAX; number++) {
		CLEANUP(json_release)
		struct json_object *page = NULL;
		const char *url = arena_printf(vcd_arena(vcd), "%s?page=%d&pageSize=%d%s%s", path,
			number, page_size, query ? "&" : "", str_or(query, ""));

		if (vcd_json(vcd, as, "GET", url, NULL, what, NULL, &page, err) < 0)
			return -1;
		if (!json_object_is_type(json_at(page, "values"), json_type_array))
			return error_set(err, ERR_TRANSIENT, "%s: the answer holds no list", what);
		if (is_last_page(page, number, take_values(page, all), page_size)) {
			*values = STEAL(all);
			return 0;
		}
		if (vcd_arena(vcd)->bytes - before > LIST_MAX_BYTES)
			return error_set(err, ERR_INVALID, "%s: the list is longer than %d MiB",
				what, LIST_MAX_BYTES / 1024 / 1024);
	}
	return error_set(err, ERR_INVALID, "%s: the list has more than %d pages", what, PAGES_MAX);
}

/* Does one link ("<url>;rel=\"a b\";…") carry the relation? */
static bool link_has_rel(const char *link, const char *rel)
{
	const char *value = strstr(link, "rel=");
	size_t len = strlen(rel);

	if (!value)
		return false;
	value += strlen("rel=");
	value += *value == '"';
	while (*value && !strchr("\";,", *value)) {
		size_t word = strcspn(value, " \";,");

		if (word == len && strncmp(value, rel, len) == 0)
			return true;
		value += word;
		value += strspn(value, " ");
	}
	return false;
}

const char *link_next(struct arena *arena, const char *link)
{
	const char *start = strchr(link, '<');

	while (start) {
		const char *end = strchr(start, '>');
		const char *next = end ? strchr(end, '<') : NULL;
		const char *rest;

		if (!end)
			return NULL;
		rest = next ? arena_strndup(arena, end, (size_t)(next - end)) : end;
		if (link_has_rel(rest, "nextPage"))
			return arena_strndup(arena, start + 1, (size_t)(end - start - 1));
		start = next;
	}
	return NULL;
}
