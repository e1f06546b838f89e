/* SPDX-License-Identifier: MIT */
#include "worker/plans/evidence.h"

#include "common/buf.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/redact.h"
#include "common/str.h"

#include <string.h>

/* So many bytes are kept free for what closes the text. */
enum { TEXT_MAX = 4096, TASKS_MAX = 3, CLOSING_BYTES = 64, NODES_TEXT_MAX = 160 };

static const char *const status_names[] = {
	[GUEST_RUNNING] = "running",
	[GUEST_DONE] = "done",
	[GUEST_FAILED] = "failed",
};

/* Texts of others: without secrets, bounded, UTF-8. */
static void set_text(
	struct arena *arena, struct json_object *object, const char *key, const char *text)
{
	if (!str_empty(text))
		json_set_str(object, key,
			str_readable(arena, arena_strndup(arena, redact(arena, text), TEXT_MAX)));
}

static struct json_object *node_json(struct arena *arena, const struct node *node)
{
	const struct guest_report *report = &node->report;
	struct json_object *out = json_object_new_object();

	json_set_str(out, "name", node->name);
	json_set_str(out, "role", node->role == ROLE_CONTROL_PLANE ? "control-plane" : "worker");
	json_set_str(out, "address", node->ip);
	json_set_bool(out, "on", node->on);
	json_set_str(out, "phase", guest_phase_name(report->phase));
	if (report->phase != GUEST_NONE)
		json_set_str(out, "status", status_names[report->status]);
	set_text(arena, out, "command", report->command);
	set_text(arena, out, "text", report->evidence);
	return out;
}

static struct json_object *task_json(struct arena *arena, const struct vcd_task *task)
{
	struct json_object *out = json_object_new_object();
	char started[CLOCK_ISO_SIZE];

	clock_iso(started, task->start_ms);
	json_set_str(out, "id", task->uuid);
	set_text(arena, out, "operation", task->operation);
	json_set_str(out, "started", started);
	set_text(arena, out, "error", task->error_message);
	return out;
}

/* Adds the item to the list, or counts it as left out when the whole would become too long. */
static void add_bounded(struct arena *arena, struct json_object *whole, struct json_object *list,
	struct json_object *item)
{
	size_t used = strlen(json_text(arena, whole)) + strlen(json_text(arena, item));

	if (used + CLOSING_BYTES < EVIDENCE_MAX_BYTES) {
		json_object_array_add(list, item);
		return;
	}
	json_object_put(item);
	json_set_int(whole, "left_out", json_int(whole, "left_out", 0) + 1);
}

static bool has_finished(const struct node *node)
{
	enum guest_phase last = node->role == ROLE_CONTROL_PLANE ? GUEST_PUBLISH : GUEST_JOIN;

	return guest_finished(&node->report, last);
}

/* What tells most comes first: nodes that failed, then unfinished ones, then the others. */
static int node_rank(const struct node *node)
{
	if (node->report.status == GUEST_FAILED)
		return 0;
	return has_finished(node) ? 2 : 1;
}

static void add_nodes(struct arena *arena, struct json_object *whole, const struct observed *seen)
{
	struct json_object *list = json_object_new_array();

	json_set(whole, "nodes", list);
	for (int rank = 0; rank <= 2; rank++) {
		const struct node *node = &seen->control_plane;

		for (size_t i = 0; i <= seen->worker_count; node = &seen->workers[i++]) {
			if (node->name && node_rank(node) == rank)
				add_bounded(arena, whole, list, node_json(arena, node));
		}
	}
}

static void add_tasks(struct work *work, struct json_object *whole, const char *vapp_href)
{
	struct vcd_task tasks[TASKS_MAX];
	struct json_object *list;
	struct error ignored;
	size_t count = 0;
	bool last_failed;

	if (vcd_task_failures(
		    work->vcd, vapp_href, tasks, TASKS_MAX, &count, &last_failed, &ignored) &&
		!count)
		return;
	list = json_object_new_array();
	json_set(whole, "tasks", list);
	for (size_t i = 0; i < count; i++)
		add_bounded(work->arena, whole, list, task_json(work->arena, &tasks[i]));
}

struct json_object *evidence_collect(
	struct work *work, struct observed *seen, const char *step, const char *cause)
{
	struct json_object *out = json_object_new_object();
	struct error ignored;

	json_set_str(out, "step", step);
	set_text(work->arena, out, "cause", cause);
	if (observed_look(work, seen, SEE_VAPP, &ignored) || seen->vapp == VAPP_ABSENT)
		return out;
	/* A forged href leads to somebody else's, of which nobody here is to learn. */
	if (!seen->vapp_ours)
		return out;
	json_set_str(out, "vapp", seen->vapp_name);
	if (work->details->op == OPERATION_CREATE)
		add_nodes(work->arena, out, seen);
	add_tasks(work, out, seen->vapp_href);
	return out;
}

static void log_items(struct json_object *list, const char *what)
{
	size_t count = list ? json_object_array_length(list) : 0;

	for (size_t i = 0; i < count; i++) {
		struct json_object *item = json_object_array_get_idx(list, i);

		log_event(LOG_WARN, "operation.evidence", LOG_STR("what", what),
			LOG_STR("name", json_str(item, "name", json_str(item, "id", ""))),
			LOG_STR("phase", json_str(item, "phase", NULL)),
			LOG_STR("status", json_str(item, "status", NULL)),
			LOG_STR("operation", json_str(item, "operation", NULL)),
			LOG_STR("command", json_str(item, "command", NULL)),
			LOG_STR("text", json_str(item, "text", json_str(item, "error", NULL))));
	}
}

void evidence_log(struct json_object *evidence)
{
	log_items(json_at(evidence, "nodes"), "node");
	log_items(json_at(evidence, "tasks"), "task");
}

static void describe(struct buf *out, const struct node *node)
{
	if (!node->name || has_finished(node))
		return;
	buf_printf(out, "%s%s: ", out->len ? ", " : "", node->name);
	if (node->report.phase == GUEST_NONE)
		buf_add_str(out, node->on ? "silent" : "off");
	else
		buf_printf(out, "%s %s", guest_phase_name(node->report.phase),
			status_names[node->report.status]);
}

const char *evidence_nodes(struct arena *arena, const struct observed *seen)
{
	CLEANUP(buf_release)
	struct buf out;

	buf_init(&out, NODES_TEXT_MAX);
	describe(&out, &seen->control_plane);
	for (size_t i = 0; i < seen->worker_count; i++)
		describe(&out, &seen->workers[i]);
	return arena_strdup(arena, buf_str(&out));
}

int evidence_vapp(struct work *work, const char *vapp_href, const char **out, struct error *err)
{
	struct vcd_task task;
	size_t count = 0;
	bool last_failed = false;

	*out = "";
	if (vcd_task_failures(work->vcd, vapp_href, &task, 1, &count, &last_failed, err))
		return -1;
	if (last_failed && count)
		*out = str_empty(task.error_message) ? task.operation : task.error_message;
	return 0;
}
