/* SPDX-License-Identifier: MIT */
#include "tests/unit/handler_run.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/str.h"
#include "worker/catalog.h"
#include "worker/identity.h"

struct config test_config = {.deployment = "test",
	.catalog_org = "cse",
	.catalog_name = "c",
	.catalog_default_template = "T",
	.catalog_default_revision = 1,
	.timing_cache = 60000,
	.timing_reply = 6000,
	.timing_first_write = 3000};
struct shared test_shared = {.config = &test_config};
struct thread_ctx test_ctx = {.shared = &test_shared, .name = "test"};

struct json_object *last_body;

int set_up(void **state)
{
	(void)state;
	fake_reset();
	log_set_level(LOG_ERROR);
	test_shared.identities = identity_cache_new(&test_config);
	test_shared.templates = template_cache_new();
	return 0;
}

int tear_down(void **state)
{
	(void)state;
	json_release(&last_body);
	identity_cache_free(&test_shared.identities);
	template_cache_free(&test_shared.templates);
	arena_reset(&test_ctx.arena);
	fake_reset();
	json_release(&fake.entities);
	return 0;
}

struct json_object *body_new(void)
{
	return json_tokener_parse(
		"{\"metadata\":{\"cluster_name\":\"lab7\",\"org_name\":\"tenant1\","
		"\"ovdc_name\":\"vdc-a\"},\"spec\":{\"control_plane\":{\"count\":1,"
		"\"storage_profile\":\"gold\"},\"workers\":{\"count\":2,\"sizing_class\":"
		"\"large\"},\"k8_distribution\":{\"template_name\":\"T\","
		"\"template_revision\":1},\"settings\":{\"network\":\"net\"},\"expose\":true},"
		"\"kind\":\"TKGm\",\"api_version\":\"35.0\"}");
}

/* Runs a handler as the request loop does; its status, or that of the error. */
int run(struct call call, struct error *err)
{
	struct request req = {.id = call.id,
		.tokens = {call.urn},
		.body = call.body,
		.token = secret_new("token", 5),
		.redelivered = call.redelivered,
		.received_ms = clock_ms() - call.age_ms};
	struct reply reply = {0};
	int failed;

	fake.call_count = fake.writes = fake.requests = 0;
	*err = (struct error){0};
	failed = call.handler(&test_ctx, &req, &reply, err);
	json_release(&last_body);
	last_body = reply.body;
	secret_release(&req.token);
	json_release(&call.body);
	return failed ? error_status(err->code) : reply.status;
}

int create(const char *id, struct error *err)
{
	return run(
		(struct call){.handler = handle_cluster_create, .id = id, .body = body_new()}, err);
}

const char *reply_task(void)
{
	return str_last_segment(json_str(last_body, "entity.status.task_href", ""));
}

struct details details_of(const struct vcd_task *task)
{
	struct details details;
	struct error err;

	assert_int_equal(details_decode(&details, &test_ctx.arena, "test", task->details, &err), 1);
	return details;
}

void assert_calls(const char *expected)
{
	const char *seen = "";

	for (size_t i = 0; i < fake.call_count; i++)
		seen = arena_printf(&test_ctx.arena, "%s%s%s", seen, i ? " " : "", fake.calls[i]);
	assert_string_equal(seen, expected);
}

/* A cluster as the operations leave it. */
const char *made_cluster(struct error *err)
{
	const char *urn;

	assert_int_equal(create("r1", err), 202);
	urn = fake.vapp_description;
	json_set_str(fake_entity(0), "state", "RESOLVED");
	json_set_str(fake_entity(0), "entity.status.phase", "CREATE:SUCCEEDED");
	json_set_bool(fake_entity(0), "entity.status.exposed", true);
	fake.tasks[0].status = TASK_SUCCESS;
	fake.marked = urn;
	return urn;
}
