/* SPDX-License-Identifier: MIT */
/* Handlers of clusters against a VCD in memory: what is written, in which order, and what is taken
 * back. */
#include "common/base64.h"
#include "common/clock.h"
#include "common/crypto.h"
#include "common/json.h"
#include "common/log.h"
#include "common/str.h"
#include "worker/catalog.h"
#include "worker/details.h"
#include "worker/identity.h"
#include "worker/request.h"

#include "tests/unit/fake_vcd.h"
#include "tests/unit/unit.h"

static struct config config = {.deployment = "test",
	.catalog_org = "cse",
	.catalog_name = "c",
	.catalog_default_template = "T",
	.catalog_default_revision = 1,
	.timing_cache = 60000,
	.timing_reply = 6000,
	.timing_first_write = 3000};
static struct shared shared = {.config = &config};
static struct thread_ctx ctx = {.shared = &shared, .name = "test"};

static struct json_object *last_body; /* of the last reply */

static int set_up(void **state)
{
	(void)state;
	fake_reset();
	log_set_level(LOG_ERROR);
	shared.identities = identity_cache_new(&config);
	shared.templates = template_cache_new();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	json_release(&last_body);
	identity_cache_free(&shared.identities);
	template_cache_free(&shared.templates);
	arena_reset(&ctx.arena);
	fake_reset();
	json_release(&fake.entities);
	return 0;
}

static struct json_object *body_new(void)
{
	return json_tokener_parse(
		"{\"metadata\":{\"cluster_name\":\"lab7\",\"org_name\":\"tenant1\","
		"\"ovdc_name\":\"vdc-a\"},\"spec\":{\"control_plane\":{\"count\":1,"
		"\"storage_profile\":\"gold\"},\"workers\":{\"count\":2,\"sizing_class\":"
		"\"large\"},\"k8_distribution\":{\"template_name\":\"T\","
		"\"template_revision\":1},\"settings\":{\"network\":\"net\"},\"expose\":true},"
		"\"kind\":\"TKGm\",\"api_version\":\"35.0\"}");
}

struct call {
	handler_fn *handler;
	const char *id, *urn;
	struct json_object *body; /* taken */
	int64_t age_ms;
};

/* Runs a handler as the request loop does; its status, or that of the error. */
static int run(struct call call, struct error *err)
{
	struct request req = {.id = call.id,
		.tokens = {call.urn},
		.body = call.body,
		.token = secret_new("token", 5),
		.received_ms = clock_ms() - call.age_ms};
	struct reply reply = {0};
	int failed;

	fake.call_count = fake.writes = fake.requests = 0;
	*err = (struct error){0};
	failed = call.handler(&ctx, &req, &reply, err);
	json_release(&last_body);
	last_body = reply.body;
	secret_release(&req.token);
	json_release(&call.body);
	return failed ? error_status(err->code) : reply.status;
}

static int create(const char *id, struct error *err)
{
	return run(
		(struct call){.handler = handle_cluster_create, .id = id, .body = body_new()}, err);
}

static const char *reply_task(void)
{
	return str_last_segment(json_str(last_body, "entity.status.task_href", ""));
}

static struct details details_of(const struct vcd_task *task)
{
	struct details details;
	struct error err;

	assert_int_equal(details_decode(&details, &ctx.arena, "test", task->details, &err), 1);
	return details;
}

static void assert_calls(const char *expected)
{
	const char *seen = "";

	for (size_t i = 0; i < fake.call_count; i++)
		seen = arena_printf(&ctx.arena, "%s%s%s", seen, i ? " " : "", fake.calls[i]);
	assert_string_equal(seen, expected);
}

static void a_create_makes_its_writes_in_order(void **state)
{
	struct error err;
	struct details details;

	(void)state;
	assert_int_equal(create("r0", &err), 202);
	tear_down(NULL);
	set_up(NULL);
	assert_int_equal(create("r1", &err), 202);
	assert_calls("session entity_find rights catalog metadata template vdc sizing network edge "
		     "used vapp_find task_create entity_create entity_find compose task_put "
		     "entity_find entity_put publish");
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
	assert_in_range(fake.requests, 1, 14);
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
		fake.fail_after = i % 2;
		status = create("r1", &err);
		if (status != 503 && !(i % 2 && str_eq(step, "compose")))
			fail_msg("%s: status %d (%s)", step, status, err.msg);
		if (status == 202)
			continue;
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

struct wrong {
	const char *path, *value;
	int status;
	const char *expected;
};

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
		{"vApp", "", 409, "Cluster 'lab7' already exists."},
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
		case 7:
			fake.rights[0] = "other";
			break;
		default:
			fake.vapp = true;
			break;
		}
		assert_refused(&rows[i], body_new());
	}
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
	task = arena_strdup(&ctx.arena, reply_task());
	assert_int_equal(create("r1", &err), 202);
	assert_int_equal(fake.writes, 0);
	assert_string_equal(reply_task(), task);
	/* Also before the entity names its vApp. */
	json_set_str(fake_entity(0), "externalId", "cse-request:r1");
	json_set_str(fake_entity(0), "entity.status.task_href", "x");
	assert_int_equal(create("r1", &err), 202);
	assert_int_equal(fake.writes, 0);
	/* Another request for the name is refused. */
	assert_int_equal(create("r2", &err), 409);
	assert_string_equal(err.msg, "Cluster 'lab7' already exists.");
	assert_int_equal(fake.writes, 0);
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

/* A cluster as the operations leave it. */
static const char *made_cluster(struct error *err)
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
	assert_calls("entity_get task_get task_create entity_get entity_put publish");
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
	assert_string_equal(reply_task(), fake.tasks[2].uuid);
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
	assert_int_equal(removal("r2", urn, &err), 202);
}

static void a_delete_needs_the_vapp_right(void **state)
{
	struct error err;
	const char *urn = made_cluster(&err);

	(void)state;
	identity_cache_free(&shared.identities);
	shared.identities = identity_cache_new(&config);
	fake.rights[2] = "other";
	assert_int_equal(removal("r2", urn, &err), 403);
	assert_non_null(strstr(err.msg, "vApp: Delete"));
	assert_int_equal(fake.writes, 0);
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
		fake.fail_code = ERR_TRANSIENT;
		assert_int_equal(removal("r2", urn, &err), 503);
		assert_false(str_eq(
			json_str(fake_entity(0), "entity.status.phase", ""), "DELETE:IN_PROGRESS"));
		if (fake.task_count > 1)
			assert_int_equal(fake.tasks[1].status, TASK_ERROR);
		/* And may be sent again. */
		assert_int_equal(removal("r3", urn, &err), 202);
	}
}

static void publish_kubeconfig(const char *vm)
{
	static const char hex[] = "00112233445566778899aabbccddeeff";
	static const char pem[] = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n";
	static const char key_pem[] =
		"-----BEGIN RSA PRIVATE KEY-----\nS0VZ\n-----END RSA PRIVATE KEY-----\n";
	struct arena *arena = &fake.arena;
	const char *cert = base64_encode(arena, pem, strlen(pem));
	const char *text = arena_printf(arena,
		"clusters:\n- cluster:\n    certificate-authority-data: %s\nusers:\n- user:\n"
		"    client-certificate-data: %s\n    client-key-data: %s\n",
		cert, cert, base64_encode(arena, key_pem, strlen(key_pem)));
	const char *body = base64_encode(arena, text, strlen(text));
	const char *signed_text = arena_printf(arena, "kubeconfig|%s|3|%s", vm, body);
	struct secret key = secret_new(hex, strlen(hex));
	char mac[CRYPTO_SHA256_HEX];

	crypto_hmac_hex(mac, &key, signed_text, strlen(signed_text));
	secret_release(&key);
	fake.extra[0] = (struct vcd_extra){"cse.key", hex};
	fake.extra[1] = (struct vcd_extra){
		"guestinfo.cse.kubeconfig", arena_printf(arena, "v1 3 %s %s", body, mac)};
	fake.extra_count = 2;
}

static int get_config(const char *urn, struct error *err)
{
	return run((struct call){.handler = handle_cluster_config, .id = "r9", .urn = urn}, err);
}

static void a_kubeconfig_leads_to_the_real_address(void **state)
{
	struct error err;
	const char *urn = made_cluster(&err);

	(void)state;
	publish_kubeconfig("mstr-ab12");
	assert_int_equal(get_config(urn, &err), 200);
	assert_non_null(strstr(json_str(last_body, "message", ""), "https://203.0.113.9:6443\n"));
	assert_int_equal(fake.writes, 0);
	json_set_bool(fake_entity(0), "entity.status.exposed", false);
	assert_int_equal(get_config(urn, &err), 200);
	assert_non_null(strstr(json_str(last_body, "message", ""), "https://192.168.0.10:6443\n"));
}

static void a_kubeconfig_is_refused_when_in_doubt(void **state)
{
	struct error err;
	const char *urn = made_cluster(&err);

	(void)state;
	assert_int_equal(get_config(urn, &err), 409); /* not published yet */
	publish_kubeconfig("node-zz99");
	assert_int_equal(get_config(urn, &err), 409); /* another VM's word */
	publish_kubeconfig("mstr-ab12");
	fake.marked = "urn:of:another";
	assert_int_equal(get_config(urn, &err), 409); /* a forged externalId */
	assert_non_null(strstr(err.msg, "Couldn't get cluster configuration"));
	fake.marked = urn;
	json_set_str(fake_entity(0), "externalId", "https://vcd/api/vApp/vapp-other");
	assert_int_equal(get_config(urn, &err), 404);
	json_set_str(fake_entity(0), "externalId", "cse-request:r1");
	assert_int_equal(get_config(urn, &err), 409);
	json_set_str(fake_entity(0), "state", "PRE_CREATED");
	assert_int_equal(get_config(urn, &err), 409);
	assert_non_null(strstr(err.msg, "is not in a valid state for this operation"));
}

static void an_info_never_writes_and_shows_known_keys(void **state)
{
	struct error err;
	const char *urn = made_cluster(&err);

	(void)state;
	json_set_str(fake_entity(0), "entityState", "x");
	json_set_str(fake_entity(0), "entity.odd", "x");
	assert_int_equal(
		run((struct call){.handler = handle_cluster_info, .id = "r2", .urn = urn}, &err),
		200);
	assert_int_equal(fake.writes, 0);
	assert_string_equal(json_str(last_body, "id", ""), urn);
	assert_null(json_at(last_body, "entityState"));
	assert_null(json_at(last_body, "entity.odd"));
	assert_string_equal(json_str(last_body, "org.name", ""), "tenant1");
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_create_makes_its_writes_in_order),
		TEST(a_warm_create_needs_few_calls),
		TEST(whatever_fails_is_taken_back),
		TEST(a_refused_write_keeps_its_status),
		TEST(wrong_input_is_refused_before_any_write),
		TEST(a_cloud_that_lacks_something_refuses),
		TEST(an_unexposed_create_asks_no_edge),
		TEST(a_late_request_writes_nothing),
		TEST(the_same_request_finds_itself),
		TEST(names_of_other_orgs_are_free),
		TEST(an_un_expose_is_admitted),
		TEST(updates_of_other_kinds_are_refused),
		TEST(clusters_that_are_not_there_are_404),
		TEST(a_delete_is_admitted_once),
		TEST(a_delete_beats_a_running_create),
		TEST(a_forged_task_href_supersedes_nobody),
		TEST(copies_of_a_delete_at_one_moment_agree),
		TEST(only_full_control_deletes),
		TEST(a_delete_needs_the_vapp_right),
		TEST(a_start_that_fails_is_taken_back),
		TEST(a_kubeconfig_leads_to_the_real_address),
		TEST(a_kubeconfig_is_refused_when_in_doubt),
		TEST(an_info_never_writes_and_shows_known_keys),
		TEST(an_administrator_acts_for_the_named_org),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
