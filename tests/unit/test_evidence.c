/* SPDX-License-Identifier: MIT */
/* Evidence stays within its bound whatever the nodes say, and tells first what matters most. */
#include "worker/plans/evidence.h"

#include "common/json.h"
#include "common/str.h"
#include "tests/unit/unit.h"

enum { WORKERS = 120, TEXT = 3000 };

struct fixture {
	struct arena arena;
	struct details details;
	struct work work;
	struct observed seen;
	struct node workers[WORKERS];
};

/* VCD is played here: the vApp was looked at, and one of its tasks failed. */
int observed_look(struct work *work, struct observed *seen, unsigned needs, struct error *err)
{
	(void)work;
	(void)err;
	return (seen->seen & needs) == needs ? 0 : -1;
}

int vcd_task_failures(struct vcd *vcd, const char *object_href, struct vcd_task *out, size_t max,
	size_t *count, bool *last_failed, struct error *err)
{
	(void)vcd;
	(void)object_href;
	(void)err;
	assert_true(max > 0);
	out[0] = (struct vcd_task){.uuid = "t1",
		.operation = "Composing tkg1",
		.error_message = "no storage; token: abc"};
	*count = 1;
	*last_failed = true;
	return 0;
}

static struct node node_new(struct arena *arena, const char *name, enum role role, const char *text)
{
	return (struct node){.name = name,
		.ip = "10.0.0.1",
		.role = role,
		.on = true,
		.report = {.phase = role == ROLE_WORKER ? GUEST_JOIN : GUEST_NODES,
			.status = GUEST_RUNNING,
			.error = "",
			.command = "",
			.evidence = arena_strdup(arena, text)}};
}

static void start(struct fixture *f, size_t workers, const char *text)
{
	*f = (struct fixture){0};
	f->details = details_new("lab", OPERATION_CREATE, "r1");
	f->work = (struct work){.arena = &f->arena, .details = &f->details};
	f->seen.seen = SEE_VAPP;
	f->seen.vapp = VAPP_READY;
	f->seen.vapp_ours = true;
	f->seen.vapp_name = "tkg1";
	f->seen.vapp_href = "https://vcd/api/vApp/vapp-1";
	f->seen.control_plane = node_new(&f->arena, "mstr-0", ROLE_CONTROL_PLANE, text);
	f->seen.workers = f->workers;
	f->seen.worker_count = workers;
	for (size_t i = 0; i < workers; i++)
		f->workers[i] = node_new(
			&f->arena, arena_printf(&f->arena, "node-%zu", i), ROLE_WORKER, text);
}

static void it_is_bounded_and_begins_with_the_failed(void **state)
{
	static struct fixture f;
	char text[TEXT + 1];
	struct json_object *evidence, *nodes;
	size_t kept;

	(void)state;
	for (size_t i = 0; i < TEXT; i++)
		text[i] = i % 60 == 59 ? '\n' : '"'; /* each takes two bytes as JSON */
	text[TEXT] = '\0';
	start(&f, WORKERS, text);
	f.workers[77].report.status = GUEST_FAILED;
	f.workers[3].report.status = GUEST_DONE;
	evidence = evidence_collect(&f.work, &f.seen, "join", "password=hunter2 was refused");
	assert_true(strlen(json_text(&f.arena, evidence)) <= EVIDENCE_MAX_BYTES);
	assert_string_equal(json_str(evidence, "cause", ""), "password=*** was refused");
	nodes = json_at(evidence, "nodes");
	kept = json_object_array_length(nodes);
	assert_in_range(kept, 5, WORKERS);
	assert_int_equal(json_int(evidence, "left_out", 0), WORKERS + 1 - (int64_t)kept);
	/* What no longer fits in is left out whole. */
	assert_string_equal(json_str(json_object_array_get_idx(nodes, 0), "name", ""), "node-77");
	assert_string_equal(json_str(json_object_array_get_idx(nodes, 0), "status", ""), "failed");
	json_release(&evidence);
	arena_reset(&f.arena);
}

static void vcd_s_tasks_are_told(void **state)
{
	static struct fixture f;
	struct json_object *evidence, *task;
	const char *why;
	struct error err;

	(void)state;
	start(&f, 1, "short");
	evidence = evidence_collect(&f.work, &f.seen, "vapp", "cause");
	task = json_object_array_get_idx(json_at(evidence, "tasks"), 0);
	assert_string_equal(json_str(task, "error", ""), "no storage; token: ***");
	assert_string_equal(json_str(task, "operation", ""), "Composing tkg1");
	assert_int_equal(evidence_vapp(&f.work, f.seen.vapp_href, &why, &err), 0);
	assert_string_equal(why, "no storage; token: abc");
	json_release(&evidence);
	arena_reset(&f.arena);
}

static void who_is_waited_for_is_named(void **state)
{
	static struct fixture f;

	(void)state;
	start(&f, 3, "");
	f.workers[0].report.status = GUEST_DONE;
	f.workers[1].report.phase = GUEST_NONE;
	f.workers[2].report.phase = GUEST_NONE;
	f.workers[2].on = false;
	assert_string_equal(evidence_nodes(&f.arena, &f.seen),
		"mstr-0: nodes running, node-1: silent, node-2: off");
	arena_reset(&f.arena);
}

static void nothing_is_told_of_a_vapp_of_others(void **state)
{
	static struct fixture f;
	struct json_object *evidence;

	(void)state;
	start(&f, 1, "short");
	f.seen.vapp_ours = false;
	evidence = evidence_collect(&f.work, &f.seen, "vapp", "cause");
	assert_string_equal(json_str(evidence, "cause", ""), "cause");
	assert_null(strstr(json_text(&f.arena, evidence), "tkg1"));
	assert_null(json_at(evidence, "tasks"));
	assert_null(json_at(evidence, "nodes"));
	json_release(&evidence);
	arena_reset(&f.arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_bounded_and_begins_with_the_failed),
		cmocka_unit_test(vcd_s_tasks_are_told),
		cmocka_unit_test(who_is_waited_for_is_named),
		cmocka_unit_test(nothing_is_told_of_a_vapp_of_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
