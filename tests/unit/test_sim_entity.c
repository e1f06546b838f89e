/* SPDX-License-Identifier: MIT */
#include "tests/unit/sim_cloud.h"

#define TYPE "/cloudapi/1.0.0/entityTypes/urn:vcloud:type:cse:nativeCluster:1.0.0"
#define LIST "/cloudapi/1.0.0/entities/types/cse/nativeCluster/1.0.0"
#define CONTENT(status)                                                                            \
	"{\"kind\":\"TKGm\",\"metadata\":{},\"spec\":{\"settings\":{\"network\":\"n\"}}" status "}"
#define BODY(external, content)                                                                    \
	"{\"name\":\"demo\",\"externalId\":" external ",\"entity\":" content "}"
#define BAD ",\"status\":{\"phase\":7,\"nodes\":{\"control_plane\":{\"name\":\"\"}}}"
#define NULLS ",\"status\":{\"phase\":null,\"nodes\":{\"control_plane\":{\"name\":\"\"}}}"

/* Creates an entity and returns its id, which lives as long as the test. */
static const char *create(struct cloud *cloud, const char *content)
{
	const char *body = arena_printf(&cloud->arena,
		"{\"name\":\"demo\",\"externalId\":\"cse-request:1\",\"entity\":%s}", content);
	struct sim_task *task;

	assert_int_equal(cloud_call(cloud, "POST", TYPE, body), 202);
	task = cloud_task_of_reply(cloud);
	assert_non_null(task);
	assert_string_equal(task->status, "running");
	assert_int_equal(task->progress, 1);
	return task->owner_id;
}

static const char *path(struct cloud *cloud, const char *id, const char *rest)
{
	return arena_printf(&cloud->arena, "/cloudapi/1.0.0/entities/%s%s", id, rest);
}

static const char *state_of(struct cloud *cloud, const char *id)
{
	assert_int_equal(cloud_call(cloud, "GET", path(cloud, id, ""), NULL), 200);
	return json_str(cloud->body, "state", "");
}

static void is_pre_created_until_resolved(void **state)
{
	struct cloud *cloud = *state;
	const char *id = create(cloud, CONTENT(""));
	struct sim_task *task = cloud_task_of_reply(cloud);

	assert_string_equal(state_of(cloud, id), "PRE_CREATED");
	assert_int_equal(cloud_call(cloud, "POST", path(cloud, id, "/resolve"), NULL), 200);
	assert_string_equal(json_str(cloud->body, "state", ""), "RESOLVED");
	assert_true(json_object_object_get_ex(cloud->body, "message", NULL));
	state_tick(&cloud->sim);
	assert_string_equal(task->status, "success");
	assert_string_equal(state_of(cloud, id), "RESOLVED");
	assert_false(json_object_object_get_ex(cloud->body, "message", NULL));
}

static void fails_to_resolve_what_breaks_the_schema(void **state)
{
	struct cloud *cloud = *state;
	const char *id = create(cloud, CONTENT(BAD));

	assert_int_equal(cloud_call(cloud, "POST", path(cloud, id, "/resolve"), NULL), 200);
	assert_string_equal(json_str(cloud->body, "state", ""), "RESOLUTION_ERROR");
	assert_non_null(strstr(json_str(cloud->body, "message", ""), "#/status/phase"));
	assert_int_equal(
		cloud_call(cloud, "PUT", path(cloud, id, ""), BODY("null", CONTENT(""))), 200);
	assert_string_equal(state_of(cloud, id), "PRE_CREATED");
}

static void checks_changes_only_when_resolved(void **state)
{
	struct cloud *cloud = *state;
	const char *id = create(cloud, CONTENT(""));

	assert_int_equal(
		cloud_call(cloud, "PUT", path(cloud, id, ""), BODY("null", CONTENT(BAD))), 200);
	assert_int_equal(
		cloud_call(cloud, "PUT", path(cloud, id, ""), BODY("null", CONTENT(""))), 200);
	cloud_call(cloud, "POST", path(cloud, id, "/resolve"), NULL);
	assert_int_equal(
		cloud_call(cloud, "PUT", path(cloud, id, ""), BODY("\"x\"", CONTENT(BAD))), 400);
	assert_string_equal(state_of(cloud, id), "RESOLVED");
	assert_null(json_at(cloud->body, "externalId"));
}

static void deletes_only_resolved(void **state)
{
	struct cloud *cloud = *state;
	const char *id = create(cloud, CONTENT(""));

	assert_int_equal(cloud_call(cloud, "DELETE", path(cloud, id, ""), NULL), 400);
	cloud_call(cloud, "POST", path(cloud, id, "/resolve"), NULL);
	assert_int_equal(cloud_call(cloud, "DELETE", path(cloud, id, ""), NULL), 204);
	assert_int_equal(cloud_call(cloud, "GET", path(cloud, id, ""), NULL), 403);
}

static void judges_nulls_as_told(void **state)
{
	struct cloud *cloud = *state;
	const char *id = create(cloud, CONTENT(NULLS));

	cloud->sim.options.rde_nulls_strict = 1;
	cloud_call(cloud, "POST", path(cloud, id, "/resolve"), NULL);
	assert_string_equal(state_of(cloud, id), "RESOLUTION_ERROR");
	cloud->sim.options.rde_nulls_strict = 0;
	cloud_call(cloud, "POST", path(cloud, id, "/resolve"), NULL);
	assert_string_equal(state_of(cloud, id), "RESOLVED");
}

static int64_t found(struct cloud *cloud, const char *filter)
{
	const char *uri = arena_printf(&cloud->arena, LIST "?filter=%s", filter);

	if (cloud_call(cloud, "GET", uri, NULL) != 200)
		return -1;
	return json_int(cloud->body, "resultTotal", -2);
}

static void filters(void **state)
{
	struct cloud *cloud = *state;

	create(cloud, CONTENT(""));
	assert_int_equal(found(cloud, "externalId==cse-request:1"), 1);
	assert_int_equal(found(cloud, "externalId==cse-request:2"), 0);
	assert_int_equal(found(cloud, "entity.kind==TKGm;name==demo"), 1);
	assert_int_equal(found(cloud, "entity.no.such.path==x"), 0);
	assert_int_equal(found(cloud, "nonsense==x"), -1);
	assert_int_equal(cloud_call(cloud, "GET",
				 "/cloudapi/1.0.0/entities/types/cse/nativeCluster/1", NULL),
		200);
	assert_int_equal(json_int(cloud->body, "resultTotal", 0), 1);
	assert_int_equal(cloud_call(cloud, "GET",
				 "/cloudapi/1.0.0/entities/interfaces/vmware/k8s/1.0.0", NULL),
		200);
	assert_int_equal(json_int(cloud->body, "resultTotal", 0), 1);
	assert_int_equal(cloud_call(cloud, "GET",
				 "/cloudapi/1.0.0/entities/interfaces/vmware/k8/1.0.0", NULL),
		200);
	assert_int_equal(json_int(cloud->body, "resultTotal", 9), 0);
}

static void guards_by_right_owner_and_grant(void **state)
{
	struct cloud *cloud = *state;
	const char *id = create(cloud, CONTENT("")), *grant;

	cloud_login(cloud, "dave");
	assert_int_equal(cloud_call(cloud, "GET", path(cloud, id, ""), NULL), 403);
	cloud_login(cloud, "bob");
	assert_int_equal(cloud_call(cloud, "POST", TYPE, BODY("null", CONTENT(""))), 403);
	assert_int_equal(cloud_call(cloud, "GET", path(cloud, id, ""), NULL), 403);
	cloud_login(cloud, "alice");
	grant = arena_printf(&cloud->arena,
		"{\"grantType\":\"MembershipAccessControlGrant\",\"accessLevelId\":"
		"\"urn:vcloud:accessLevel:FullControl\",\"memberId\":\"urn:vcloud:org:%s\"}",
		cloud->session->user->org->uuid);
	assert_int_equal(cloud_call(cloud, "POST", path(cloud, id, "/accessControls"), grant), 201);
	cloud_login(cloud, "bob");
	assert_int_equal(cloud_call(cloud, "GET", path(cloud, id, ""), NULL), 200);
	assert_int_equal(
		cloud_call(cloud, "PUT", path(cloud, id, ""), BODY("null", CONTENT(""))), 403);
	cloud_login(cloud, "svc-cse");
	assert_int_equal(
		cloud_call(cloud, "PUT", path(cloud, id, ""), BODY("null", CONTENT(""))), 200);
}

static void refuses_bad_bodies(void **state)
{
	static const char *const bad[] = {"[]", "{}", "{\"name\":\"x\"}",
		"{\"name\":\"x\",\"entity\":[]}", "{\"name\":\"x\",\"entity\":{},\"status\":1}",
		"{\"name\":\"x\",\"entity\":{},\"externalId\":7}"};
	struct cloud *cloud = *state;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(cloud_call(cloud, "POST", TYPE, bad[i]), 400);
}

static void lists_rights_of_a_role(void **state)
{
	struct cloud *cloud = *state;
	const char *uri = arena_printf(&cloud->arena,
		"/cloudapi/1.0.0/roles/urn:vcloud:role:%s/rights?pageSize=3&page=2&sortAsc=name",
		cloud->session->user->role_uuid);
	struct json_object *values;

	assert_int_equal(cloud_call(cloud, "GET", uri, NULL), 200);
	assert_true(json_int(cloud->body, "resultTotal", 0) > 6);
	values = json_at(cloud->body, "values");
	assert_int_equal(json_object_array_length(values), 3);
	assert_true(str_starts(
		json_str(json_object_array_get_idx(values, 0), "id", ""), "urn:vcloud:right:"));
	assert_non_null(cloud->reply.link);
	cloud_login(cloud, "dave");
	assert_int_equal(cloud_call(cloud, "GET", uri, NULL), 403);
}

static void filters_policies(void **state)
{
	struct cloud *cloud = *state;
	const char *uri = arena_printf(&cloud->arena,
		"/cloudapi/2.0.0/vdcs/urn:vcloud:vdc:%s/computePolicies?filter="
		"isSizingOnly==true;name==small",
		"0d000000-0000-4000-8000-000000000001");

	assert_int_equal(cloud_call(cloud, "GET", uri, NULL), 200);
	assert_int_equal(json_int(cloud->body, "resultTotal", 0), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, cloud_setup, cloud_teardown)
	const struct CMUnitTest tests[] = {
		TEST(is_pre_created_until_resolved),
		TEST(fails_to_resolve_what_breaks_the_schema),
		TEST(checks_changes_only_when_resolved),
		TEST(deletes_only_resolved),
		TEST(judges_nulls_as_told),
		TEST(filters),
		TEST(guards_by_right_owner_and_grant),
		TEST(refuses_bad_bodies),
		TEST(lists_rights_of_a_role),
		TEST(filters_policies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
