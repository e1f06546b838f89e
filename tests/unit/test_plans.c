/* SPDX-License-Identifier: MIT */
/* Every plan from every half-done state: what was seen goes in, the step that comes is read. */
#include "worker/plans/plan.h"

#include "common/str.h"
#include "tests/unit/unit.h"

#define URN "urn:vcloud:entity:cse:nativeCluster:1.0.0:6e6f0c9a-5d2b-4b3e-8e9b-0f4b6f6e7a10"
#define TASK "task-1"
#define HASH "sha256:aa"
#define HREF "https://vcd/api/vApp/vapp-1"

enum { WORKERS = 2 };

struct fixture {
	struct details details;
	struct observed seen;
	struct node workers[WORKERS];
	struct error why;
	enum condition condition;
};

static struct node node_new(const char *name, const char *ip, enum role role)
{
	return (struct node){.name = name,
		.ip = ip,
		.role = role,
		.ca_hash = "",
		.external = "",
		.report = {.error = "",
			.command = "",
			.evidence = "",
			.sans = "",
			.nodes = "",
			.kubelet = ""}};
}

/* A vApp whose clone has ended, nothing else. */
static void start(struct fixture *f, enum operation op)
{
	struct observed *seen = &f->seen;

	f->details = details_new("lab", op, "req");
	f->details.vapp = "1";
	f->details.edge = "urn:vcloud:gateway:1";
	f->details.wanted.workers = op == OPERATION_CREATE ? WORKERS : -1;
	f->details.wanted.expose = op == OPERATION_CREATE;
	f->details.claim.pass = 1;
	observed_init(seen, &f->details, URN, TASK);
	seen->seen = SEE_VAPP | SEE_TWIN;
	seen->vapp = VAPP_READY;
	seen->vapp_ours = true;
	seen->vapp_name = "tkg1";
	seen->vapp_href = HREF;
	seen->control_plane = node_new("mstr-1", "10.0.0.1", ROLE_CONTROL_PLANE);
	f->workers[0] = node_new("node-1", "10.0.0.2", ROLE_WORKER);
	f->workers[1] = node_new("node-2", "10.0.0.3", ROLE_WORKER);
	seen->workers = f->workers;
	seen->worker_count = WORKERS;
}

static const char *next(struct fixture *f, const struct plan *plan)
{
	const struct step *step = plan_first_open(plan, &f->seen, &f->condition, &f->why);

	return step ? step->name : "";
}

#define ASSERT_NEXT(fixture, plan, name_, condition_)                                              \
	do {                                                                                       \
		assert_string_equal(next(fixture, plan), name_);                                   \
		assert_int_equal((fixture)->condition, condition_);                                \
	} while (0)
#define CREATE(fixture, name, condition) ASSERT_NEXT(fixture, &plan_cluster_create, name, condition)

/* ---- states of a create, each on top of the one before ---- */

static void settle(struct fixture *f)
{
	f->seen.resolved = true;
	f->seen.seen |= SEE_RULES;
	f->seen.rule.state = EXPOSE_SETTLED;
	f->seen.external = "192.0.2.5";
}

static void give_data(struct fixture *f)
{
	struct observed *seen = &f->seen;
	struct node *nodes[] = {&seen->control_plane, &f->workers[0], &f->workers[1]};

	seen->has_ca = true;
	seen->ca_hash = HASH;
	for (size_t i = 0; i < ARRAY_LEN(nodes); i++) {
		nodes[i]->has_data = nodes[i]->has_secret = nodes[i]->secret_left = true;
		nodes[i]->ca_hash = HASH;
		nodes[i]->external = "192.0.2.5";
	}
}

static void power_on(struct fixture *f)
{
	give_data(f);
	f->seen.control_plane.on = f->workers[0].on = f->workers[1].on = true;
}

static void say(struct node *node, enum guest_phase phase, enum guest_status status)
{
	node->report.phase = phase;
	node->report.status = status;
}

static void publish(struct fixture *f)
{
	struct guest_report *report = &f->seen.control_plane.report;

	power_on(f);
	say(&f->seen.control_plane, GUEST_PUBLISH, GUEST_DONE);
	say(&f->workers[0], GUEST_JOIN, GUEST_DONE);
	say(&f->workers[1], GUEST_JOIN, GUEST_DONE);
	report->has_report = report->has_kubeconfig = true;
	report->nodes = "mstr-1,node-1,node-2";
	report->sans = "IP:10.0.0.1,IP:192.0.2.5,DNS:kubernetes";
}

static void clean(struct fixture *f)
{
	publish(f);
	f->seen.control_plane.secret_left = f->seen.control_plane.has_secret = false;
	for (size_t i = 0; i < WORKERS; i++)
		f->workers[i].secret_left = f->workers[i].has_secret = false;
}

static void finish(struct fixture *f)
{
	struct observed *seen = &f->seen;

	clean(f);
	settle(f);
	seen->seen |= SEE_ENTITY;
	seen->entity_phase = "CREATE:SUCCEEDED";
	seen->entity_state = "RESOLVED";
	seen->entity_task = TASK;
	seen->entity_external_id = HREF;
	seen->entity_cp_name = "mstr-1";
	seen->entity_cp_ip = "192.0.2.5";
	seen->entity_exposed = seen->entity_expose = true;
	seen->entity_workers = WORKERS;
}

/* ---- create ---- */

static void create_needs_its_vapp(void **state)
{
	struct fixture f = {0};

	(void)state;
	start(&f, OPERATION_CREATE);
	f.seen.seen = 0;
	CREATE(&f, "vapp", COND_UNSEEN);
	f.seen.seen = SEE_VAPP;
	f.seen.vapp = VAPP_BUSY;
	CREATE(&f, "vapp", COND_PENDING);
	f.seen.vapp = VAPP_ABSENT;
	CREATE(&f, "vapp", COND_FAILED);
	f.seen.vapp = VAPP_BROKEN;
	f.seen.vapp_error = "no storage left";
	CREATE(&f, "vapp", COND_FAILED);
	assert_non_null(strstr(f.why.msg, "no storage left"));
	f.seen.vapp = VAPP_READY;
	f.seen.vapp_ours = false;
	CREATE(&f, "vapp", COND_FAILED);
	assert_int_equal(f.why.code, ERR_DENIED);
	f.seen.vapp_ours = true;
	f.seen.worker_count = 1;
	CREATE(&f, "vapp", COND_FAILED);
	f.seen.worker_count = WORKERS;
	f.seen.control_plane.name = NULL;
	CREATE(&f, "vapp", COND_FAILED);
}

static void create_resolves_then_exposes(void **state)
{
	struct fixture f = {0};

	(void)state;
	start(&f, OPERATION_CREATE);
	CREATE(&f, "entity", COND_UNMET);
	f.seen.resolved = true;
	CREATE(&f, "address", COND_UNSEEN);
	f.seen.untouched = true;
	CREATE(&f, "address", COND_UNMET);
	f.seen.untouched = false;
	f.seen.seen |= SEE_RULES;
	for (enum expose_state rule = EXPOSE_NONE; rule <= EXPOSE_WAIT; rule++) {
		f.seen.rule.state = rule;
		assert_int_equal(
			str_eq(next(&f, &plan_cluster_create), "address"), rule != EXPOSE_SETTLED);
	}
	settle(&f);
	CREATE(&f, "marks", COND_UNMET);
	f.seen.marks_written = true;
	CREATE(&f, "control-plane-data", COND_UNMET);
}

static void create_exposes_only_when_wanted_and_possible(void **state)
{
	struct fixture f = {0};

	(void)state;
	start(&f, OPERATION_CREATE);
	f.seen.resolved = true;
	f.seen.edge = "";
	CREATE(&f, "address", COND_FAILED);
	f.seen.want_expose = false;
	CREATE(&f, "marks", COND_UNMET);
	start(&f, OPERATION_CREATE);
	f.seen.resolved = true;
	f.seen.control_plane.ip = "";
	CREATE(&f, "address", COND_PENDING);
}

static void create_writes_once_and_reads_back(void **state)
{
	struct fixture f = {0};

	(void)state;
	start(&f, OPERATION_CREATE);
	give_data(&f);
	CREATE(&f, "power-on", COND_UNMET);
	f.seen.data_written = true; /* by this pass: another one powers on */
	CREATE(&f, "read-back", COND_PENDING);
	f.seen.data_written = false;
	f.workers[1].ca_hash = "sha256:bb"; /* a twin's */
	CREATE(&f, "workers-data", COND_UNMET);
	f.workers[1].on = true;
	CREATE(&f, "astray", COND_UNMET);
	give_data(&f);
	f.workers[1].on = false;
	f.workers[0].has_data = false;
	CREATE(&f, "workers-data", COND_UNMET);
	give_data(&f);
	f.workers[0].has_secret = false;
	CREATE(&f, "workers-data", COND_UNMET);
	give_data(&f);
	f.seen.control_plane.ca_hash = "sha256:bb";
	CREATE(&f, "control-plane-data", COND_UNMET);
	give_data(&f);
	f.seen.ca_hash = "";
	CREATE(&f, "control-plane-data", COND_FAILED);
	give_data(&f);
	f.seen.control_plane.has_secret = false;
	f.seen.control_plane.ca_hash = "sha256:bb";
	CREATE(&f, "control-plane-data", COND_FAILED);
}

static void create_waits_for_the_nodes(void **state)
{
	struct fixture f = {0};

	(void)state;
	start(&f, OPERATION_CREATE);
	give_data(&f);
	f.seen.vapp = VAPP_BUSY;
	CREATE(&f, "power-on", COND_PENDING);
	f.seen.vapp = VAPP_READY;
	f.seen.control_plane.on = f.workers[0].on = true;
	CREATE(&f, "power-on", COND_UNMET);
	power_on(&f);
	f.seen.vapp = VAPP_BUSY; /* VCD still deploys */
	CREATE(&f, "boot", COND_PENDING);
	say(&f.seen.control_plane, GUEST_SYSTEM, GUEST_RUNNING);
	CREATE(&f, "init", COND_PENDING);
	say(&f.seen.control_plane, GUEST_INIT, GUEST_DONE);
	CREATE(&f, "cni", COND_PENDING);
	say(&f.seen.control_plane, GUEST_NODES, GUEST_DONE);
	say(&f.workers[0], GUEST_JOIN, GUEST_DONE);
	CREATE(&f, "join", COND_PENDING);
	say(&f.workers[1], GUEST_JOIN, GUEST_DONE);
	CREATE(&f, "publish", COND_PENDING);
	publish(&f);
	f.seen.control_plane.report.has_kubeconfig = false;
	CREATE(&f, "publish", COND_PENDING);
	publish(&f);
	CREATE(&f, "secrets", COND_PENDING);
	f.seen.vm_task = "https://vcd/api/task/1"; /* busy with what this pass wrote */
	CREATE(&f, "secrets", COND_UNMET);
	f.seen.vm_task = NULL;
	f.seen.vapp = VAPP_READY;
	CREATE(&f, "secrets", COND_UNMET);
}

static void create_fails_with_the_node_s_words(void **state)
{
	struct fixture f = {0};

	(void)state;
	start(&f, OPERATION_CREATE);
	power_on(&f);
	say(&f.seen.control_plane, GUEST_INIT, GUEST_RUNNING);
	say(&f.workers[1], GUEST_JOIN, GUEST_FAILED);
	f.workers[1].report.error = "kubeadm join: exit code 1";
	CREATE(&f, "init", COND_FAILED);
	assert_string_equal(
		f.why.msg, "node node-2 failed in phase join: kubeadm join: exit code 1");
	publish(&f);
	f.workers[1].report.error = "";
	f.seen.control_plane.report.nodes = "mstr-1,node-1";
	CREATE(&f, "publish", COND_FAILED);
	publish(&f);
	f.seen.control_plane.report.sans = "IP:10.0.0.1,IP:192.0.2.50";
	CREATE(&f, "publish", COND_FAILED);
	f.seen.want_expose = false;
	CREATE(&f, "secrets", COND_UNMET);
}

static void create_ends_with_the_truth(void **state)
{
	struct fixture f = {0};
	struct vcd_nat_rule rule = {.name = "x", .external = "192.0.2.5"};

	(void)state;
	start(&f, OPERATION_CREATE);
	clean(&f);
	f.workers[1].secret_left = true; /* a blank of the guest is not gone */
	CREATE(&f, "secrets", COND_UNMET);
	clean(&f);
	CREATE(&f, "rule", COND_UNSEEN);
	f.seen.seen |= SEE_RULES;
	CREATE(&f, "rule", COND_UNMET);
	f.seen.rules = &rule, f.seen.rule_count = 1;
	CREATE(&f, "rule", COND_FAILED); /* the certificate's address is taken */
	f.seen.rule = (struct expose_verdict){EXPOSE_WAIT, &rule};
	CREATE(&f, "rule", COND_UNMET);
	settle(&f);
	f.seen.external = "192.0.2.6";
	CREATE(&f, "rule", COND_UNMET);
	settle(&f);
	CREATE(&f, "final", COND_UNSEEN);
	finish(&f);
	CREATE(&f, "", COND_MET);
	f.seen.entity_cp_ip = "10.0.0.1";
	CREATE(&f, "final", COND_UNMET);
	finish(&f);
	f.seen.entity_task = "task-0"; /* weaker: written back */
	CREATE(&f, "final", COND_UNMET);
	finish(&f);
	f.seen.stronger = "task-2";
	CREATE(&f, "final", COND_FAILED);
	assert_int_equal(f.why.code, ERR_CONFLICT);
	finish(&f);
	f.seen.entity_absent = true;
	CREATE(&f, "final", COND_FAILED);
}

/* ---- un-expose ---- */

static void nothing_under_way(struct fixture *f)
{
	f->seen.seen |= SEE_SUPERSEDED;
	f->seen.superseded_done = true;
}

static void unexpose_from_every_state(void **state)
{
	const struct plan *plan = &plan_cluster_unexpose;
	static const struct vcd_nat_rule rule = {.id = "1", .name = "x"};
	struct fixture f = {0};

	(void)state;
	start(&f, OPERATION_UPDATE);
	ASSERT_NEXT(&f, plan, "owned", COND_UNSEEN);
	f.seen.seen |= SEE_MARKS;
	ASSERT_NEXT(&f, plan, "superseded", COND_UNSEEN);
	nothing_under_way(&f);
	ASSERT_NEXT(&f, plan, "rule", COND_UNSEEN);
	f.seen.vapp_ours = false;
	ASSERT_NEXT(&f, plan, "owned", COND_FAILED);
	f.seen.vapp_ours = true;
	f.seen.vapp = VAPP_ABSENT;
	ASSERT_NEXT(&f, plan, "owned", COND_FAILED);
	f.seen.vapp = VAPP_READY;
	f.seen.want_expose = true;
	ASSERT_NEXT(&f, plan, "owned", COND_FAILED);
	f.seen.want_expose = false;
	f.seen.seen |= SEE_RULES;
	f.seen.our_rule = &rule;
	ASSERT_NEXT(&f, plan, "rule", COND_UNMET);
	f.seen.our_rule = NULL;
	ASSERT_NEXT(&f, plan, "address", COND_UNMET);
	f.seen.marks_written = true;
	ASSERT_NEXT(&f, plan, "final", COND_UNSEEN);
	f.seen.seen |= SEE_ENTITY;
	ASSERT_NEXT(&f, plan, "final", COND_UNMET);
	f.seen.entity_phase = "UPDATE:SUCCEEDED";
	f.seen.entity_task = TASK;
	f.seen.entity_cp_ip = "10.0.0.1";
	ASSERT_NEXT(&f, plan, "", COND_MET);
	f.seen.marks_written = false;
	ASSERT_NEXT(&f, plan, "", COND_MET);
	f.seen.entity_expose = true; /* or an apply of the same file would change nothing */
	f.seen.marks_written = true;
	ASSERT_NEXT(&f, plan, "final", COND_UNMET);
	f.seen.stronger = "task-2";
	ASSERT_NEXT(&f, plan, "final", COND_FAILED);
}

/* ---- delete, and what a verdict leaves to do ---- */

static void delete_from_every_state(void **state)
{
	const struct plan *plan = &plan_cluster_delete;
	static const struct vcd_nat_rule rule = {.id = "1", .name = "x"};
	struct fixture f = {0};

	(void)state;
	start(&f, OPERATION_DELETE);
	f.seen.supersedes = true;
	/* A stale write of the operation before has taken its mark away. */
	ASSERT_NEXT(&f, plan, "named", COND_UNSEEN);
	f.seen.seen |= SEE_ENTITY;
	f.seen.entity_task = "task-0";
	ASSERT_NEXT(&f, plan, "named", COND_UNMET);
	f.seen.named = true;
	ASSERT_NEXT(&f, plan, "superseded", COND_UNSEEN);
	f.seen.named = false;
	f.seen.entity_task = TASK;
	ASSERT_NEXT(&f, plan, "superseded", COND_UNSEEN);
	f.seen.seen |= SEE_SUPERSEDED;
	ASSERT_NEXT(&f, plan, "superseded", COND_PENDING);
	f.seen.superseded_done = true;
	ASSERT_NEXT(&f, plan, "rules", COND_UNSEEN);
	f.seen.seen |= SEE_MARKS | SEE_RULES;
	f.seen.our_rule = &rule;
	ASSERT_NEXT(&f, plan, "rules", COND_UNMET);
	f.seen.our_rule = NULL;
	f.seen.vapp = VAPP_BUSY;
	ASSERT_NEXT(&f, plan, "power-off", COND_PENDING);
	f.seen.vapp = VAPP_READY;
	f.seen.vapp_on = true;
	ASSERT_NEXT(&f, plan, "power-off", COND_UNMET);
	f.seen.undeployed = true;
	ASSERT_NEXT(&f, plan, "vapp", COND_UNMET);
	f.seen.vapp_on = f.seen.undeployed = false;
	ASSERT_NEXT(&f, plan, "vapp", COND_UNMET);
	/* After the delete both are looked at again, the rules first. */
	f.seen.seen &= ~(unsigned)(SEE_VAPP | SEE_RULES);
	ASSERT_NEXT(&f, plan, "rules", COND_UNSEEN);
	f.seen.seen |= SEE_RULES;
	f.seen.our_rule = &rule;
	ASSERT_NEXT(&f, plan, "rules", COND_UNMET);
	f.seen.our_rule = NULL;
	ASSERT_NEXT(&f, plan, "power-off", COND_UNSEEN);
	f.seen.seen |= SEE_VAPP;
	f.seen.vapp = VAPP_ABSENT;
	ASSERT_NEXT(&f, plan, "entity", COND_UNMET);
	f.seen.seen |= SEE_ENTITY;
	ASSERT_NEXT(&f, plan, "entity", COND_UNMET);
	f.seen.entity_absent = true;
	/* The task it superseded may have lost its messages. */
	ASSERT_NEXT(&f, plan, "superseded-end", COND_UNMET);
	f.seen.superseded_ended = true;
	ASSERT_NEXT(&f, plan, "", COND_MET);
}

/* Whoever ends a create, or removes it, waits for a second entity of its request and removes it. */
static void a_twin_is_removed_before_the_end(void **state)
{
	static const struct {
		const struct plan *plan;
		enum operation op;
	} rows[] = {
		{&plan_cluster_create, OPERATION_CREATE},
		{&plan_cluster_delete, OPERATION_DELETE},
		{&plan_cluster_failed, OPERATION_CREATE},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct plan *plan = rows[i].plan;
		struct fixture f = {0};

		start(&f, rows[i].op);
		clean(&f);
		nothing_under_way(&f);
		f.seen.vapp = plan == &plan_cluster_create ? VAPP_READY : VAPP_ABSENT;
		f.seen.named = true;
		f.seen.seen = SEE_VAPP | SEE_SUPERSEDED | SEE_MARKS | SEE_RULES;
		ASSERT_NEXT(&f, plan, "twin", COND_UNSEEN);
		f.seen.seen |= SEE_TWIN;
		f.seen.twin = TWIN_MAY_COME;
		ASSERT_NEXT(&f, plan, "twin", COND_PENDING);
		f.seen.twin = TWIN_THERE;
		ASSERT_NEXT(&f, plan, "twin", COND_UNMET);
	}
}

static void delete_leaves_what_is_not_ours(void **state)
{
	struct fixture f = {0};

	(void)state;
	start(&f, OPERATION_DELETE);
	nothing_under_way(&f);
	f.seen.seen |= SEE_MARKS | SEE_RULES;
	f.seen.vapp_ours = false; /* the entity's href was forged */
	f.seen.named = true;
	f.seen.vapp_on = true;
	ASSERT_NEXT(&f, &plan_cluster_delete, "entity", COND_UNMET);
}

static void a_verdict_marks_the_entity_first(void **state)
{
	struct fixture f = {0};

	(void)state;
	start(&f, OPERATION_CREATE);
	assert_ptr_equal(plan_for(&f.details), &plan_cluster_create);
	f.details.verdict = (struct details_verdict){"rollback", "join", "x"};
	observed_init(&f.seen, &f.details, URN, TASK);
	f.seen.seen |= SEE_TWIN;
	assert_ptr_equal(plan_for(&f.details), &plan_cluster_delete);
	ASSERT_NEXT(&f, &plan_cluster_delete, "failed", COND_UNSEEN);
	f.seen.seen |= SEE_ENTITY;
	f.seen.entity_phase = "CREATE:IN_PROGRESS";
	ASSERT_NEXT(&f, &plan_cluster_delete, "failed", COND_UNMET);
	f.seen.stronger = "task-2"; /* what a delete wants stays */
	ASSERT_NEXT(&f, &plan_cluster_delete, "superseded", COND_UNSEEN);
	f.seen.stronger = "";
	f.seen.entity_phase = "CREATE:FAILED";
	nothing_under_way(&f);
	ASSERT_NEXT(&f, &plan_cluster_delete, "rules", COND_UNSEEN);
	f.details.verdict.kind = "fail";
	assert_ptr_equal(plan_for(&f.details), &plan_cluster_failed);
	/* What is kept has no secrets, and must be found again when the task is gone. */
	ASSERT_NEXT(&f, &plan_cluster_failed, "secrets", COND_UNSEEN);
	f.seen.seen |= SEE_VAPP;
	f.seen.vapp = VAPP_READY;
	f.seen.vapp_ours = true;
	f.seen.control_plane.secret_left = true;
	ASSERT_NEXT(&f, &plan_cluster_failed, "secrets", COND_UNMET);
	f.seen.vapp = VAPP_BUSY;
	ASSERT_NEXT(&f, &plan_cluster_failed, "secrets", COND_PENDING);
	f.seen.secrets_given_up = true;
	ASSERT_NEXT(&f, &plan_cluster_failed, "marks", COND_PENDING);
	f.seen.entity_phase = "CREATE:IN_PROGRESS"; /* told at once, also while VCD is busy */
	ASSERT_NEXT(&f, &plan_cluster_failed, "failed", COND_UNMET);
	f.seen.entity_phase = "CREATE:FAILED";
	f.seen.vapp = VAPP_READY;
	ASSERT_NEXT(&f, &plan_cluster_failed, "marks", COND_UNMET);
	f.seen.control_plane.has_data = true; /* they were written before it */
	ASSERT_NEXT(&f, &plan_cluster_failed, "", COND_MET);
	f.seen.control_plane.has_data = f.seen.secrets_given_up = false;
	f.seen.vapp_ours = false;
	ASSERT_NEXT(&f, &plan_cluster_failed, "", COND_MET);
	f.details.op = OPERATION_UPDATE;
	f.details.verdict.kind = NULL;
	assert_ptr_equal(plan_for(&f.details), &plan_cluster_unexpose);
}

static void steps_are_well_formed(void **state)
{
	static const struct plan *const plans[] = {&plan_cluster_create, &plan_cluster_unexpose,
		&plan_cluster_delete, &plan_cluster_failed};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(plans); i++) {
		int percent = 0;

		for (size_t j = 0; j < plans[i]->count; j++) {
			const struct step *step = &plans[i]->steps[j];

			assert_non_null(step->check);
			assert_true(step->wait_s >= 0);
			assert_true(step->percent >= percent && step->percent < 100);
			percent = step->percent;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(create_needs_its_vapp),
		cmocka_unit_test(create_resolves_then_exposes),
		cmocka_unit_test(create_exposes_only_when_wanted_and_possible),
		cmocka_unit_test(create_writes_once_and_reads_back),
		cmocka_unit_test(create_waits_for_the_nodes),
		cmocka_unit_test(create_fails_with_the_node_s_words),
		cmocka_unit_test(create_ends_with_the_truth),
		cmocka_unit_test(unexpose_from_every_state),
		cmocka_unit_test(delete_from_every_state),
		cmocka_unit_test(a_twin_is_removed_before_the_end),
		cmocka_unit_test(delete_leaves_what_is_not_ours),
		cmocka_unit_test(a_verdict_marks_the_entity_first),
		cmocka_unit_test(steps_are_well_formed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
