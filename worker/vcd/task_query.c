/* SPDX-License-Identifier: MIT */
#include "worker/vcd/task.h"

#include "common/clock.h"
#include "common/str.h"
#include "worker/vcd/query.h"

enum { PAGE_SIZE = 128, PAGES_MAX = 100 };

struct task_list {
	struct vcd_task_ref *refs;
	size_t count, max;
};

/* The query's records carry no Details: whoever needs them reads the task. */
static void read_record(struct arena *arena, const struct xml_node *node, struct vcd_task_ref *out)
{
	const char *start = xml_attr(arena, node, "startDate");

	out->uuid = href_uuid(arena, xml_attr(arena, node, "href"), "");
	out->operation = str_or(xml_attr(arena, node, "operationFull"), "");
	if (!clock_parse_iso(start, &out->start_ms))
		out->start_ms = 0;
}

static bool is_record(const struct xml_node *node)
{
	return xml_is(node, XML_VCLOUD, "AdminTaskRecord") ||
	       xml_is(node, XML_VCLOUD, "TaskRecord");
}

/* One page into the list; *more tells whether there is another. */
static int read_page(struct vcd *vcd, int page, const char *sort, struct task_list *list,
	bool *more, struct error *err)
{
	CLEANUP(xml_free)
	struct xml_doc *records = NULL;
	struct arena *arena = vcd_arena(vcd);
	const char *filter =
		filter_and(arena, filter_term(arena, "serviceNamespace", TASK_SERVICE_NAMESPACE),
			filter_term(arena, "status", "running"));
	const char *path = arena_printf(arena,
		"/api/query?type=adminTask&format=records&page=%d&pageSize=%d&%s&%s", page,
		PAGE_SIZE, sort, query_filter(arena, filter));
	struct xml_node *node;

	if (vcd_get_xml(vcd, VCD_SERVICE, path, "running tasks: find", &records, err))
		return -1;
	*more = false;
	node = xml_child(xml_root(records), NULL, NULL);
	for (; node; node = xml_next(node, NULL, NULL)) {
		if (is_record(node) && list->count < list->max)
			read_record(arena, node, &list->refs[list->count++]);
		else
			*more |= str_eq(xml_attr(arena, node, "rel"), "nextPage");
	}
	return 0;
}

static int read_pages(struct vcd *vcd, int pages, const char *sort, struct vcd_task_ref **out,
	size_t *count, struct error *err)
{
	struct task_list list = {.max = (size_t)pages * PAGE_SIZE};
	bool more = true;

	list.refs = arena_alloc(vcd_arena(vcd), list.max * sizeof(*list.refs));
	for (int page = 1; page <= pages && more; page++)
		if (read_page(vcd, page, sort, &list, &more, err))
			return -1;
	*out = list.refs;
	*count = list.count;
	return 0;
}

int vcd_task_newest(struct vcd *vcd, struct vcd_task_ref **out, size_t *count, struct error *err)
{
	return read_pages(vcd, 1, "sortDesc=startDate", out, count, err);
}

int vcd_task_running(struct vcd *vcd, struct vcd_task_ref **out, size_t *count, struct error *err)
{
	return read_pages(vcd, PAGES_MAX, "sortAsc=startDate", out, count, err);
}
