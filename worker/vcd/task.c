/* SPDX-License-Identifier: MIT */
#include "worker/vcd/task.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/str.h"
#include "common/xml_write.h"
#include "worker/vcd/client.h"
#include "worker/vcd/query.h"
#include "worker/vcd/task_xml.h"

#include <string.h>

#define TASK_TYPE "application/vnd.vmware.vcloud.task+xml"
#define OPERATION_NAME "cluster operation"

enum { ERROR_MAX_BYTES = 1024, POLL_FAILURES_MAX = 3 };

static const struct {
	const char *name;
	enum task_status status;
} statuses[] = {
	{"queued", TASK_QUEUED},
	{"preRunning", TASK_QUEUED},
	{"running", TASK_RUNNING},
	{"success", TASK_SUCCESS},
	{"error", TASK_ERROR},
	{"aborted", TASK_ABORTED},
	{"canceled", TASK_ABORTED},
};

/* A word of a later version counts as running: waiting is the safe mistake. */
static enum task_status parse_status(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
		if (str_eq_ci(name, statuses[i].name))
			return statuses[i].status;
	}
	return TASK_RUNNING;
}

static const char *status_name(enum task_status status)
{
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
		if (statuses[i].status == status)
			return statuses[i].name;
	}
	return "running";
}

bool task_is_final(const struct vcd_task *task)
{
	return task->status == TASK_SUCCESS || task->status == TASK_ERROR ||
	       task->status == TASK_ABORTED;
}

static const char *attr(struct arena *arena, const struct xml_node *node, const char *name)
{
	return str_or(xml_attr(arena, node, name), "");
}

static int read_progress(struct arena *arena, const struct xml_node *node)
{
	int64_t progress;

	if (!str_to_int(xml_text(arena, xml_path(node, "Progress")), 0, 100, &progress))
		return -1;
	return (int)progress;
}

void task_read(struct arena *arena, const struct xml_node *node, struct vcd_task *out)
{
	const struct xml_node *owner = xml_path(node, "Owner");
	const struct xml_node *user = xml_path(node, "User");
	const struct xml_node *org = xml_path(node, "Organization");
	const struct xml_node *error = xml_path(node, "Error");

	*out = (struct vcd_task){
		.href = attr(arena, node, "href"),
		.status = parse_status(attr(arena, node, "status")),
		.operation = attr(arena, node, "operation"),
		.details = str_or(xml_text(arena, xml_path(node, "Details")), ""),
		.progress = read_progress(arena, node),
		.cancel_requested = str_eq(xml_attr(arena, node, "cancelRequested"), "true"),
		.owner_href = attr(arena, owner, "href"),
		.owner_name = attr(arena, owner, "name"),
		.owner_type = attr(arena, owner, "type"),
		.owner_id = attr(arena, owner, "id"),
		.user_href = attr(arena, user, "href"),
		.user_name = attr(arena, user, "name"),
		.org_href = attr(arena, org, "href"),
		.org_id = attr(arena, org, "id"),
		.error_message = attr(arena, error, "message"),
		.error_minor = attr(arena, error, "minorErrorCode"),
		.service_namespace = attr(arena, node, "serviceNamespace"),
	};
	out->uuid = href_uuid(arena, out->href, "");
	if (!clock_parse_iso(xml_attr(arena, node, "startTime"), &out->start_ms))
		out->start_ms = 0;
}

const char *task_href(struct arena *arena, struct xml_doc *doc)
{
	const struct xml_node *root = doc ? xml_root(doc) : NULL;

	if (!xml_is(root, XML_VCLOUD, "Task"))
		root = xml_path(root, "Tasks/Task");
	return attr(arena, root, "href");
}

static void write_reference(struct xml_writer *xml, const char *element, const char *href,
	const char *type, const char *name)
{
	if (str_empty(href))
		return;
	xw_open(xml, element);
	xw_attr(xml, "href", href);
	xw_attr(xml, "type", str_empty(type) ? NULL : type);
	xw_attr(xml, "name", str_empty(name) ? NULL : name);
	xw_close(xml);
}

/* Cuts at a character's start, so that half a character never travels. */
static const char *shorten(struct arena *arena, const char *text, size_t max)
{
	size_t len = strlen(text);

	if (len <= max)
		return text;
	while (max > 0 && (text[max] & 0xc0) == 0x80)
		max--;
	return arena_strndup(arena, text, max);
}

static void write_error(struct xml_writer *xml, struct arena *arena, const char *message)
{
	xw_open(xml, "Error");
	xw_attr(xml, "majorErrorCode", "500");
	xw_attr(xml, "minorErrorCode", "INTERNAL_SERVER_ERROR");
	xw_attr(xml, "message", shorten(arena, message, ERROR_MAX_BYTES));
	xw_attr(xml, "stackTrace", "");
	xw_close(xml);
}

const char *task_body(
	struct arena *arena, const struct vcd_task *about, const struct vcd_task_write *write)
{
	CLEANUP(xml_writer_free)
	struct xml_writer *xml = xml_writer_new();
	size_t len;

	xw_open(xml, "Task");
	xw_ns(xml, NULL, XML_VCLOUD);
	xw_attr(xml, "name", "task");
	xw_attr(xml, "status", status_name(write->status));
	xw_attr(xml, "type", TASK_TYPE);
	xw_attr(xml, "operation", write->operation);
	xw_attr(xml, "operationName", OPERATION_NAME);
	xw_attr(xml, "serviceNamespace", TASK_SERVICE_NAMESPACE);
	write_reference(xml, "Owner", about->owner_href, about->owner_type, about->owner_name);
	if (write->status == TASK_ERROR)
		write_error(xml, arena, str_or(write->error_message, "unknown error"));
	write_reference(xml, "User", about->user_href, "application/vnd.vmware.admin.user+xml",
		about->user_name);
	if (write->progress >= 0)
		xw_leaf_int(xml, "Progress", write->progress);
	xw_leaf(xml, "Details", write->details);
	xw_close(xml);
	return xw_finish(xml, arena, &len);
}

void vcd_on_task(struct vcd *vcd,
	void (*written)(
		void *data, const struct vcd_task *task, const struct vcd_task_write *write),
	void *data)
{
	vcd->task_written = written;
	vcd->task_data = data;
}

/* Sends a task's text and reads the task that comes back. */
static int send_task(struct vcd *vcd, const char *method, const char *path,
	const struct vcd_task *about, const struct vcd_task_write *write, const char *what,
	struct vcd_task *out, struct error *err)
{
	CLEANUP(xml_free)
	struct xml_doc *doc = NULL;
	const char *body = task_body(vcd->arena, about, write);
	struct vcd_task task = *about;
	bool is_task;

	if (vcd_send_xml(vcd, VCD_SERVICE, method, path, TASK_TYPE, body, what, &doc, err) < 0)
		return -1;
	is_task = doc && xml_is(xml_root(doc), XML_VCLOUD, "Task");
	if (is_task)
		task_read(vcd->arena, xml_root(doc), &task);
	if (vcd->task_written && !str_empty(task.uuid))
		vcd->task_written(vcd->task_data, &task, write);
	if (out && !is_task)
		return error_set(err, ERR_TRANSIENT, "%s: the answer is no task", what);
	if (out)
		*out = task;
	return 0;
}

int vcd_task_create(struct vcd *vcd, const char *org_uuid, const char *org_name,
	const char *user_uuid, const char *user_name, const struct vcd_task_write *write,
	struct vcd_task *out, struct error *err)
{
	struct vcd_task about = {
		.owner_href = vcd_href(vcd, "/api/org/%s", org_uuid),
		.owner_type = "application/vnd.vmware.vcloud.org+xml",
		.owner_name = org_name,
		.user_href = vcd_href(vcd, "/api/admin/user/%s", user_uuid),
		.user_name = user_name,
	};
	const char *path =
		arena_printf(vcd->arena, "/api/tasksList/%s", path_segment(vcd->arena, org_uuid));
	const char *what = arena_printf(vcd->arena, "task for org %s: create", org_name);

	return send_task(vcd, "POST", path, &about, write, what, out, err);
}

static int get_task(struct vcd *vcd, const char *path, const char *what, struct vcd_task *out,
	struct error *err)
{
	CLEANUP(xml_free)
	struct xml_doc *doc = NULL;

	if (vcd_get_xml(vcd, VCD_SERVICE, path, what, &doc, err) < 0)
		return -1;
	if (!xml_is(xml_root(doc), XML_VCLOUD, "Task"))
		return error_set(err, ERR_TRANSIENT, "%s: the answer is no task", what);
	task_read(vcd->arena, xml_root(doc), out);
	return 0;
}

int vcd_task_get(struct vcd *vcd, const char *uuid, struct vcd_task *out, struct error *err)
{
	const char *path = arena_printf(vcd->arena, "/api/task/%s", path_segment(vcd->arena, uuid));

	return get_task(vcd, path, arena_printf(vcd->arena, "task %s: read", uuid), out, err);
}

int vcd_task_put(struct vcd *vcd, const struct vcd_task *read, const struct vcd_task_write *write,
	struct vcd_task *out, struct error *err)
{
	const char *path =
		arena_printf(vcd->arena, "/api/task/%s", path_segment(vcd->arena, read->uuid));
	const char *what = arena_printf(vcd->arena, "task %s: update", read->uuid);

	return send_task(vcd, "PUT", path, read, write, what, out, err);
}

/* Reads the tasks of those records that failed. */
static int read_failures(struct vcd *vcd, struct xml_doc *records, struct vcd_task *out, size_t max,
	size_t *count, bool *last_failed, struct error *err)
{
	struct xml_node *node = xml_child(xml_root(records), XML_VCLOUD, "AdminTaskRecord");
	bool first = true;

	for (; node; node = xml_next(node, XML_VCLOUD, "AdminTaskRecord"), first = false) {
		enum task_status status = parse_status(attr(vcd->arena, node, "status"));
		const char *uuid = href_uuid(vcd->arena, attr(vcd->arena, node, "href"), "");
		bool failed = status == TASK_ERROR || status == TASK_ABORTED;

		*last_failed |= first && failed;
		if (!failed || *count == max)
			continue;
		if (vcd_task_get(vcd, uuid, &out[*count], err))
			return -1;
		*count += 1;
	}
	return 0;
}

int vcd_task_failures(struct vcd *vcd, const char *object_href, struct vcd_task *out, size_t max,
	size_t *count, bool *last_failed, struct error *err)
{
	const char *filter = filter_term(vcd->arena, "object", object_href);
	const char *path = arena_printf(vcd->arena,
		"/api/query?type=adminTask&format=records&page=1&pageSize=25&sortDesc=startDate&%s",
		query_filter(vcd->arena, filter));
	CLEANUP(xml_free)
	struct xml_doc *doc = NULL;

	*count = 0;
	*last_failed = false;
	if (vcd_get_xml(vcd, VCD_SERVICE, path, "tasks of the vApp: find", &doc, err) < 0)
		return -1;
	return read_failures(vcd, doc, out, max, count, last_failed, err);
}

int vcd_task_judge(const struct vcd_task *task, const char *what, struct error *err)
{
	enum err_code code = fault_class(400, task->error_minor, task->error_message);

	if (task->status == TASK_SUCCESS)
		return 0;
	if (!task_is_final(task))
		return 1;
	if (task->status == TASK_ABORTED)
		return error_set(err, ERR_INVALID, "%s: the task was aborted", what);
	return error_set(err, code, "%s: VCD's task failed: %.360s", what,
		*task->error_message ? task->error_message : "no explanation");
}

/* Clones take minutes, NAT rules a second: short at first, longer in the end, like the rungs. */
static int64_t next_pause(const struct vcd *vcd, int64_t pause_ms)
{
	const int64_t *rungs = vcd->config->timing_rungs;

	return pause_ms < rungs[1] ? pause_ms + rungs[0] / 2 : pause_ms;
}

int vcd_task_wait(
	struct vcd *vcd, const char *href, int64_t max_ms, const char *what, struct error *err)
{
	int64_t until = clock_ms() + max_ms;
	int64_t pause_ms = vcd->config->timing_rungs[0];
	int failures = 0;

	if (!*href)
		return 0;
	for (;; pause_ms = next_pause(vcd, pause_ms)) {
		struct vcd_task task = {0};
		int64_t left;
		int state = get_task(vcd, href, what, &task, err);

		if (state == 0) {
			failures = 0;
			state = vcd_task_judge(&task, what, err);
		} else if (err->code == ERR_TRANSIENT && ++failures < POLL_FAILURES_MAX) {
			log_event(LOG_WARN, "task.poll_failed", LOG_STR("reason", err->msg));
			state = 1;
		}
		if (state <= 0)
			return state;
		left = until - clock_ms();
		if (left <= 0 || !vcd_sleep(vcd, left < pause_ms ? left : pause_ms))
			return error_set(
				err, ERR_TRANSIENT, "%s: VCD's task is still running", what);
	}
}
