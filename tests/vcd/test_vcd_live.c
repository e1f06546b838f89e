/* SPDX-License-Identifier: MIT */
/*
 * The client against a running simulator: from the login to an empty cloud again. Started by
 * live.sh; without a simulator it is skipped.
 */
#include "tests/vcd/live.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/str.h"
#include "worker/vcd/entity.h"
#include "worker/vcd/network.h"
#include "worker/vcd/task.h"
#include "worker/vcd/vapp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { CALL_MS = 30000, WAIT_MS = 15000 };

static const char vdc_name[] = "tenant1-vdc";
static const char network_name[] = "default-organization-network";

/* One thread's view, and the tenant's token. */
static struct config config;
static struct vcd_shared *shared;
static struct vcd *vcd;
static struct arena arena;
static struct secret alice_token;
static struct vcd_as alice;

static int set_up(void **state)
{
	(void)state;
	config = live_config("svc-password", NULL);
	shared = vcd_shared_new(&config);
	vcd = vcd_new(shared, NULL, NULL);
	alice_token = live_token("alice@tenant1", "alice-password");
	assert_false(secret_empty(&alice_token));
	alice.token = &alice_token;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	vcd_free(&vcd);
	vcd_shared_free(&shared);
	secret_release(&alice_token);
	secret_release(&config.vcd_password);
	return 0;
}

static int begin(void **state)
{
	(void)state;
	vcd_begin(vcd, &arena, clock_ms() + CALL_MS, clock_ms() + CALL_MS);
	return 0;
}

static int end(void **state)
{
	(void)state;
	arena_reset(&arena);
	return 0;
}

static void test_caller_and_role(void **state)
{
	CLEANUP(secret_release)
	struct secret wrong = secret_new("x.y.z", 5);
	struct vcd_as nobody = {.token = &wrong};
	struct vcd_session session;
	const char **rights;
	size_t count;
	bool found = false;
	struct error err;

	(void)state;
	OK(vcd_session_current(vcd, alice, &session, &err));
	assert_string_equal(session.user_name, "alice");
	assert_string_equal(session.org_name, "tenant1");
	assert_int_equal(session.role_count, 1);
	FAILS(vcd_session_current(vcd, nobody, &session, &err), ERR_EXPIRED);
	OK(vcd_session_current(vcd, alice, &session, &err));
	OK(vcd_role_rights(vcd, session.role_urns[0], &rights, &count, &err));
	for (size_t i = 0; i < count; i++)
		found |= str_eq(rights[i], "vApp: Delete");
	assert_true(found);
	assert_true(vcd_now_ms(vcd) > 0);
}

static void test_org_and_vdc(void **state)
{
	const char *org;
	struct vcd_vdc vdc;
	struct vcd_ref *policies;
	size_t count;
	struct error err;

	(void)state;
	OK(vcd_org_find(vcd, VCD_SERVICE, "tenant1", &org, &err));
	FAILS(vcd_org_find(vcd, VCD_SERVICE, "TENANT1", &org, &err), ERR_GONE);
	OK(vcd_vdc_find(vcd, alice, vdc_name, NULL, false, &vdc, &err));
	assert_string_equal(vdc.name, vdc_name);
	assert_true(vdc.network_count >= 1);
	assert_true(vdc.storage_profile_count >= 1);
	OK(vcd_vdc_find(vcd, VCD_SERVICE, vdc_name, org, true, &vdc, &err));
	FAILS(vcd_vdc_find(vcd, alice, "tenant2-vdc", NULL, false, &vdc, &err), ERR_GONE);
	FAILS(vcd_vdc_find(vcd, alice, "*", NULL, false, &vdc, &err), ERR_GONE);
	OK(vcd_vdc_sizing_policies(vcd, alice, vdc.urn, &policies, &count, &err));
	assert_true(count >= 2);
	for (size_t i = 0; i < count; i++)
		assert_false(str_starts(policies[i].name, "cse----"));
}

/* The template that the other tests compose from. */
static void find_template(struct vcd_template *out)
{
	struct vcd_ref *items;
	struct vcd_metadata *entries;
	size_t count;
	struct error err;
	bool prepared = false;

	OK(vcd_catalog_items(vcd, "cse", "cse-templates", &items, &count, &err));
	assert_true(count >= 1);
	assert_true(str_starts(items[0].name, "ubuntu"));
	OK(vcd_template_get(vcd, items[0].href, out, &err));
	OK(vcd_metadata_get(vcd, items[0].href, &entries, &count, &err));
	for (size_t i = 0; i < count; i++)
		prepared |= str_eq(entries[i].key, "cse_prepared") &&
			    str_eq(entries[i].domain, "SYSTEM");
	assert_true(prepared);
}

static void test_catalog(void **state)
{
	struct vcd_template template;
	struct vcd_ref *items;
	size_t count;
	struct error err;

	(void)state;
	find_template(&template);
	assert_int_equal(template.nic_index, 0);
	FAILS(vcd_catalog_items(vcd, "tenant1", "cse-templates", &items, &count, &err), ERR_GONE);
}

static void test_task_of_ours(void **state)
{
	struct vcd_task task;
	struct vcd_task_write write = {
		.operation = "Creating cluster <live>",
		.details = "cse-worker/1 live {\"op\":\"create\"}",
		.status = TASK_RUNNING,
		.progress = 5,
	};
	struct vcd_session who;
	struct error err;

	(void)state;
	OK(vcd_session_current(vcd, alice, &who, &err));
	OK(vcd_task_create(vcd, str_urn_uuid(who.org_urn), who.org_name, str_urn_uuid(who.user_urn),
		who.user_name, &write, &task, &err));
	OK(vcd_task_get(vcd, task.uuid, &task, &err));
	assert_string_equal(task.operation, write.operation);
	assert_string_equal(task.details, write.details);
	assert_string_equal(task.user_name, "alice");
	assert_string_equal(task.org_id, who.org_urn);
	assert_int_equal(task.progress, 5);
	assert_false(task_is_final(&task));
	assert_true(task.start_ms > 0);
	write.status = TASK_ERROR;
	write.error_message = "step \"guests\": no answer";
	OK(vcd_task_put(vcd, &task, &write, &task, &err));
	assert_int_equal(task.status, TASK_ERROR);
	assert_string_equal(task.error_message, write.error_message);
	FAILS(vcd_task_put(vcd, &task, &write, NULL, &err), ERR_INVALID);
	FAILS(vcd_task_get(vcd, "00000000-0000-4000-8000-000000000000", &task, &err), ERR_GONE);
}

/* A document that the entity type accepts. */
static struct json_object *sample_entity(void)
{
	static const char text[] =
		"{\"api_version\":\"\",\"kind\":\"TKGm\",\"metadata\":{\"cluster_name\":\"live\","
		"\"org_name\":\"tenant1\",\"ovdc_name\":\"tenant1-vdc\"},\"spec\":{"
		"\"control_plane\":{\"count\":1},\"workers\":{\"count\":1},\"nfs\":{\"count\":0},"
		"\"k8_distribution\":{\"template_name\":\"t\",\"template_revision\":1},"
		"\"settings\":{\"network\":\"n\",\"rollback_on_failure\":true},\"expose\":false},"
		"\"status\":{\"phase\":\"CREATE:IN_PROGRESS\",\"nodes\":{"
		"\"control_plane\":{\"name\":\"\",\"ip\":\"\",\"sizing_class\":\"\"},"
		"\"workers\":[],\"nfs\":[]}}}";
	struct error err;

	return json_parse(text, strlen(text), 16, &err);
}

static void test_entity(void **state)
{
	CLEANUP(json_release)
	struct json_object *entity = sample_entity();
	CLEANUP(json_release)
	struct json_object *document = NULL;
	CLEANUP(json_release)
	struct json_object *found = NULL;
	const char *urn;
	struct error err;

	(void)state;
	OK(vcd_entity_create(vcd, alice, "live", "cse-request:1;(2)", entity, &urn, &err));
	OK(vcd_entity_find(vcd, alice, "externalId", "cse-request:1;(2)", &found, &err));
	assert_int_equal(json_object_array_length(found), 1);
	OK(vcd_entity_get(vcd, VCD_SERVICE, urn, &document, &err));
	assert_string_equal(json_str(document, "state", ""), "PRE_CREATED");
	assert_string_equal(json_str(document, "owner.name", ""), "alice");
	FAILS(vcd_entity_delete(vcd, VCD_SERVICE, urn, &err), ERR_INVALID);
	json_set_str(document, "externalId", "urn:x");
	OK(vcd_entity_put(vcd, VCD_SERVICE, &document, &err));
	assert_string_equal(json_str(document, "externalId", ""), "urn:x");
	OK(vcd_entity_resolve(vcd, VCD_SERVICE, urn, &err));
	OK(vcd_entity_delete(vcd, VCD_SERVICE, urn, &err));
	FAILS(vcd_entity_delete(vcd, VCD_SERVICE, urn, &err), ERR_GONE);
	json_release(&document);
	FAILS(vcd_entity_get(vcd, alice, urn, &document, &err), ERR_GONE);
}

static struct vcd_network routed_network(void)
{
	struct vcd_network network;
	struct vcd_vdc vdc;
	struct error err;

	OK(vcd_vdc_find(vcd, alice, vdc_name, NULL, false, &vdc, &err));
	OK(vcd_network_find(vcd, alice, vdc.urn, network_name, &network, &err));
	return network;
}

static bool is_used(const char *edge_urn, const char *address)
{
	uint32_t *used;
	uint32_t ip;
	size_t count;
	bool found = false;
	struct error err;

	assert_true(ip4_parse(address, &ip));
	OK(vcd_edge_used(vcd, alice, edge_urn, &used, &count, &err));
	for (size_t i = 0; i < count; i++)
		found |= used[i] == ip;
	return found;
}

static void test_network_and_edge(void **state)
{
	struct vcd_network network = routed_network();
	struct vcd_vdc vdc;
	struct vcd_edge edge;
	struct error err;

	(void)state;
	assert_true(network.has_static_pool);
	assert_true(network.free_addresses > 10);
	OK(vcd_edge_get(vcd, alice, network.edge_urn, &edge, &err));
	assert_true(edge.nsxt);
	assert_true(edge.range_count >= 1);
	assert_true(edge.reserved_count >= 2);
	assert_true(is_used(network.edge_urn, ip4_text(&arena, edge.reserved[1])));
	OK(vcd_vdc_find(vcd, alice, vdc_name, NULL, false, &vdc, &err));
	OK(vcd_network_find(vcd, alice, vdc.urn, "dhcp-network", &network, &err));
	assert_false(network.has_static_pool);
	OK(vcd_network_find(vcd, alice, vdc.urn, "isolated-network", &network, &err));
	assert_string_equal(network.edge_urn, "");
	FAILS(vcd_network_find(vcd, alice, vdc.urn, "other", &network, &err), ERR_GONE);
}

/* The id of the rule of that name; NULL when there is none. */
static const char *rule_id(const char *edge_urn, const char *name)
{
	struct vcd_nat_rule *rules;
	size_t count;
	const char *id = NULL;
	struct error err;

	OK(vcd_nat_list(vcd, alice, edge_urn, &rules, &count, &err));
	for (size_t i = 0; i < count; i++) {
		if (str_eq(rules[i].name, name))
			id = rules[i].id;
	}
	return id;
}

static void test_nat(void **state)
{
	struct vcd_network network = routed_network();
	struct vcd_nat_rule rule = {.name = "live_urn:x_expose_dnat",
		.type = "DNAT",
		.external = "127.60.0.15",
		.internal = "127.50.0.77",
		.external_port = "6443",
		.enabled = true};
	const char *profile;
	const char *task;
	const char *other;
	struct vcd_edge edge;
	struct vcd_session who;
	struct error err;

	(void)state;
	OK(vcd_session_current(vcd, alice, &who, &err));
	OK(vcd_edge_get(vcd, alice, network.edge_urn, &edge, &err));
	assert_int_equal(vcd_port_profile(vcd, edge.owner_urn, who.org_urn, "cse-kube-api-6443",
				 6443, &rule.profile_id, &err),
		1);
	OK(vcd_port_profile(
		vcd, edge.owner_urn, who.org_urn, "cse-kube-api-6443", 6443, &profile, &err));
	assert_string_equal(profile, rule.profile_id);
	OK(vcd_nat_create(vcd, VCD_SERVICE, edge.urn, &rule, &task, &err));
	FAILS(vcd_nat_create(vcd, VCD_SERVICE, edge.urn, &rule, &other, &err), ERR_BUSY);
	OK(vcd_task_wait(vcd, task, WAIT_MS, "NAT rule", &err));
	assert_true(is_used(edge.urn, rule.external));
	rule.id = rule_id(edge.urn, rule.name);
	assert_non_null(rule.id);
	OK(vcd_nat_delete(vcd, alice, edge.urn, rule.id, &task, &err));
	OK(vcd_task_wait(vcd, task, WAIT_MS, "NAT rule", &err));
	assert_null(rule_id(edge.urn, rule.name));
	FAILS(vcd_nat_delete(vcd, alice, edge.urn, rule.id, &task, &err), ERR_GONE);
}

/* Composes "live" with two VMs; the uuid of the vApp. */
static const char *compose(const char **task)
{
	static const struct vcd_compose_vm vms[] = {
		{"mstr-live", "#!/bin/sh\nexit 0\n", NULL, NULL},
		{"node-live", "#!/bin/sh\nexit 0\n", NULL, NULL},
	};
	struct vcd_template template;
	struct vcd_vdc vdc;
	struct vcd_compose spec = {.name = "live",
		.description = "urn:vcloud:entity:live",
		.network_name = network_name,
		.template = &template,
		.vms = vms,
		.vm_count = ARRAY_LEN(vms)};
	const char *uuid;
	struct error err;

	find_template(&template);
	OK(vcd_vdc_find(vcd, alice, vdc_name, NULL, false, &vdc, &err));
	for (size_t i = 0; i < vdc.network_count; i++) {
		if (str_eq(vdc.networks[i].name, network_name))
			spec.network_href = vdc.networks[i].href;
	}
	assert_non_null(spec.network_href);
	OK(vcd_compose(vcd, alice, vdc.uuid, &spec, &uuid, task, &err));
	FAILS(vcd_compose(vcd, alice, vdc.uuid, &spec, &(const char *){NULL}, &(const char *){NULL},
		      &err),
		ERR_CONFLICT);
	return uuid;
}

static void check_composed(const char *uuid)
{
	CLEANUP(vcd_vapp_release)
	struct vcd_vapp vapp = {0};
	const char *found;
	struct vcd_vdc vdc;
	struct error err;

	OK(vcd_vapp_get(vcd, alice, uuid, &vapp, &err));
	assert_string_equal(vapp.name, "live");
	assert_string_equal(vapp.description, "urn:vcloud:entity:live");
	assert_string_equal(vapp.owner_name, "alice");
	assert_string_equal(vapp.task_href, "");
	assert_int_equal(vapp.lease_deploy_s, 0);
	assert_int_equal(vapp.lease_storage_s, 0);
	assert_int_equal(vapp.vm_count, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(vapp.vms[i].status, VM_OFF);
		assert_true(str_starts(vapp.vms[i].ip, "127.50.0."));
	}
	OK(vcd_vdc_find(vcd, alice, vdc_name, NULL, false, &vdc, &err));
	assert_string_equal(str_last_segment(vapp.vdc_href), vdc.uuid);
	OK(vcd_vapp_find(vcd, alice, false, vdc.uuid, "live", &found, &err));
	assert_string_equal(found, uuid);
	OK(vcd_vapp_find(vcd, VCD_SERVICE, true, vdc.uuid, "live", &found, &err));
	assert_string_equal(found, uuid);
	OK(vcd_vapp_find(vcd, VCD_SERVICE, true, vdc.uuid, "Live", &found, &err));
	assert_string_equal(found, "");
}

static void check_metadata(const char *href)
{
	static const struct vcd_metadata entries[] = {
		{"SYSTEM", "READONLY", "cse.cluster.id", "urn:live"},
		{"SYSTEM", "PRIVATE", "cse.edge", "urn:edge"},
		{"GENERAL", "READWRITE", "cse.version", "3.0 & more"},
	};
	struct vcd_metadata *read;
	const char *task;
	size_t count;
	struct error err;

	OK(vcd_metadata_set(vcd, href, entries, ARRAY_LEN(entries), &task, &err));
	OK(vcd_task_wait(vcd, task, WAIT_MS, "metadata", &err));
	OK(vcd_metadata_get(vcd, href, &read, &count, &err));
	assert_int_equal(count, ARRAY_LEN(entries));
	for (size_t i = 0; i < count; i++) {
		if (str_eq(read[i].key, "cse.version"))
			assert_string_equal(read[i].value, "3.0 & more");
	}
}

static void check_extra_config(const char *uuid)
{
	static const struct vcd_extra first[] = {{"guestinfo.cse.data", "YQ=="}, {"cse.key", "ab"}};
	static const struct vcd_extra second[] = {{"guestinfo.cse.data", ""}};
	CLEANUP(vcd_vapp_release)
	struct vcd_vapp vapp = {0};
	CLEANUP(vcd_vapp_release)
	struct vcd_vapp again = {0};
	CLEANUP(vcd_vapp_release)
	struct vcd_vapp tenant = {0};
	const char *task;
	struct vcd_vm *vm;
	struct error err;

	OK(vcd_vapp_get(vcd, VCD_SERVICE, uuid, &vapp, &err));
	vm = vcd_vapp_vm(&vapp, "mstr-live");
	OK(vcd_vm_reconfigure(vcd, vm, first, 2, &task, &err));
	OK(vcd_task_wait(vcd, task, WAIT_MS, "reconfigure", &err));
	OK(vcd_vm_reconfigure(vcd, vm, second, 1, &task, &err));
	OK(vcd_task_wait(vcd, task, WAIT_MS, "reconfigure", &err));
	OK(vcd_vapp_get(vcd, VCD_SERVICE, uuid, &again, &err));
	vm = vcd_vapp_vm(&again, "mstr-live");
	assert_string_equal(vcd_vm_extra(vm, "cse.key"), "ab");
	assert_string_equal(str_or(vcd_vm_extra(vm, "guestinfo.cse.data"), ""), "");
	OK(vcd_vapp_get(vcd, alice, uuid, &tenant, &err));
	assert_null(vcd_vm_extra(vcd_vapp_vm(&tenant, "mstr-live"), "cse.key"));
}

static void check_power(const char *uuid)
{
	CLEANUP(vcd_vapp_release)
	struct vcd_vapp vapp = {0};
	CLEANUP(vcd_vapp_release)
	struct vcd_vapp on = {0};
	const char *task;
	struct error err;

	OK(vcd_vapp_get(vcd, VCD_SERVICE, uuid, &vapp, &err));
	OK(vcd_undeploy(vcd, VCD_SERVICE, vapp.href, &task, &err));
	assert_string_equal(task, "");
	OK(vcd_power_on(vcd, vapp.vms[0].href, &task, &err));
	OK(vcd_task_wait(vcd, task, WAIT_MS, "power on", &err));
	OK(vcd_vapp_get(vcd, VCD_SERVICE, uuid, &on, &err));
	assert_int_equal(vcd_vapp_vm(&on, vapp.vms[0].name)->status, VM_ON);
	OK(vcd_undeploy(vcd, alice, vapp.href, &task, &err));
	OK(vcd_task_wait(vcd, task, WAIT_MS, "undeploy", &err));
}

static void test_vapp(void **state)
{
	CLEANUP(vcd_vapp_release)
	struct vcd_vapp vapp = {0};
	const char *href;
	const char *task;
	const char *uuid = compose(&task);
	static const struct vcd_metadata entry = {"GENERAL", "READWRITE", "a", "b"};
	struct error err;

	(void)state;
	href = vcd_href(vcd, "/api/vApp/vapp-%s", uuid);
	FAILS(vcd_metadata_set(vcd, href, &entry, 1, &(const char *){NULL}, &err), ERR_BUSY);
	OK(vcd_vapp_get(vcd, VCD_SERVICE, uuid, &vapp, &err));
	assert_string_not_equal(vapp.task_href, "");
	OK(vcd_task_wait(vcd, task, WAIT_MS, "compose", &err));
	check_composed(uuid);
	check_metadata(href);
	check_extra_config(uuid);
	check_power(uuid);
	OK(vcd_vapp_delete(vcd, alice, uuid, &task, &err));
	OK(vcd_task_wait(vcd, task, WAIT_MS, "delete", &err));
	vcd_vapp_release(&vapp);
	FAILS(vcd_vapp_get(vcd, VCD_SERVICE, uuid, &vapp, &err), ERR_GONE);
	FAILS(vcd_vapp_delete(vcd, alice, uuid, &task, &err), ERR_GONE);
	OK(vcd_undeploy(vcd, VCD_SERVICE, href, &task, &err));
}

/* Runs last: no call is missing in the table that operators and simulator rely on. */
static void test_every_call_names_its_right(void **state)
{
	CLEANUP(json_release)
	struct json_object *all = live_admin("GET", "/calls", "");
	struct json_object *calls = json_at(all, "log");
	size_t seen = 0;

	(void)state;
	assert_true(json_object_is_type(calls, json_type_array));
	for (size_t i = 0; i < json_object_array_length(calls); i++) {
		struct json_object *call = json_object_array_get_idx(calls, i);
		const char *method = json_str(call, "method", "");
		const char *path = json_str(call, "path", "");
		const char *user = json_str(call, "user", "");

		if (!str_starts(json_str(call, "agent", ""), "cse-worker/"))
			continue;
		seen++;
		if (!live_call_is_known(method, path, user))
			fail_msg("%s %s by %s is not in rights.def", method, path, user);
	}
	assert_true(seen > 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_caller_and_role, begin, end),
		cmocka_unit_test_setup_teardown(test_org_and_vdc, begin, end),
		cmocka_unit_test_setup_teardown(test_catalog, begin, end),
		cmocka_unit_test_setup_teardown(test_task_of_ours, begin, end),
		cmocka_unit_test_setup_teardown(test_entity, begin, end),
		cmocka_unit_test_setup_teardown(test_network_and_edge, begin, end),
		cmocka_unit_test_setup_teardown(test_nat, begin, end),
		cmocka_unit_test_setup_teardown(test_vapp, begin, end),
		cmocka_unit_test_setup_teardown(test_every_call_names_its_right, begin, end),
	};

	if (!live_start()) {
		puts("skipped: no simulator (run tests/vcd/live.sh)");
		return 77;
	}
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
