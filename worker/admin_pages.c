/* SPDX-License-Identifier: MIT */
#include "worker/admin_pages.h"

#include "common/clock.h"
#include "common/str.h"
#include "worker/health.h"
#include "worker/slot.h"
#include "worker/vcd/vcd.h"

#include <inttypes.h>

enum { PAGE_MAX_BYTES = 1024 * 1024 };

static void put_json(struct admin_page *out, int status, struct json_object *object)
{
	out->status = status;
	out->type = "application/json";
	buf_add_str(&out->body, json_object_to_json_string_ext(object,
					JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	buf_add_str(&out->body, "\n");
}

static void put_error(struct admin_page *out, int status, const char *text)
{
	CLEANUP(json_release)
	struct json_object *object = json_object_new_object();

	json_set_str(object, "error", text);
	put_json(out, status, object);
}

/* 200 or 503, with the reasons. */
static void put_answer(
	struct admin_page *out, const char *word, bool yes, struct json_object *reasons)
{
	CLEANUP(json_release)
	struct json_object *object = json_object_new_object();

	json_set_bool(object, word, yes);
	if (!yes)
		json_set(object, "reasons", json_object_get(reasons));
	put_json(out, yes ? 200 : 503, object);
}

static void make_health(struct admin_page *out, struct shared *shared)
{
	CLEANUP(json_release)
	struct json_object *reasons = json_object_new_array();
	bool consuming = health_consuming(shared, reasons);
	bool moving = health_moving(shared, reasons);

	put_answer(out, "healthy", consuming && moving, reasons);
}

static void make_ready(struct admin_page *out, struct shared *shared)
{
	CLEANUP(json_release)
	struct json_object *reasons = json_object_new_array();
	bool consuming = health_consuming(shared, reasons);
	bool session = health_session(shared, reasons);

	put_answer(out, "ready", consuming && session, reasons);
}

/* Threads by kind, from their slots. */
static void print_threads(struct shared *shared, struct buf *out)
{
	static const char *const kinds[] = {
		[SLOT_REQUEST] = "request",
		[SLOT_OPERATION] = "operation",
		[SLOT_RESYNC] = "resync",
	};
	static const char *const states[] = {"consuming", "busy", "overdue"};
	int64_t counts[ARRAY_LEN(kinds)][ARRAY_LEN(states)] = {0};
	int64_t now = clock_ms();

	for (size_t i = 0; i < shared->slot_count; i++) {
		struct slot_view view;

		slot_read(&shared->slots[i], &view);
		counts[view.kind][0] += view.consuming;
		counts[view.kind][1] += view.busy;
		counts[view.kind][2] += view.deadline_ms && now > view.deadline_ms;
	}
	counters_print_family(out, "cse_worker_threads", "gauge",
		"Threads that are connected, at work, and past their deadline.");
	for (size_t kind = 0; kind < ARRAY_LEN(kinds); kind++)
		for (size_t i = 0; i < ARRAY_LEN(states); i++)
			buf_printf(out,
				"cse_worker_threads{kind=\"%s\",state=\"%s\"} %" PRId64 "\n",
				kinds[kind], states[i], counts[kind][i]);
}

static void make_metrics(struct admin_page *out, struct shared *shared)
{
	struct error ignored;
	struct buf *body = &out->body;

	counter_set(&shared->counters, COUNTER_LAG, lag_average_ms(&shared->lag));
	counter_set(&shared->counters, COUNTER_VCD_SESSION,
		vcd_shared_ready(shared->vcd, &ignored) == 0);
	out->type = "text/plain; version=0.0.4; charset=utf-8";
	counters_print_family(
		body, "cse_worker_build_info", "gauge", "The version of this worker; always 1.");
	buf_printf(body, "cse_worker_build_info{version=\"%s\"} 1\n", CSE_VERSION);
	print_threads(shared, body);
	counters_print(&shared->counters, body);
}

static struct json_object *describe(const struct slot_view *view)
{
	struct json_object *object = json_object_new_object();
	int64_t for_ms = clock_ms() - view->since_ms;
	char since[CLOCK_ISO_SIZE];

	clock_iso(since, clock_wall_ms() - for_ms);
	json_set_str(object, "thread", view->thread);
	json_set_bool(object, "consuming", view->consuming);
	json_set_str(object, "state", view->busy ? "busy" : "idle");
	json_set_str(object, "since", since);
	json_set_int(object, "for_ms", for_ms);
	if (view->busy) {
		json_set_str(object, "operation", view->operation);
		json_set_str(object, "task", view->task);
		json_set_str(object, "cluster", view->cluster);
		json_set_int(object, "pass", view->pass);
		json_set_str(object, "step", view->step);
	}
	if (*view->last_outcome)
		json_set_str(object, "last_outcome", view->last_outcome);
	return object;
}

static void make_operations(struct admin_page *out, struct shared *shared)
{
	CLEANUP(json_release)
	struct json_object *object = json_object_new_object();
	struct json_object *threads = json_object_new_array();

	json_set_str(object, "worker", shared->worker_id);
	json_set_str(object, "deployment", shared->config->deployment);
	json_set_str(object, "version", CSE_VERSION);
	json_set(object, "threads", threads);
	for (size_t i = 0; i < shared->slot_count; i++) {
		struct slot_view view;

		slot_read(&shared->slots[i], &view);
		if (view.kind == SLOT_OPERATION)
			json_object_array_add(threads, describe(&view));
	}
	put_json(out, 200, object);
}

static const struct {
	const char *path;
	void (*make)(struct admin_page *out, struct shared *shared);
} pages[] = {
	{"/healthz", make_health},
	{"/readyz", make_ready},
	{"/metrics", make_metrics},
	{"/v1/operations", make_operations},
};

void admin_page_make(
	struct admin_page *out, struct shared *shared, const char *method, const char *path)
{
	*out = (struct admin_page){.status = 200};
	buf_init(&out->body, PAGE_MAX_BYTES);
	for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
		if (!str_eq(path, pages[i].path))
			continue;
		if (str_eq(method, "GET"))
			pages[i].make(out, shared);
		else
			put_error(out, 405, "only GET");
		return;
	}
	put_error(out, 404, "no such page: /healthz, /readyz, /metrics, /v1/operations");
}
