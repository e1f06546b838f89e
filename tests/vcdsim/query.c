/* SPDX-License-Identifier: MIT */
#include "tests/vcdsim/query.h"

#include "common/json.h"
#include "common/str.h"
#include "tests/vcdsim/filter.h"
#include "tests/vcdsim/legacy.h"
#include "tests/vcdsim/render.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PAGE_SIZE_DEFAULT = 25, PAGE_SIZE_MAX = 128 };

struct query {
	const struct sim_request *req;
	const struct query_type *type;
	struct filter *filter;
	const char *format;
	int64_t page, size;
};

/* A record as its filter sees it. */
struct candidate {
	const struct query *query;
	struct json_object *record;
};

static const struct {
	const char *path, *urn;
} reference_kinds[] = {
	{"/api/org/", "org"},
	{"/api/vdc/", "vdc"},
	{"/api/vApp/vapp-", "vapp"},
	{"/api/vApp/vm-", "vm"},
	{"/api/admin/user/", "user"},
	{"/api/task/", "task"},
	{"/api/catalog/", "catalog"},
	{"/api/catalogItem/", "catalogitem"},
	{"/api/vAppTemplate/vappTemplate-", "vapptemplate"},
	{"/api/network/", "network"},
	{"/api/vdcStorageProfile/", "vdcstorageProfile"},
};

/* The URN of one of our hrefs; any other text as it is. */
static const char *as_urn(const struct sim_request *req, const char *value)
{
	const char *base = sim_base_url(req->sim);

	if (!str_starts(value, base))
		return value;
	for (size_t i = 0; i < ARRAY_LEN(reference_kinds); i++) {
		const char *path = value + strlen(base);

		if (str_starts(path, reference_kinds[i].path))
			return urn_of(req, reference_kinds[i].urn,
				path + strlen(reference_kinds[i].path));
	}
	return value;
}

/* References may be filtered as href and as URN: the form is that of the value asked for. */
static const char *record_value(void *object, const char *key)
{
	const struct candidate *candidate = object;
	const char *wanted = filter_demands(candidate->query->filter, key), *value;
	struct json_object *found;

	if (str_starts(key, "metadata")) {
		struct json_object *metadata = json_at(candidate->record, "_metadata");

		return json_object_object_get_ex(metadata, key, &found)
			       ? json_object_get_string(found)
			       : NULL;
	}
	value = json_str(candidate->record, str_eq(key, "id") ? "href" : key, NULL);
	if (value != NULL && (str_eq(key, "id") || (wanted != NULL && str_starts(wanted, "urn:"))))
		return as_urn(candidate->query->req, value);
	return value;
}

static bool attr_is_known(const struct query_type *type, const char *attr)
{
	const char *rest = type->attrs, *start;
	size_t len;

	if (str_eq(attr, "id") || str_eq(attr, "href") || str_starts(attr, "metadata:") ||
		str_starts(attr, "metadata@SYSTEM:"))
		return true;
	while ((start = str_next(&rest, ' ', &len)) != NULL) {
		if (strlen(attr) == len && memcmp(start, attr, len) == 0)
			return true;
	}
	return false;
}

/* Before version 35 a filter may be encoded twice, which filterEncoded tells. */
static const char *decoded_filter(const struct sim_request *req)
{
	const char *filter = sim_query(req, "filter");

	if (filter != NULL && req->api_version < 350 &&
		str_eq_ci(sim_query(req, "filterEncoded"), "true"))
		return str_percent_decode(req->arena, filter, strlen(filter));
	return filter;
}

static bool read_filter(struct query *query, struct sim_reply *reply)
{
	const char *text = decoded_filter(query->req), *attr;
	struct error err;

	if (str_empty(text))
		return true;
	query->filter = filter_parse(query->req->arena, text, &err);
	if (query->filter == NULL) {
		reply_error(query->req, reply, 400, "BAD_REQUEST", "%s", err.msg);
		return false;
	}
	for (size_t i = 0; (attr = filter_key(query->filter, i)) != NULL; i++) {
		if (attr_is_known(query->type, attr))
			continue;
		reply_error(query->req, reply, 400, "BAD_REQUEST",
			"Invalid attribute '%s' in the filter of a query of type %s.", attr,
			query->type->name);
		return false;
	}
	return true;
}

static int64_t number_of(const struct sim_request *req, const char *name, int64_t otherwise)
{
	const char *text = sim_query(req, name);
	int64_t number;

	return text != NULL && str_to_int(text, 1, INT32_MAX, &number) ? number : otherwise;
}

static bool read_query(struct query *query, struct sim_reply *reply)
{
	const struct sim_request *req = query->req;
	const char *name = str_or(sim_query(req, "type"), "");
	const struct query_type *type = query_types;

	while (type->name != NULL && !str_eq(type->name, name))
		type++;
	if (type->name == NULL) {
		reply_error(req, reply, 400, "BAD_REQUEST", "Unknown query type '%s'.", name);
		return false;
	}
	if (type->admin && !session_is_system(req->session)) {
		reply_error(req, reply, 403, "ACCESS_TO_RESOURCE_IS_FORBIDDEN",
			"This operation is denied.");
		return false;
	}
	query->type = type;
	query->format = str_or(sim_query(req, "format"), "records");
	query->page = number_of(req, "page", 1);
	query->size = number_of(req, "pageSize", PAGE_SIZE_DEFAULT);
	if (query->size > PAGE_SIZE_MAX)
		query->size = PAGE_SIZE_MAX;
	return read_filter(query, reply);
}

static __thread const char *sort_attr;
static __thread int sort_sign;

static int compare_records(const void *a, const void *b)
{
	struct json_object *const *left = a, *const *right = b;

	return sort_sign *
	       strcasecmp(json_str(*left, sort_attr, ""), json_str(*right, sort_attr, ""));
}

/* Without an order asked for, VCD sorts by its own ids, which mean nothing. */
static void sort_records(const struct query *query, struct json_object *records)
{
	const char *ascending = sim_query(query->req, "sortAsc");
	const char *descending = sim_query(query->req, "sortDesc");

	sort_attr = ascending != NULL ? ascending : descending != NULL ? descending : "href";
	sort_sign = ascending == NULL && descending != NULL ? -1 : 1;
	json_object_array_sort(records, compare_records);
}

static struct json_object *matching_records(struct sim *sim, const struct query *query)
{
	struct json_object *all = json_object_new_array(), *matching = json_object_new_array();

	query->type->rows(sim, query->req, all);
	for (size_t i = 0; i < json_object_array_length(all); i++) {
		struct candidate candidate = {query, json_object_array_get_idx(all, i)};

		if (filter_match(query->filter, &candidate, record_value))
			json_object_array_add(matching, json_object_get(candidate.record));
	}
	json_object_put(all);
	sort_records(query, matching);
	return matching;
}

static const char *page_href(const struct query *query, int64_t page)
{
	const struct sim_request *req = query->req;
	const char *filter = sim_query(req, "filter"), *sort = sim_query(req, "sortAsc");

	return arena_printf(req->arena, "%s?type=%s&page=%lld&pageSize=%lld&format=%s%s%s%s%s",
		href_of(req, "query", NULL), query->type->name, (long long)page,
		(long long)query->size, query->format,
		sort == NULL ? "" : "&sortAsc=", str_or(sort, ""), filter == NULL ? "" : "&filter=",
		filter == NULL ? "" : str_percent_encode(req->arena, filter));
}

static void render_page_links(
	const struct query *query, struct xml_writer *writer, const char *media, int64_t pages)
{
	if (query->page > 1) {
		render_link(writer, "firstPage", media, page_href(query, 1));
		render_link(writer, "previousPage", media, page_href(query, query->page - 1));
	}
	if (query->page < pages) {
		render_link(writer, "nextPage", media, page_href(query, query->page + 1));
		render_link(writer, "lastPage", media, page_href(query, pages));
	}
}

static void render_record(
	const struct query *query, struct xml_writer *writer, struct json_object *record)
{
	bool ids = str_eq(query->format, "idrecords");

	xw_open(writer, query->type->record);
	json_object_object_foreach(record, name, value)
	{
		const char *text = json_object_get_string(value);

		if (name[0] == '_')
			continue;
		if (ids)
			xw_attr(writer, str_eq(name, "href") ? "id" : name,
				as_urn(query->req, text));
		else
			xw_attr(writer, name, text);
	}
	xw_close(writer);
}

/* "VAppRecord" gives "VAppReference" and "VAppReferences". */
static const char *reference_element(const struct query *query, const char *ending)
{
	size_t stem = strlen(query->type->record) - strlen("Record");

	return arena_printf(query->req->arena, "%.*s%s", (int)stem, query->type->record, ending);
}

static void render_reference(
	const struct query *query, struct xml_writer *writer, struct json_object *record)
{
	const char *href = json_str(record, "href", "");

	render_ref(writer, reference_element(query, "Reference"), json_str(record, "name", ""),
		as_urn(query->req, href), href, NULL);
}

static void render_result(
	const struct query *query, struct sim_reply *reply, struct json_object *records)
{
	bool references = str_eq(query->format, "references");
	int64_t total = (int64_t)json_object_array_length(records);
	int64_t pages = (total + query->size - 1) / query->size;
	const char *media =
		arena_printf(query->req->arena, TYPE_VCLOUD "query.%s+xml", query->format);
	struct xml_writer *writer = doc_open(
		references ? reference_element(query, "References") : "QueryResultRecords");

	xw_attr(writer, "name", query->type->name);
	xw_attr_int(writer, "page", query->page);
	xw_attr_int(writer, "pageSize", query->size);
	xw_attr_int(writer, "total", total);
	xw_attr(writer, "href", page_href(query, query->page));
	xw_attr(writer, "type", media);
	render_page_links(query, writer, media, pages);
	for (int64_t i = (query->page - 1) * query->size;
		i < total && i < query->page * query->size; i++) {
		struct json_object *record = json_object_array_get_idx(records, (size_t)i);

		if (references)
			render_reference(query, writer, record);
		else
			render_record(query, writer, record);
	}
	doc_reply(query->req, reply, 200, media, writer);
}

void get_query(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct query query = {.req = req};

	if (!read_query(&query, reply))
		return;
	struct json_object *records = matching_records(sim, &query);

	render_result(&query, reply, records);
	json_object_put(records);
}
