/* SPDX-License-Identifier: MIT */
/* Updates and deletes against a VCD in memory. */
#include "common/json.h"
#include "common/str.h"
#include "worker/admission.h"
#include "worker/identity.h"

#include "tests/unit/handler_run.h"

static int update(
	const char *id, const char *urn, const char *path, const char *value, struct error *err)
{
	struct json_object *body = body_new();

	if (path)
		json_set(body, path, json_tokener_parse(value));
	return run(
		(struct call){.handler = handle_cluster_update, .id = id, .urn = urn, .body = body},
		err);
}

static void an_un_expose_is_admitted(void **state)
{
	struct error err;
	const char *urn = made_cluster(&err);
	struct details details;

	(void)state;
	assert_int_equal(update("r2", urn, "spec.expose", "false", &err), 202);
	assert_calls("entity_get task_get task_create tasks entity_get entity_put publish");
	assert_string_equal(reply_task(), fake.tasks[1].uuid);
	assert_string_equal(json_str(last_body, "entity.status.phase", ""), "UPDATE:IN_PROGRESS");
	details = details_of(&fake.tasks[1]);
	assert_int_equal(details.op, OPERATION_UPDATE);
	assert_int_equal(details.wanted.expose, 0);
	assert_int_equal(details.wanted.workers, -1);
	assert_string_equal(details.cluster, urn);
	assert_string_equal(details.edge, "urn:vcloud:gateway:g1");
	/* The stored spec changes when the rule is gone, not before. */
	assert_true(json_flag(fake_entity(0), "entity.spec.expose", false));
	/* While it runs, the same wish gets the running task and another one a refusal. */
	assert_int_equal(update("r3", urn, "spec.expose", "false", &err), 202);
	assert_int_equal(fake.writes, 0);
	assert_string_equal(reply_task(), fake.tasks[1].uuid);
	assert_int_equal(update("r4", urn, NULL, NULL, &err), 409);
	assert_non_null(strstr(err.msg, fake.tasks[1].uuid));
}

static void updates_of_other_kinds_are_refused(void **state)
{
	static const struct wrong rows[] = {
		{NULL, NULL, 400, "Cluster 'lab7' already has 2 workers and 0 nfs nodes."},
		{"spec.workers.count", "5", 400, "not supported by this version"},
		{"spec.settings.network", "\"x\"", 400,
			"Invalid input values found in ['settings.network']"},
		{"spec.settings.ssh_key", "\"k\"", 400, "['settings.ssh_key']"},
		{"spec.bar", "1", 400, "unknown key 'spec.bar'"},
	};
	struct error err;
	const char *urn = made_cluster(&err);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int status = update("r2", urn, rows[i].path, rows[i].value, &err);

		if (status != rows[i].status || !strstr(err.msg, rows[i].expected))
			fail_msg("%s: %d %s", rows[i].path, status, err.msg);
		assert_int_equal(fake.writes, 0);
	}
	json_set_bool(fake_entity(0), "entity.spec.expose", false);
	assert_int_equal(update("r2", urn, NULL, NULL, &err), 400);
	assert_non_null(strstr(err.msg, "not supported by this version"));
	json_set_bool(fake_entity(0), "entity.spec.expose", true);
	json_set_str(fake_entity(0), "state", "RESOLUTION_ERROR");
	assert_int_equal(update("r2", urn, "spec.expose", "false", &err), 409);
	assert_non_null(strstr(err.msg, "is not in a valid state to be resized"));
	assert_int_equal(fake.writes, 0);
}

static void clusters_that_are_not_there_are_404(void **state)
{
	static const char *const urns[] = {FAKE_ENTITY "00000009-0000-4000-8000-000000000000",
		"lab7", "urn:vcloud:entity:cse:nativeCluster:1.0.0:../../x",
		"urn:vcloud:entity:other:thing:1.0.0:00000009-0000-4000-8000-000000000000"};
	struct error err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(urns); i++) {
		assert_int_equal(update("r1", urns[i], NULL, NULL, &err), 404);
		assert_int_equal(run((struct call){.handler = handle_cluster_info,
					     .id = "r1",
					     .urn = urns[i]},
					 &err),
			404);
	}
}

static int removal(const char *id, const char *urn, struct error *err)
{
	return run((struct call){.handler = handle_cluster_delete, .id = id, .urn = urn}, err);
}

static void a_delete_is_admitted_once(void **state)
{
	struct error err;
	const char *urn = made_cluster(&err);

	(void)state;
	assert_int_equal(removal("r2", urn, &err), 202);
	assert_string_equal(json_str(last_body, "entity.status.phase", ""), "DELETE:IN_PROGRESS");
	assert_string_equal(reply_task(), fake.tasks[1].uuid);
	assert_null(details_of(&fake.tasks[1]).supersedes);
	assert_string_equal(details_of(&fake.tasks[1]).edge, "urn:vcloud:gateway:g1");
	assert_int_equal(removal("r3", urn, &err), 202);
	assert_int_equal(fake.writes, 0);
	assert_string_equal(reply_task(), fake.tasks[1].uuid);
	/* Nothing else is accepted meanwhile. */
	assert_int_equal(update("r4", urn, "spec.expose", "false", &err), 409);
	assert_non_null(strstr(err.msg, "is being deleted"));
}

static void a_delete_beats_a_running_create(void **state)
{
	struct error err;
	const char *urn;

	(void)state;
	assert_int_equal(create("r1", &err), 202);
	urn = fake.vapp_description;
	assert_int_equal(removal("r2", urn, &err), 202);
	assert_string_equal(details_of(&fake.tasks[1]).supersedes, fake.tasks[0].uuid);
}

static void a_forged_task_href_supersedes_nobody(void **state)
{
	struct error err;
	const char *urn = made_cluster(&err);

	(void)state;
	/* A running operation of another cluster. */
	json_set_str(fake_entity(0), "name", "other");
	fake.vapp = false;
	assert_int_equal(create("r2", &err), 202);
	json_set_str(fake_entity(0), "entity.status.task_href", fake.tasks[1].href);
	assert_int_equal(removal("r3", urn, &err), 202);
	assert_null(details_of(&fake.tasks[2]).supersedes);
	assert_int_equal(details_of(&fake.tasks[2]).doubt, 0);
	assert_string_equal(reply_task(), fake.tasks[2].uuid);
}

static void a_blanked_task_href_hurries_no_delete(void **state)
{
	struct error err;
	const char *urn;

	(void)state;
	assert_int_equal(create("r1", &err), 202);
	urn = fake.vapp_description;
	json_set_str(fake_entity(0), "entity.status.task_href", "");
	assert_int_equal(removal("r2", urn, &err), 202);
	assert_null(details_of(&fake.tasks[1]).supersedes);
	assert_int_equal(details_of(&fake.tasks[1]).doubt, vcd_now_ms(NULL));
}

static void a_doubt_is_handed_on(void **state)
{
	struct error err;
	const char *urn = made_cluster(&err);
	struct details details = details_of(&fake.tasks[0]);

	(void)state;
	details.doubt = 1606121999000;
	fake.tasks[0].details = details_encode(&fake.arena, &details, &err);
	assert_int_equal(update("r2", urn, "spec.expose", "false", &err), 202);
	assert_int_equal(details_of(&fake.tasks[1]).doubt, details.doubt);
	assert_int_equal(removal("r3", urn, &err), 202);
	assert_int_equal(details_of(&fake.tasks[2]).doubt, details.doubt);
}

static void copies_of_a_delete_at_one_moment_agree(void **state)
{
	struct error err;
	const char *urn = made_cluster(&err), *first;

	(void)state;
	assert_int_equal(removal("r2", urn, &err), 202);
	first = fake.tasks[1].uuid;
	/* The second copy looked before the first one wrote. */
	json_set_str(fake_entity(0), "entity.status.task_href", fake.tasks[0].href);
	fake.race = fake.tasks[1].href;
	assert_int_equal(removal("r2", urn, &err), 202);
	assert_string_equal(reply_task(), first);
	assert_int_equal(fake.tasks[2].status, TASK_ERROR);
	assert_int_equal(fake.tasks[1].status, TASK_RUNNING);
	/* A delete that meets an update in the same way still beats it. */
	json_set_str(fake_entity(0), "entity.status.task_href", fake.tasks[0].href);
	assert_int_equal(update("r3", urn, "spec.expose", "false", &err), 202);
	json_set_str(fake_entity(0), "entity.status.task_href", fake.tasks[0].href);
	fake.race = fake.tasks[3].href;
	assert_int_equal(removal("r4", urn, &err), 202);
	assert_string_equal(details_of(&fake.tasks[5]).supersedes, fake.tasks[3].uuid);
	/* And an update that meets a delete gives way. */
	json_set_str(fake_entity(0), "entity.status.task_href", fake.tasks[0].href);
	fake.race = fake.tasks[5].href;
	assert_int_equal(update("r5", urn, "spec.expose", "false", &err), 409);
	assert_int_equal(fake.tasks[6].status, TASK_ERROR);
}

static void only_full_control_deletes(void **state)
{
	struct error err;
	const char *urn = made_cluster(&err);

	(void)state;
	json_set_str(fake_entity(0), "owner.id", "urn:vcloud:user:other");
	assert_int_equal(removal("r2", urn, &err), 403);
	assert_int_equal(fake.writes, 0);
	fake.grant = "urn:vcloud:user:somebody";
	assert_int_equal(removal("r2", urn, &err), 403);
	fake.grant = FAKE_USER;
	/* On the third page of grants. */
	fake.grants_before = 300;
	assert_int_equal(removal("r2", urn, &err), 202);
}

static void a_delete_needs_the_vapp_right(void **state)
{
	struct error err;
	const char *urn = made_cluster(&err);

	(void)state;
	identity_cache_free(&test_shared.identities);
	test_shared.identities = identity_cache_new(&test_config);
	fake.rights[2] = "other";
	assert_int_equal(removal("r2", urn, &err), 403);
	assert_non_null(strstr(err.msg, "vApp: Delete"));
	assert_int_equal(fake.writes, 0);
}

static void an_unexpose_needs_the_gateway_rights(void **state)
{
	static const char *const needed[] = {
		RIGHT_GATEWAY_VIEW, RIGHT_NAT_VIEW, RIGHT_NAT_CONFIGURE};
	struct error err;
	const char *urn = made_cluster(&err);
	size_t refused = 0;

	(void)state;
	for (size_t i = 0; fake.rights[i]; i++) {
		const char *right = fake.rights[i];
		bool wanted = false;

		for (size_t j = 0; j < ARRAY_LEN(needed); j++)
			wanted = wanted || str_eq(right, needed[j]);
		if (!wanted)
			continue;
		identity_cache_free(&test_shared.identities);
		test_shared.identities = identity_cache_new(&test_config);
		fake.rights[i] = "other";
		assert_int_equal(update("r2", urn, "spec.expose", "false", &err), 403);
		assert_non_null(strstr(err.msg, right));
		assert_int_equal(fake.writes, 0);
		fake.rights[i] = right;
		refused++;
	}
	assert_int_equal(refused, ARRAY_LEN(needed));
}

/* Before or after its effect: one task, and the entity names it. */
static void one_failing_write_of_a_start_is_made_up_for(void **state)
{
	static const char *const steps[] = {"task_create", "entity_put"};
	struct error err;

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(steps); i++) {
		const char *urn;

		tear_down(NULL);
		set_up(NULL);
		urn = made_cluster(&err);
		fake.published = 0;
		fake.fail = steps[i / 2];
		fake.fail_after = i % 2;
		fake.fail_code = ERR_TRANSIENT;
		assert_int_equal(removal("r2", urn, &err), 202);
		assert_string_equal(
			json_str(fake_entity(0), "entity.status.phase", ""), "DELETE:IN_PROGRESS");
		assert_non_null(strstr(json_str(fake_entity(0), "entity.status.task_href", ""),
			fake.tasks[1].uuid));
		assert_int_equal(fake.tasks[1].status, TASK_RUNNING);
		if (fake.task_count > 2)
			assert_int_equal(fake.tasks[2].status, TASK_ERROR);
		assert_int_equal(fake.published, 1);
	}
}

static void a_start_that_fails_is_taken_back(void **state)
{
	static const char *const steps[] = {"task_create", "entity_put", "publish"};
	struct error err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		const char *urn;

		tear_down(NULL);
		set_up(NULL);
		urn = made_cluster(&err);
		fake.fail = steps[i];
		fake.fail_more = 1;
		fake.fail_code = ERR_TRANSIENT;
		assert_int_equal(removal("r2", urn, &err), 503);
		assert_false(str_eq(
			json_str(fake_entity(0), "entity.status.phase", ""), "DELETE:IN_PROGRESS"));
		if (fake.task_count > 1)
			assert_int_equal(fake.tasks[1].status, TASK_ERROR);
		/* And may be sent again. */
		fake.fail = NULL;
		assert_int_equal(removal("r3", urn, &err), 202);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_un_expose_is_admitted),
		TEST(updates_of_other_kinds_are_refused),
		TEST(clusters_that_are_not_there_are_404),
		TEST(a_delete_is_admitted_once),
		TEST(a_delete_beats_a_running_create),
		TEST(a_forged_task_href_supersedes_nobody),
		TEST(a_blanked_task_href_hurries_no_delete),
		TEST(a_doubt_is_handed_on),
		TEST(copies_of_a_delete_at_one_moment_agree),
		TEST(only_full_control_deletes),
		TEST(a_delete_needs_the_vapp_right),
		TEST(an_unexpose_needs_the_gateway_rights),
		TEST(a_start_that_fails_is_taken_back),
		TEST(one_failing_write_of_a_start_is_made_up_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
