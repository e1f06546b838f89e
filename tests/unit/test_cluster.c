/* SPDX-License-Identifier: MIT */
/* Which clusters are accepted as input, and what is stored of them. */
#include "common/json.h"
#include "common/str.h"
#include "worker/cluster.h"

#include "tests/unit/unit.h"

static const char full_body[] =
	"{\"metadata\":{\"cluster_name\":\"lab7\",\"org_name\":\"tenant-a\","
	"\"ovdc_name\":\"vdc-a\"},"
	"\"spec\":{\"control_plane\":{\"sizing_class\":null,\"storage_profile\":\"gold\","
	"\"count\":1},"
	"\"workers\":{\"sizing_class\":\"large\",\"storage_profile\":null,\"count\":2},"
	"\"nfs\":{\"sizing_class\":null,\"storage_profile\":null,\"count\":0},"
	"\"k8_distribution\":{\"template_name\":\"T\",\"template_revision\":1},"
	"\"settings\":{\"network\":\"net\",\"ssh_key\":null,\"rollback_on_failure\":true},"
	"\"expose\":true},"
	"\"status\":{\"phase\":null,\"cni\":null,\"task_href\":null,\"kubernetes\":null,"
	"\"docker_version\":null,\"os\":null,\"nodes\":null,\"exposed\":false},"
	"\"kind\":\"TKGm\",\"api_version\":\"35.0\"}";

static struct json_object *body_new(void)
{
	struct error err = {0};
	struct json_object *body = json_parse(full_body, strlen(full_body), 16, &err);

	assert_non_null(body);
	return body;
}

static struct json_object *value_of(const char *text)
{
	return json_tokener_parse(text);
}

static void a_full_body_is_read(void **state)
{
	CLEANUP(arena_reset)
	struct arena arena = {0};
	CLEANUP(json_release)
	struct json_object *body = body_new();
	struct cluster_spec spec;
	struct error err = {0};

	(void)state;
	assert_int_equal(cluster_spec_read(&spec, &arena, body, &err), 0);
	assert_string_equal(spec.name, "lab7");
	assert_string_equal(spec.org, "tenant-a");
	assert_string_equal(spec.vdc, "vdc-a");
	assert_string_equal(spec.control_plane_storage, "gold");
	assert_null(spec.control_plane_sizing);
	assert_string_equal(spec.worker_sizing, "large");
	assert_int_equal(spec.workers, 2);
	assert_int_equal(spec.nfs, 0);
	assert_string_equal(spec.template, "T");
	assert_int_equal(spec.revision, 1);
	assert_null(spec.ssh_key);
	assert_true(spec.rollback);
	assert_true(spec.expose);
}

static void what_is_left_out_has_a_default(void **state)
{
	static const char text[] =
		"{\"metadata\":{\"cluster_name\":\"a\",\"org_name\":\"o\",\"ovdc_name\":\"v\"},"
		"\"spec\":{\"k8_distribution\":{\"template_name\":\"\","
		"\"template_revision\":0},\"settings\":{\"network\":\"n\"}},\"kind\":\"native\"}";
	CLEANUP(arena_reset)
	struct arena arena = {0};
	CLEANUP(json_release)
	struct json_object *body = value_of(text);
	struct cluster_spec spec;
	struct error err = {0};

	(void)state;
	assert_int_equal(cluster_spec_read(&spec, &arena, body, &err), 0);
	assert_int_equal(spec.control_planes, 1);
	assert_int_equal(spec.workers, 1);
	assert_int_equal(spec.nfs, 0);
	assert_true(spec.rollback);
	assert_false(spec.expose);
	assert_null(spec.template);
	assert_int_equal(spec.revision, 0);
	assert_string_equal(spec.api_version, "");
}

static void keys_and_names_may_be_odd_but_legal(void **state)
{
	static const struct {
		const char *path, *value;
	} good[] = {
		{"metadata.cluster_name", "\"A\""},
		{"metadata.cluster_name", "\"a123456789-123456789-1234\""},
		{"metadata.ovdc_name", "\"my 'own' vdc; (1)\""},
		{"spec.settings.ssh_key", "\"ssh-rsa AAAA \\\"x\\\" 'y'\\nssh-rsa BBBB\\n\""},
		{"spec.workers.count", "0"},
		{"spec.workers.count", "100"},
		{"spec.workers", "null"},
		{"spec.settings.rollback_on_failure", "null"},
		{"status", "null"},
		{"status.nodes", "{\"workers\":[],\"nfs\":[],\"control_plane\":null}"},
		{"api_version", "null"},
		{"kind", "\"TKG+\""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		CLEANUP(arena_reset)
		struct arena arena = {0};
		CLEANUP(json_release)
		struct json_object *body = body_new();
		struct cluster_spec spec;
		struct error err = {0};

		json_set(body, good[i].path, value_of(good[i].value));
		if (cluster_spec_read(&spec, &arena, body, &err))
			fail_msg("%s = %s: %s", good[i].path, good[i].value, err.msg);
	}
}

static const struct {
	const char *path, *value, *expected;
} bad[] = {
	{"metadata.cluster_name", "\"a234567890123456789012345x\"", "'a234567890123456789012345x'"},
	{"metadata.cluster_name", "\"o'brien\"", "'o'brien'"},
	{"metadata.cluster_name", "\"a\\\"b\"", "'a\"b'"},
	{"metadata.cluster_name", "\"1abc\"", "'1abc'"},
	{"metadata.cluster_name", "\"\"", "metadata.cluster_name must be a name, not \"\""},
	{"metadata.cluster_name", "\"a\\u0000b\"", "metadata.cluster_name"},
	{"metadata.cluster_name", "123", "must be a string, not 123"},
	{"metadata.cluster_name", "null", "metadata.cluster_name is missing"},
	{"metadata.org_name", "true", "metadata.org_name must be a string, not true"},
	{"metadata.ovdc_name", "\"a\\nb\"", "metadata.ovdc_name"},
	{"metadata.extra", "1", "unknown key 'metadata.extra'"},
	{"metadata", "[]", "metadata must be an object, not []"},
	{"spec.workers.count", "-1",
		"spec.workers.count must be a whole number from 0 to "
		"100, not -1"},
	{"spec.workers.count", "101", "not 101"},
	{"spec.workers.count", "1.0", "not 1.0"},
	{"spec.workers.count", "\"2\"", "not \"2\""},
	{"spec.workers.count", "true", "not true"},
	{"spec.workers.count", "99999999999999999999", "spec.workers.count"},
	{"spec.control_plane.count", "2", "spec.control_plane.count must be 1, not 2"},
	{"spec.control_plane.count", "0", "not 0"},
	{"spec.nfs.count", "-3", "not -3"},
	{"spec.workers.colour", "\"red\"", "unknown key 'spec.workers.colour'"},
	{"spec.workers", "[1]", "spec.workers must be an object, not [1]"},
	{"spec.expose", "\"yes\"", "spec.expose must be true or false, not \"yes\""},
	{"spec.expose", "1", "not 1"},
	{"spec.settings.network", "5", "spec.settings.network must be a string, not 5"},
	{"spec.settings.network", "null", "spec.settings.network is missing"},
	{"spec.settings.rollback_on_failure", "\"no\"", "not \"no\""},
	{"spec.settings.ssh_key", "[\"k\"]", "spec.settings.ssh_key must be a string"},
	{"spec.settings", "null", "spec.settings is missing"},
	{"spec.k8_distribution", "null", "spec.k8_distribution is missing"},
	{"spec.k8_distribution.template_name", "1.2", "not 1.2"},
	{"spec.k8_distribution.template_name", "null", "template_name '', template_revision 1"},
	{"spec.k8_distribution.template_revision", "null",
		"template_name 'T', template_revision 0"},
	{"spec.k8_distribution.template_revision", "\"1\"", "not \"1\""},
	{"spec.k8_distribution.template_revision", "1.5", "not 1.5"},
	{"spec", "null", "spec is missing"},
	{"status.secret", "1", "unknown key 'status.secret'"},
	{"status", "7", "status must be an object, not 7"},
	{"kind", "\"k8s\"", "not 'k8s'"},
	{"kind", "null", "kind is missing"},
	{"apiVersion", "\"35.0\"", "unknown key 'apiVersion'"},
	{"api_version", "35.0", "api_version must be a string, not 35.0"},
};

static void bad_input_is_refused_with_path_and_value(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CLEANUP(arena_reset)
		struct arena arena = {0};
		CLEANUP(json_release)
		struct json_object *body = body_new();
		struct cluster_spec spec;
		struct error err = {0};

		json_set(body, bad[i].path, value_of(bad[i].value));
		if (cluster_spec_read(&spec, &arena, body, &err) == 0)
			fail_msg("%s = %s was accepted", bad[i].path, bad[i].value);
		assert_int_equal(err.code, ERR_INVALID);
		if (!strstr(err.msg, bad[i].expected))
			fail_msg("%s = %s: '%s' lacks '%s'", bad[i].path, bad[i].value, err.msg,
				bad[i].expected);
	}
}

static void required_keys_must_be_there(void **state)
{
	static const char *const required[] = {"metadata", "metadata.cluster_name",
		"metadata.org_name", "metadata.ovdc_name", "spec", "spec.settings",
		"spec.settings.network", "spec.k8_distribution",
		"spec.k8_distribution.template_name", "spec.k8_distribution.template_revision",
		"kind"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(required); i++) {
		CLEANUP(arena_reset)
		struct arena arena = {0};
		CLEANUP(json_release)
		struct json_object *body = body_new();
		struct cluster_spec spec;
		struct error err = {0};

		json_remove(body, required[i]);
		assert_int_equal(cluster_spec_read(&spec, &arena, body, &err), -1);
		assert_true(str_starts(err.msg, required[i]));
		assert_non_null(strstr(err.msg, " is missing"));
	}
}

static void a_key_with_a_dot_is_no_path(void **state)
{
	CLEANUP(arena_reset)
	struct arena arena = {0};
	CLEANUP(json_release)
	struct json_object *body = body_new();
	struct cluster_spec spec;
	struct error err = {0};

	(void)state;
	json_object_object_add(body, "spec.expose", json_object_new_boolean(1));
	assert_int_equal(cluster_spec_read(&spec, &arena, body, &err), -1);
	assert_string_equal(err.msg, "unknown key 'spec.expose'");
}

static const struct cluster_template template_full = {
	.name = "T",
	.revision = 3,
	.kind = "TKGm",
	.os = "ubuntu-20.04",
	.docker_version = "19.03.15",
	.kubernetes = "TKGm",
	.kubernetes_version = "1.20.4-vmware.1",
	.cni = "antrea",
	.cni_version = "0.11.3-vmware.2",
};

static void fail_on_null(struct json_object *object)
{
	if (json_object_is_type(object, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(object); i++)
			fail_on_null(json_object_array_get_idx(object, i));
		return;
	}
	assert_non_null(object);
	if (!json_object_is_type(object, json_type_object))
		return;
	json_object_object_foreach(object, key, member)
	{
		if (!member)
			fail_msg("%s is null", key);
		fail_on_null(member);
	}
}

static void an_entity_has_no_null_and_reads_back(void **state)
{
	CLEANUP(arena_reset)
	struct arena arena = {0};
	CLEANUP(json_release)
	struct json_object *body = body_new(), *entity = NULL;
	struct cluster_spec spec, again;
	struct error err = {0};

	(void)state;
	assert_int_equal(cluster_spec_read(&spec, &arena, body, &err), 0);
	entity = cluster_entity_new(&spec, &template_full, "https://vcd/api/task/1");
	fail_on_null(entity);
	/* The reader refuses every key that clients do not know. */
	assert_int_equal(cluster_spec_read(&again, &arena, entity, &err), 0);
	assert_true(cluster_drop_unknown(entity));
	assert_int_equal(again.revision, 3);
	assert_int_equal(again.workers, 2);
	assert_true(again.expose);
	assert_string_equal(json_str(entity, "status.phase", ""), "CREATE:IN_PROGRESS");
	assert_string_equal(json_str(entity, "status.kubernetes", ""), "TKGm 1.20.4-vmware.1");
	assert_string_equal(json_str(entity, "status.cni", ""), "antrea 0.11.3-vmware.2");
	assert_string_equal(json_str(entity, "status.task_href", ""), "https://vcd/api/task/1");
	assert_false(json_flag(entity, "status.exposed", true));
	assert_string_equal(json_str(entity, "status.nodes.control_plane.name", "?"), "");
	assert_string_equal(json_str(entity, "status.nodes.control_plane.ip", "?"), "");
	assert_true(json_object_is_type(json_at(entity, "status.nodes.workers"), json_type_array));
	assert_true(json_object_is_type(json_at(entity, "status.nodes.nfs"), json_type_array));
	assert_null(json_at(entity, "spec.workers.storage_profile"));
	assert_null(json_at(entity, "spec.settings.ssh_key"));
}

static void keys_of_others_are_dropped(void **state)
{
	CLEANUP(json_release)
	struct json_object *entity =
		value_of("{\"kind\":\"native\",\"odd\":1,\"spec\":{\"expose\":true,\"more\":{}},"
			 "\"status\":{\"private\":{\"x\":1},\"os\":\"u\"},\"spec.kind\":2}");

	(void)state;
	assert_false(cluster_drop_unknown(entity));
	assert_string_equal(json_object_to_json_string_ext(entity, JSON_C_TO_STRING_PLAIN),
		"{\"kind\":\"native\",\"spec\":{\"expose\":true},\"status\":{\"os\":\"u\"}}");
	assert_true(cluster_drop_unknown(entity));
}

static void a_change_touches_only_what_it_names(void **state)
{
	CLEANUP(json_release)
	struct json_object *document = value_of(
		"{\"id\":\"urn\",\"externalId\":\"old\",\"entity\":{\"spec\":{\"expose\":true,"
		"\"workers\":{\"count\":3,\"sizing_class\":null}},\"status\":{\"phase\":\"A:B\","
		"\"exposed\":true,\"os\":null}}}");
	const struct cluster_change nothing = {.exposed = -1, .expose = -1, .workers = -1};
	const struct cluster_change some = {.phase = "UPDATE:IN_PROGRESS",
		.task_href = "t",
		.external_id = "new",
		.exposed = 0,
		.expose = 0,
		.workers = 5};
	const struct cluster_node node = {.name = "mstr-1", .ip = "1.2.3.4"};

	(void)state;
	cluster_apply(document, &nothing);
	fail_on_null(document);
	assert_string_equal(json_str(document, "externalId", ""), "old");
	assert_string_equal(json_str(document, "entity.status.phase", ""), "A:B");
	assert_int_equal(json_int(document, "entity.spec.workers.count", 0), 3);
	assert_true(json_flag(document, "entity.spec.expose", false));
	cluster_apply(document, &some);
	assert_string_equal(json_str(document, "entity.status.phase", ""), "UPDATE:IN_PROGRESS");
	assert_false(cluster_is_made_for(document, "t", "u1"));
	json_set_str(document, "owner.id", "urn:vcloud:user:u1");
	assert_true(cluster_is_made_for(document, "t", "u1"));
	assert_false(cluster_is_made_for(document, "t", "u2"));
	assert_false(cluster_is_made_for(document, "t2", "u1"));
	assert_string_equal(json_str(document, "externalId", ""), "new");
	assert_string_equal(json_str(document, "entity.status.task_href", ""), "t");
	assert_false(json_flag(document, "entity.spec.expose", true));
	assert_false(json_flag(document, "entity.status.exposed", true));
	assert_int_equal(json_int(document, "entity.spec.workers.count", 0), 5);
	cluster_set_nodes(document, &node, &node, 1);
	assert_string_equal(
		json_str(document, "entity.status.nodes.control_plane.ip", ""), "1.2.3.4");
	assert_int_equal(
		json_object_array_length(json_at(document, "entity.status.nodes.workers")), 1);
	assert_null(json_at(document, "entity.status.nodes.control_plane.sizing_class"));
}

/* Whatever the owner wrote: readers and VCD get what they need, and nothing else. */
static void what_others_wrote_is_made_whole(void **state)
{
	static const struct cluster_change nothing = {.exposed = -1, .expose = -1, .workers = -1};
	static const char *const written[] = {
		"{\"name\":\"tkg1\",\"org\":{\"name\":\"tenant1\"}}",
		"{\"entity\":null}",
		"{\"entity\":{\"kind\":7,\"spec\":\"x\",\"metadata\":[],\"status\":{\"nodes\":null}"
		"}}",
		"{\"entity\":{\"a b\":1,\"\":2,\"status\":{\"nodes\":{\"control_plane\":null,"
		"\"workers\":[null,7,{\"name\":null,\"colour\":\"red\"},{\"name\":\"n\",\"ip\":"
		"\"1\"}],"
		"\"nfs\":{}},\"stat\":1},\"spec\":{\"settings\":{\"network\":\"n\",\"x\":1}}}}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(written); i++) {
		struct error err;
		CLEANUP(json_release)
		struct json_object *document = json_parse(written[i], strlen(written[i]), 16, &err);

		cluster_apply(document, &nothing);
		fail_on_null(json_at(document, "entity"));
		assert_string_equal(json_str(document, "entity.kind", ""), "TKGm");
		assert_non_null(json_str(document, "entity.spec.settings.network", NULL));
		assert_non_null(json_str(document, "entity.metadata.cluster_name", NULL));
		assert_string_equal(
			json_str(document, "entity.status.nodes.control_plane.name", "-"), "");
		struct json_object *workers = json_at(document, "entity.status.nodes.workers");

		assert_int_equal(json_object_array_length(workers), i == 3 ? 2 : 0);
		assert_true(json_object_is_type(
			json_at(document, "entity.status.nodes.nfs"), json_type_array));
		const char *text = json_object_to_json_string(json_at(document, "entity"));

		assert_null(strstr(text, "colour"));
		assert_null(strstr(text, "\"x\""));
		assert_null(strstr(text, "stat\""));
		assert_null(strstr(text, "\"a b\""));
		assert_null(strstr(text, "\"\":"));
		assert_string_equal(json_str(document, "entity.metadata.cluster_name", "-"),
			i == 0 ? "tkg1" : "");
	}
}

static void only_counts_and_expose_may_differ(void **state)
{
	static const struct {
		const char *path, *value, *expected;
	} rows[] = {
		{"spec.workers.count", "7", NULL},
		{"spec.nfs.count", "1", NULL},
		{"spec.expose", "false", NULL},
		{"metadata.ovdc_name", "\"other\"", NULL},
		{"kind", "\"native\"", NULL},
		{"spec.k8_distribution", "{\"template_name\":null,\"template_revision\":null}",
			NULL},
		{"spec.settings.network", "\"x\"",
			"Invalid input values found in ['settings.network']"},
		{"spec.settings.ssh_key", "\"k\"", "['settings.ssh_key']"},
		{"spec.settings.rollback_on_failure", "false", "['settings.rollback_on_failure']"},
		{"spec.k8_distribution.template_revision", "2",
			"['k8_distribution.template_revision']"},
		{"spec.workers", "{\"count\":2}", "['workers.sizing_class']"},
		{"spec.control_plane", "{\"storage_profile\":\"x\",\"sizing_class\":\"y\"}",
			"['control_plane.sizing_class', 'control_plane.storage_profile']"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(arena_reset)
		struct arena arena = {0};
		CLEANUP(json_release)
		struct json_object *a = body_new(), *b = body_new();
		struct cluster_spec stored, wanted;
		struct error err = {0};
		int differs;

		json_set(b, rows[i].path, value_of(rows[i].value));
		assert_int_equal(cluster_spec_read(&stored, &arena, a, &err), 0);
		assert_int_equal(cluster_spec_read(&wanted, &arena, b, &err), 0);
		differs = cluster_spec_compare(&stored, &wanted, &arena, &err);
		assert_int_equal(differs, rows[i].expected ? -1 : 0);
		if (rows[i].expected && !strstr(err.msg, rows[i].expected))
			fail_msg("'%s' lacks %s", err.msg, rows[i].expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_body_is_read),
		cmocka_unit_test(what_is_left_out_has_a_default),
		cmocka_unit_test(keys_and_names_may_be_odd_but_legal),
		cmocka_unit_test(bad_input_is_refused_with_path_and_value),
		cmocka_unit_test(required_keys_must_be_there),
		cmocka_unit_test(a_key_with_a_dot_is_no_path),
		cmocka_unit_test(an_entity_has_no_null_and_reads_back),
		cmocka_unit_test(keys_of_others_are_dropped),
		cmocka_unit_test(a_change_touches_only_what_it_names),
		cmocka_unit_test(what_others_wrote_is_made_whole),
		cmocka_unit_test(only_counts_and_expose_may_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
