/* SPDX-License-Identifier: MIT */
/* Creates against a VCD in memory: what is written, in which order, and what is taken back. */
#include "common/json.h"
#include "common/str.h"
#include "worker/catalog.h"

#include "tests/unit/handler_run.h"

static void a_create_makes_its_writes_in_order(void **state)
{
	struct error err;
	struct details details;

	(void)state;
	assert_int_equal(create("r0", &err), 202);
	tear_down(NULL);
	set_up(NULL);
	assert_int_equal(create("r1", &err), 202);
	assert_calls(
		"session entity_find rights catalog metadata template vdc sizing network edge used "
		"task_create entity_create compose task_put entity_find entity_put publish");
	assert_string_equal(reply_task(), fake.tasks[0].uuid);
	assert_string_equal(json_str(last_body, "externalId", ""), "https://vcd/api/vApp/vapp-v1");
	assert_string_equal(json_str(last_body, "entity.status.phase", ""), "CREATE:IN_PROGRESS");
	assert_string_equal(fake.vapp_description, json_str(fake_entity(0), "id", ""));
	assert_int_equal(fake.vapp_vms, 3);
	assert_string_equal(
		fake.tasks[0].operation, "Creating cluster 'lab7' from template 'T' (revision 1)");
	details = details_of(&fake.tasks[0]);
	assert_string_equal(details.request, "r1");
	assert_string_equal(details.cluster, fake.vapp_description);
	assert_string_equal(details.vapp, "v1");
	assert_int_equal(details.wanted.workers, 2);
	assert_int_equal(details.wanted.expose, 1);
	assert_string_equal(details.vdc, "urn:vcloud:vdc:d1");
	assert_string_equal(details.network, "urn:vcloud:network:n1");
	assert_string_equal(details.edge, "urn:vcloud:gateway:g1");
}

static void a_warm_create_needs_few_calls(void **state)
{
	struct error err;

	(void)state;
	assert_int_equal(run((struct call){.handler = handle_templates, .id = "t"}, &err), 200);
	assert_int_equal(json_object_array_length(last_body), 1);
	assert_int_equal(create("r1", &err), 202);
	json_object_array_del_idx(fake.entities, 0, 1);
	fake.vapp = false;
	assert_int_equal(create("r2", &err), 202);
	assert_in_range(fake.requests, 1, 12);
}

static void a_start_fills_the_catalog(void **state)
{
	struct error err;

	(void)state;
	catalog_warm(&test_ctx);
	assert_int_equal(create("r1", &err), 202);
	for (size_t i = 0; i < fake.call_count; i++) {
		assert_string_not_equal(fake.calls[i], "catalog");
		assert_string_not_equal(fake.calls[i], "template");
	}
	/* A cloud that does not answer yet hinders nobody. */
	tear_down(NULL);
	set_up(NULL);
	fake.fail = "catalog";
	fake.fail_code = ERR_TRANSIENT;
	catalog_warm(&test_ctx);
	assert_int_equal(create("r1", &err), 202);
}

static void whatever_fails_is_taken_back(void **state)
{
	static const char *const steps[] = {"task_create", "entity_create", "entity_find",
		"compose", "task_put", "entity_put", "publish"};

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(steps); i++) {
		const char *step = steps[i / 2];
		struct error err;
		int status;

		tear_down(NULL);
		set_up(NULL);
		fake.fail = step;
		fake.fail_code = ERR_TRANSIENT;
		fake.fail_more = 1;
		fake.fail_after = i % 2;
		status = create("r1", &err);
		/* What took effect all the same is found when it is tried again. */
		if (status != 503 && !(i % 2))
			fail_msg("%s: status %d (%s)", step, status, err.msg);
		if (status == 202)
			continue;
		/* Nobody can tell which delivery wrote it: the create may have been accepted. */
		if (i % 2 && (str_eq(step, "task_put") || str_eq(step, "entity_put"))) {
			assert_non_null(strstr(err.msg, "is being created all the same"));
			assert_int_equal(fake.tasks[0].status, TASK_RUNNING);
			continue;
		}
		assert_int_equal(json_object_array_length(fake.entities), 0);
		assert_false(fake.vapp);
		/* A task whose POST had no answer is unknown to us: the resync ends it. */
		if (fake.task_count && !str_eq(step, "task_create")) {
			assert_int_equal(fake.tasks[0].status, TASK_ERROR);
			assert_string_equal(
				fake.tasks[0].operation, "Error creating the cluster 'lab7'");
			assert_non_null(strstr(fake.tasks[0].error_message, step));
		}
	}
}

/* Before or after its effect: nothing is made twice. */
static void one_failing_write_is_made_up_for(void **state)
{
	static const char *const steps[] = {
		"task_create", "entity_create", "entity_find", "compose", "task_put", "entity_put"};

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(steps); i++) {
		struct error err;
		int status;

		tear_down(NULL);
		set_up(NULL);
		fake.fail = steps[i / 2];
		fake.fail_skip = str_eq(fake.fail, "entity_find"); /* the second one is a step */
		fake.fail_code = i % 4 < 2 ? ERR_TRANSIENT : ERR_BUSY;
		fake.fail_after = i % 2;
		status = create("r1", &err);
		if (status != 202)
			fail_msg("%s: status %d (%s)", steps[i / 2], status, err.msg);
		assert_int_equal(json_object_array_length(fake.entities), 1);
		assert_true(fake.vapp);
		assert_int_equal(fake.published, 1);
		assert_int_equal(fake.tasks[0].status, TASK_RUNNING);
		if (fake.task_count != 1)
			fail_msg("%s: %zu tasks", steps[i / 2], fake.task_count);
	}
}

/* It may still appear, and VCD takes another one of the name: the record tells who ends the create.
 */
static void an_entity_in_doubt_may_get_a_twin(void **state)
{
	struct details details;
	struct error err;

	(void)state;
	assert_int_equal(create("r0", &err), 202);
	assert_null(details_of(&fake.tasks[0]).twin);
	tear_down(NULL);
	set_up(NULL);
	fake.fail = "entity_create";
	fake.fail_code = ERR_TRANSIENT;
	fake.in_doubt = true;
	assert_int_equal(create("r1", &err), 202);
	assert_int_equal(json_object_array_length(fake.entities), 1);
	details = details_of(&fake.tasks[0]);
	assert_string_equal(details.twin, "r1");
	assert_int_equal(details.doubt, vcd_now_ms(NULL));
}

static void a_vapp_that_still_clones_is_removed_by_the_operation(void **state)
{
	struct details details;
	struct error err;

	(void)state;
	fake.cloning = true;
	fake.fail = "entity_put";
	fake.fail_more = 1;
	fake.fail_code = ERR_TRANSIENT;
	assert_int_equal(create("r1", &err), 503);
	assert_non_null(strstr(err.msg, "is being removed"));
	assert_int_equal(fake.tasks[0].status, TASK_RUNNING);
	details = details_of(&fake.tasks[0]);
	assert_string_equal(details.verdict.kind, "rollback");
	assert_string_equal(details.verdict.cause, "entity_put failed");
	assert_string_equal(details.vapp, "v1");
	assert_string_equal(details.cluster, json_str(fake_entity(0), "id", ""));
	assert_int_equal(fake.published, 1);
}

/* What VCD did not answer may still appear: nothing is taken for undone before that is over. */
static void what_may_still_appear_is_waited_for(void **state)
{
	struct details details;
	struct error err;

	(void)state;
	fake.fail = "compose";
	fake.fail_more = 1;
	fake.fail_code = ERR_TRANSIENT;
	fake.in_doubt = true;
	assert_int_equal(create("r1", &err), 503);
	assert_non_null(strstr(err.msg, "is being removed"));
	assert_int_equal(fake.tasks[0].status, TASK_RUNNING);
	assert_int_equal(json_object_array_length(fake.entities), 1);
	details = details_of(&fake.tasks[0]);
	assert_string_equal(details.verdict.kind, "rollback");
	assert_int_equal(details.doubt, vcd_now_ms(NULL));
	assert_int_equal(fake.published, 1);

	tear_down(NULL);
	set_up(NULL);
	fake.fail = "entity_create";
	fake.fail_more = 1;
	fake.fail_code = ERR_TRANSIENT;
	fake.in_doubt = true;
	assert_int_equal(create("r1", &err), 503);
	assert_non_null(strstr(err.msg, "is being removed"));
	/* For the resync, which looks for the entity. */
	assert_int_equal(fake.tasks[0].status, TASK_RUNNING);
	assert_int_equal(fake.published, 0);

	/* What is found has appeared. */
	tear_down(NULL);
	set_up(NULL);
	fake.fail = "entity_create";
	fake.fail_code = ERR_TRANSIENT;
	fake.fail_after = fake.in_doubt = true;
	assert_int_equal(create("r1", &err), 202);
	assert_int_equal(json_object_array_length(fake.entities), 1);
}

static void a_refused_write_keeps_its_status(void **state)
{
	struct error err;

	(void)state;
	fake.fail = "compose";
	fake.fail_code = ERR_DENIED;
	assert_int_equal(create("r1", &err), 403);
	assert_int_equal(json_object_array_length(fake.entities), 0);
	assert_int_equal(fake.tasks[0].status, TASK_ERROR);
}

static void assert_refused(const struct wrong *wrong, struct json_object *body)
{
	struct error err;
	int status = run(
		(struct call){.handler = handle_cluster_create, .id = "r1", .body = body}, &err);

	if (status != wrong->status || !strstr(err.msg, wrong->expected))
		fail_msg("%s=%s: %d %s", wrong->path, wrong->value, status, err.msg);
	assert_int_equal(fake.writes, 0);
}

static void wrong_input_is_refused_before_any_write(void **state)
{
	static const struct wrong rows[] = {
		{"metadata.org_name", "\"tenant2\"", 403, "'tenant2'"},
		{"metadata.ovdc_name", "\"x\"", 404, "'x'"},
		{"metadata.cluster_name", "\"-x\"", 400, "'-x'"},
		{"kind", "\"native\"", 400, "'native'"},
		{"spec.k8_distribution.template_name", "\"U\"", 400,
			"Template 'U' at revision 1 not found."},
		{"spec.k8_distribution.template_revision", "9", 400, "revision 9"},
		{"spec.workers.storage_profile", "\"lead\"", 400, "'lead'"},
		{"spec.control_plane.storage_profile", "\"tin\"", 400, "'tin'"},
		{"spec.workers.sizing_class", "\"huge\"", 400, "huge"},
		{"spec.workers.sizing_class", "\"twin\"", 400, "Duplicate"},
		{"spec.settings.network", "\"other\"", 404, "'other'"},
		{"spec.workers.count", "101", 400, "101"},
		{"spec.nfs", "{\"count\":1}", 400, "not supported by this version"},
		{"spec.foo", "1", 400, "spec.foo"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct json_object *body = body_new();

		json_set(body, rows[i].path, json_tokener_parse(rows[i].value));
		assert_refused(&rows[i], body);
	}
}

static void a_cloud_that_lacks_something_refuses(void **state)
{
	static const struct wrong rows[] = {
		{"addresses", "2", 409, "2 free, 3 needed"},
		{"pool", "", 400, "network 'net' has no static pool"},
		{"type", "", 400, "ISOLATED"},
		{"edge", "", 400, "'edge1'"},
		{"external", "", 409, "no free external address"},
		{"prepared", "", 400, "not prepared"},
		{"right", "", 403, "Configure NAT"},
		{"right to create", "", 403, "cse:nativeCluster: Full Access"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		tear_down(NULL);
		set_up(NULL);
		switch (i) {
		case 0:
			fake.free_addresses = 2;
			break;
		case 1:
			fake.static_pool = false;
			break;
		case 2:
			fake.network_type = "ISOLATED";
			break;
		case 3:
			fake.nsxt = false;
			break;
		case 4:
			fake.used_last = 19;
			break;
		case 5:
			fake.prepared = "";
			break;
		case 6:
			fake.rights[5] = NULL;
			break;
		default:
			fake.rights[0] = "other";
			break;
		}
		assert_refused(&rows[i], body_new());
	}
}

/* VCD itself keeps vApp names apart; nothing of ours stays. */
static void a_vapp_of_the_name_refuses(void **state)
{
	struct error err;

	(void)state;
	fake.vapp = true;
	fake.vapp_description = "somebody's";
	assert_int_equal(create("r1", &err), 409);
	assert_string_equal(err.msg, "Cluster 'lab7' already exists.");
	assert_true(fake.vapp);
	assert_int_equal(json_object_array_length(fake.entities), 0);
	assert_int_equal(fake.tasks[0].status, TASK_ERROR);
}

static void an_unexposed_create_asks_no_edge(void **state)
{
	struct json_object *body = body_new();
	struct error err;

	(void)state;
	json_set_bool(body, "spec.expose", false);
	fake.rights[3] = NULL;
	fake.network_type = "ISOLATED";
	assert_int_equal(
		run((struct call){.handler = handle_cluster_create, .id = "r1", .body = body},
			&err),
		202);
	assert_int_equal(details_of(&fake.tasks[0]).wanted.expose, 0);
}

static void a_late_request_writes_nothing(void **state)
{
	struct error err;

	(void)state;
	assert_int_equal(run((struct call){.handler = handle_cluster_create,
				     .id = "r1",
				     .body = body_new(),
				     .age_ms = 3100},
				 &err),
		503);
	assert_string_equal(err.msg, "busy, send again");
	assert_int_equal(fake.writes, 0);
}

static void the_same_request_finds_itself(void **state)
{
	struct error err;
	const char *task;

	(void)state;
	assert_int_equal(create("r1", &err), 202);
	task = arena_strdup(&test_ctx.arena, reply_task());
	assert_int_equal(create("r1", &err), 202);
	assert_int_equal(fake.writes, 0);
	assert_string_equal(reply_task(), task);
	/* With a task that nobody can find there is nothing to go on with. */
	json_set_str(fake_entity(0), "externalId", "cse-request:r1");
	json_set_str(fake_entity(0), "entity.status.task_href", "x");
	assert_int_equal(create("r1", &err), 503);
	assert_non_null(strstr(err.msg, "'lab7' was not created"));
	assert_int_equal(fake.writes, 0);
	/* Another request for the name is refused. */
	assert_int_equal(create("r2", &err), 409);
	assert_string_equal(err.msg, "Cluster 'lab7' already exists.");
	assert_int_equal(fake.writes, 0);
}

/* The rival comes with our compose, so that both have looked before. */
static void of_two_creates_for_one_name_one_gives_way(void **state)
{
	static const struct {
		const char *rival, *external, *vdc;
		bool goes; /* the rival gives way itself, while we wait for that */
		int status;
		bool stays;
	} rows[] = {
		/* In another VDC both have a vApp: the smaller id stays. */
		{FAKE_ENTITY "00000000-1111", "cse-request:other", "vdc-b", false, 409, false},
		{FAKE_ENTITY "99999999-1111", "cse-request:other", "vdc-b", true, 202, true},
		/* It may be accepted any moment, if it has not seen us. */
		{FAKE_ENTITY "99999999-1111", "cse-request:other", "vdc-b", false, 503, false},
		{FAKE_ENTITY "99999999-1111", "https://vcd/api/vApp/vapp-x", "vdc-b", false, 409,
			false},
		/* In our VDC it cannot have a vApp of the name, whoever made it. */
		{FAKE_ENTITY "00000000-1111", "cse-request:other", "vdc-a", false, 202, true},
		{FAKE_ENTITY "00000000-1111", "cse-request:r1", "vdc-a", false, 202, true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct error err;
		int status;

		tear_down(NULL);
		set_up(NULL);
		fake.rival = rows[i].rival;
		fake.rival_external = rows[i].external;
		fake.rival_vdc = rows[i].vdc;
		fake.rival_goes = rows[i].goes;
		status = create("r1", &err);
		if (status != rows[i].status)
			fail_msg("row %zu: %d %s", i, status, err.msg);
		assert_int_equal(fake.vapp, rows[i].stays);
		assert_int_equal(
			str_eq(json_str(fake_entity(0), "id", ""), rows[i].rival), !rows[i].stays);
		assert_int_equal(fake.tasks[0].status, rows[i].stays ? TASK_RUNNING : TASK_ERROR);
		if (rows[i].status == 202)
			assert_string_equal(reply_task(), fake.tasks[0].uuid);
	}
}

/* The record grows while the operation runs: what it will need must be free from the start. */
static void a_record_that_would_outgrow_its_task_is_refused(void **state)
{
	static const struct {
		size_t length;
		char letter;
		int status;
	} rows[] = {{36, 'x', 202}, {64, 'x', 202}, {300, '"', 400}, {400, 'x', 400}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char id[512] = "";
		struct error err;

		tear_down(NULL);
		set_up(NULL);
		memset(id, rows[i].letter, rows[i].length);
		assert_int_equal(create(id, &err), rows[i].status);
		if (rows[i].status == 202)
			continue;
		assert_non_null(strstr(err.msg, "too long"));
		assert_non_null(strstr(err.msg, "template 'T'"));
		assert_int_equal(fake.task_count, 0);
	}
}

static void names_of_other_orgs_are_free(void **state)
{
	struct error err;

	(void)state;
	assert_int_equal(create("r1", &err), 202);
	json_set_str(fake_entity(0), "org.id", "urn:vcloud:org:other");
	fake.vapp = false;
	assert_int_equal(create("r2", &err), 202);
}

static void an_administrator_acts_for_the_named_org(void **state)
{
	struct error err;

	(void)state;
	fake.org = "urn:vcloud:org:a93c9db9-7471-3192-8d09-a8f7eeda85f9";
	fake.org_name = "System";
	assert_int_equal(create("r1", &err), 202);
	assert_string_equal(str_last_segment(fake.tasks[0].owner_href), str_urn_uuid(FAKE_ORG));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_create_makes_its_writes_in_order),
		TEST(a_warm_create_needs_few_calls),
		TEST(a_start_fills_the_catalog),
		TEST(whatever_fails_is_taken_back),
		TEST(one_failing_write_is_made_up_for),
		TEST(an_entity_in_doubt_may_get_a_twin),
		TEST(a_vapp_that_still_clones_is_removed_by_the_operation),
		TEST(what_may_still_appear_is_waited_for),
		TEST(a_refused_write_keeps_its_status),
		TEST(wrong_input_is_refused_before_any_write),
		TEST(a_cloud_that_lacks_something_refuses),
		TEST(a_vapp_of_the_name_refuses),
		TEST(an_unexposed_create_asks_no_edge),
		TEST(a_late_request_writes_nothing),
		TEST(the_same_request_finds_itself),
		TEST(of_two_creates_for_one_name_one_gives_way),
		TEST(a_record_that_would_outgrow_its_task_is_refused),
		TEST(names_of_other_orgs_are_free),
		TEST(an_administrator_acts_for_the_named_org),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
