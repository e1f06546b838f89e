/* SPDX-License-Identifier: MIT */
#include "worker/plans/guest_report.h"

#include "common/base64.h"
#include "common/crypto.h"
#include "common/str.h"
#include "tests/unit/unit.h"
#include "worker/plans/node_data.h"

#define HEX_KEY "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

struct fixture {
	struct arena arena;
	struct secret key;
};

static int setup(void **state)
{
	static struct fixture fixture;

	fixture.key = secret_new(HEX_KEY, strlen(HEX_KEY));
	*state = &fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	secret_release(&fixture->key);
	arena_reset(&fixture->arena);
	return 0;
}

static const char *sign(struct fixture *fixture, const char *kind, const char *vm, const char *seq,
	const char *rest)
{
	const char *text = arena_printf(&fixture->arena, "%s|%s|%s|%s", kind, vm, seq, rest);
	char mac[CRYPTO_SHA256_HEX];
	char *words = arena_strdup(&fixture->arena, rest);

	crypto_hmac_hex(mac, &fixture->key, text, strlen(text));
	for (char *bar = strchr(words, '|'); bar; bar = strchr(bar, '|'))
		*bar = ' ';
	return arena_printf(&fixture->arena, "v1 %s %s %s", seq, words, mac);
}

static const char *sign_text(
	struct fixture *fixture, const char *kind, const char *vm, const char *text)
{
	return sign(fixture, kind, vm, "4", base64_encode(&fixture->arena, text, strlen(text)));
}

static const char *sign_sealed(
	struct fixture *fixture, const char *kind, const char *vm, const char *text)
{
	size_t len;
	unsigned char *sealed =
		crypto_seal(&fixture->arena, &fixture->key, text, strlen(text), &len);

	return sign(fixture, kind, vm, "4", base64_encode(&fixture->arena, sealed, len));
}

static struct guest_report read_phase(
	struct fixture *fixture, enum role role, const char *vm, const char *value)
{
	const struct guest_values values = {.phase = value};

	return guest_report_read(&fixture->arena, &fixture->key, vm, role, &values);
}

static void authentic_words_count(void **state)
{
	struct fixture *fixture = *state;
	const struct guest_values values = {
		.phase = sign(fixture, "phase", "mstr-1", "9", "publish|done"),
		.error = sign_text(fixture, "error", "mstr-1", "kubeadm\nfailed\x01"),
		.report = sign_text(fixture, "report", "mstr-1",
			"sans=IP:1.2.3.4,DNS:x\nnodes=mstr-1,node-2\nkubelet=v1.20.4\n"),
		.kubeconfig = sign_sealed(fixture, "kubeconfig", "mstr-1", "apiVersion: v1"),
	};
	struct guest_report report = guest_report_read(
		&fixture->arena, &fixture->key, "mstr-1", ROLE_CONTROL_PLANE, &values);

	assert_int_equal(report.phase, GUEST_PUBLISH);
	assert_int_equal(report.status, GUEST_DONE);
	assert_string_equal(report.error, "kubeadm failed?");
	assert_string_equal(report.evidence, "kubeadm\nfailed?");
	assert_string_equal(report.command, "");
	assert_true(report.has_report && report.has_kubeconfig);
	assert_string_equal(report.sans, "IP:1.2.3.4,DNS:x");
	assert_string_equal(report.kubelet, "v1.20.4");
	assert_true(guest_list_has(report.nodes, "node-2"));
	assert_false(guest_list_has(report.nodes, "node"));
	assert_false(guest_list_has(report.nodes, "node-22"));
	assert_true(guest_finished(&report, GUEST_INIT));
	assert_true(guest_finished(&report, GUEST_PUBLISH));
}

static void everything_else_is_silence(void **state)
{
	struct fixture *fixture = *state;
	const char *good = sign(fixture, "phase", "mstr-1", "9", "init|done");
	char *flipped = arena_strdup(&fixture->arena, good);
	char *huge = arena_alloc(&fixture->arena, 100001);
	const char *bad[] = {
		NULL,
		"",
		" ",
		"v1",
		"v1 ",
		"v1 9",
		"v1 9 init done",
		"v1 9 init done 00",
		"v2 9 init done x",
		sign(fixture, "phase", "mstr-2", "9", "init|done"), /* another node's words */
		sign(fixture, "error", "mstr-1", "9", "init|done"), /* said of something else */
		sign(fixture, "phase", "mstr-1", "0", "init|done"),
		sign(fixture, "phase", "mstr-1", "-1", "init|done"),
		sign(fixture, "phase", "mstr-1", "9x", "init|done"),
		sign(fixture, "phase", "mstr-1", "9", "init"),
		sign(fixture, "phase", "mstr-1", "9", "init|"),
		sign(fixture, "phase", "mstr-1", "9", "init|DONE"),
		sign(fixture, "phase", "mstr-1", "9", "ini|done"),
		sign(fixture, "phase", "mstr-1", "9", "|done"),
		sign(fixture, "phase", "mstr-1", "9",
			"join|done"), /* not a control plane's phase */
		flipped,
		huge,
		arena_printf(&fixture->arena, "%s x", good),
		arena_printf(&fixture->arena, " %s", good),
	};

	flipped[strlen(flipped) - 1] ^= 1;
	memset(huge, 'a', 100000);
	memcpy(huge, "v1 9 ", 5);
	assert_int_equal(read_phase(fixture, ROLE_CONTROL_PLANE, "mstr-1", good).phase, GUEST_INIT);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(read_phase(fixture, ROLE_CONTROL_PLANE, "mstr-1", bad[i]).phase,
			GUEST_NONE);
	assert_int_equal(read_phase(fixture, ROLE_WORKER, "mstr-1", good).phase, GUEST_NONE);
}

static void without_a_key_nothing_counts(void **state)
{
	struct fixture *fixture = *state;
	struct secret none = {0};
	const struct guest_values values = {
		.phase = sign(fixture, "phase", "node-1", "9", "join|done")};

	assert_int_equal(
		guest_report_read(&fixture->arena, &none, "node-1", ROLE_WORKER, &values).phase,
		GUEST_NONE);
	assert_int_equal(
		read_phase(fixture, ROLE_WORKER, "node-1", values.phase).phase, GUEST_JOIN);
}

/* As the bootstrap's trap writes them, innermost first; a secret in between goes no further. */
static void the_failing_command_is_told_apart(void **state)
{
	struct fixture *fixture = *state;
	const struct guest_values values = {
		.error = sign_text(fixture, "error", "n",
			"phase cni, exit code 1\npassword: hunter2\n"
			"cse: failed: kubectl apply -f x (exit code 1, line 9)\n"
			"cse: failed: phase_cni (exit code 1, line 99)\n"),
	};
	struct guest_report report =
		guest_report_read(&fixture->arena, &fixture->key, "n", ROLE_CONTROL_PLANE, &values);

	assert_string_equal(report.command, "kubectl apply -f x (exit code 1, line 9)");
	assert_non_null(strstr(report.evidence, "exit code 1\npassword: ***\n"));
}

static void texts_must_be_base64_without_nul(void **state)
{
	struct fixture *fixture = *state;
	const struct guest_values values = {
		.error = sign(fixture, "error", "n", "1", "***"),
		.report = sign(
			fixture, "report", "n", "1", base64_encode(&fixture->arena, "a\0b", 3)),
		.kubeconfig = sign(fixture, "kubeconfig", "n", "1", ""),
	};
	struct guest_report report =
		guest_report_read(&fixture->arena, &fixture->key, "n", ROLE_CONTROL_PLANE, &values);

	assert_string_equal(report.error, "");
	assert_false(report.has_report);
	assert_false(report.has_kubeconfig);
}

static void node_data_survives(void **state)
{
	struct fixture *fixture = *state;
	struct arena *arena = &fixture->arena;
	const struct node_data in = {.role = ROLE_WORKER,
		.name = "node-1",
		.ip = "10.0.0.2",
		.cluster = "urn:1",
		.endpoint = "10.0.0.1:6443",
		.external = "",
		.ca_hash = "sha256:ab",
		.kubernetes = "1.20.4-vmware.1",
		.ssh_key = "ssh-rsa AAAA x\n",
		.token_ttl_s = 7200,
		.deadline_s = 3600,
		.workers = 3};
	struct node_data out;
	const char *value = node_data_encode(arena, &in);
	size_t len;
	char *text = base64_decode(arena, value, &len);

	assert_true(str_starts(text, "version MQ==\nrole d29ya2Vy\n"));
	assert_true(node_data_decode(&out, arena, value));
	assert_string_equal(value, node_data_encode(arena, &out));
	assert_string_equal(out.ssh_key, in.ssh_key);
	assert_int_equal(out.workers, 3);
	/* Each line is needed. */
	for (char *line = text; *line; line = strchr(line, '\n') + 1) {
		const char *rest = strchr(line, '\n') + 1;
		const char *cut = arena_printf(arena, "%.*s%s", (int)(line - text), text, rest);

		if (str_starts(line, "pod_cidr") || str_starts(line, "service_cidr"))
			continue; /* only the guests read these */
		assert_false(node_data_decode(&out, arena, base64_encode(arena, cut, strlen(cut))));
	}
	assert_false(node_data_decode(&out, arena, "no base64"));
}

static void secrets_survive_and_differ(void **state)
{
	struct fixture *fixture = *state;
	struct node_secret one, two, read;
	struct secret value;
	const char *ca_pem, *other_pem;
	struct error err;

	assert_int_equal(node_secret_make(&one, &fixture->arena, &ca_pem, &err), 0);
	assert_int_equal(node_secret_make(&two, &fixture->arena, &other_pem, &err), 0);
	assert_string_not_equal(ca_pem, other_pem);
	assert_false(secret_equal(&one.token, &two.token));
	assert_false(secret_equal(&one.key, &two.key));
	assert_int_equal(strlen(secret_reveal(&one.token)), 23);
	assert_int_equal(secret_reveal(&one.token)[6], '.');
	assert_int_equal(strlen(secret_reveal(&one.key)), 64);
	value = node_secret_encode(&one);
	assert_true(node_secret_decode(&read, secret_reveal(&value)));
	assert_true(secret_equal(&read.ca_key, &one.ca_key));
	assert_true(secret_equal(&read.token, &one.token));
	assert_true(secret_equal(&read.key, &one.key));
	node_secret_release(&read);
	secret_release(&value);
	secret_release(&one.ca_key); /* as a worker gets it */
	value = node_secret_encode(&one);
	assert_true(node_secret_decode(&read, secret_reveal(&value)));
	assert_true(secret_empty(&read.ca_key));
	node_secret_release(&read);
	assert_false(node_secret_decode(&read, "x"));
	assert_false(node_secret_decode(&read, NULL));
	secret_release(&value);
	node_secret_release(&one);
	node_secret_release(&two);
}

/* The key may have been replaced since: then these words are all that tells. */
static void a_node_that_is_made_is_known_without_a_key(void **state)
{
	static const struct {
		enum role role;
		const char *value;
		bool made;
	} cases[] = {
		{ROLE_CONTROL_PLANE, "v1 9 init done x", true},
		{ROLE_CONTROL_PLANE, "v1 9 publish running x", true},
		{ROLE_CONTROL_PLANE, "v1 9 init running x", false},
		{ROLE_CONTROL_PLANE, "v1 9 images done x", false},
		{ROLE_WORKER, "v1 9 join done x", true},
		{ROLE_WORKER, "v1 9 join running x", false},
		{ROLE_WORKER, "v1 9 init done x", false},
		{ROLE_CONTROL_PLANE, "v1 9", false},
		{ROLE_CONTROL_PLANE, "v1 9 ", false},
		{ROLE_CONTROL_PLANE, "v1 9 init", false},
		{ROLE_CONTROL_PLANE, "", false},
		{ROLE_CONTROL_PLANE, NULL, false},
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct guest_report report =
			read_phase(fixture, cases[i].role, "mstr-1", cases[i].value);

		assert_int_equal(report.says_made, cases[i].made);
		assert_int_equal(report.phase, GUEST_NONE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(authentic_words_count, setup, teardown),
		cmocka_unit_test_setup_teardown(everything_else_is_silence, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_node_that_is_made_is_known_without_a_key, setup, teardown),
		cmocka_unit_test_setup_teardown(without_a_key_nothing_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(the_failing_command_is_told_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(texts_must_be_base64_without_nul, setup, teardown),
		cmocka_unit_test_setup_teardown(node_data_survives, setup, teardown),
		cmocka_unit_test_setup_teardown(secrets_survive_and_differ, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
