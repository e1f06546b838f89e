/* SPDX-License-Identifier: MIT */
#include "worker/vcd/task.h"

#include "common/clock.h"
#include "common/str.h"
#include "worker/vcd/query.h"

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

int vcd_task_newest(struct vcd *vcd, struct vcd_task_ref **out, size_t *count, struct error *err)
{
	CLEANUP(xml_free)
	struct xml_doc *records = NULL;
	struct arena *arena = vcd_arena(vcd);
	const char *filter =
		filter_and(arena, filter_term(arena, "serviceNamespace", TASK_SERVICE_NAMESPACE),
			filter_term(arena, "status", "running"));
	const char *path = arena_printf(arena,
		"/api/"
		"query?type=adminTask&format=records&page=1&pageSize=128&sortDesc=startDate&%s",
		query_filter(arena, filter));
	struct xml_node *node;

	*count = 0;
	if (vcd_get_xml(vcd, VCD_SERVICE, path, "running tasks: find", &records, err))
		return -1;
	*out = arena_alloc(arena, (xml_count(xml_root(records)) + 1) * sizeof(**out));
	for (node = xml_child(xml_root(records), NULL, NULL); node;
		node = xml_next(node, NULL, NULL))
		if (is_record(node))
			read_record(arena, node, &(*out)[(*count)++]);
	return 0;
}
