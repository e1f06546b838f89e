/* SPDX-License-Identifier: MIT */
/* A guest's kubeconfig is hostile: only authentic, well-formed credentials come through. */
#include "common/base64.h"
#include "common/crypto.h"
#include "common/str.h"
#include "worker/kubeconfig.h"

#include "tests/unit/unit.h"

static const char cert_pem[] =
	"-----BEGIN CERTIFICATE-----\nQUJD\nREVG\n-----END CERTIFICATE-----\n";
static const char key_pem[] =
	"-----BEGIN RSA PRIVATE KEY-----\nS0VZ\n-----END RSA PRIVATE KEY-----\n";
static const char mac_key[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

static char *b64(struct arena *arena, const char *text)
{
	return base64_encode(arena, text, strlen(text));
}

/* admin.conf as kubeadm writes it, with three values to spoil. */
static char *admin_conf(
	struct arena *arena, const char *ca, const char *certificate, const char *key)
{
	return arena_printf(arena,
		"apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: %s\n"
		"    server: https://evil.example:1\n  name: kubernetes\ncontexts:\n- context:\n"
		"    cluster: kubernetes\n    user: kubernetes-admin\n  name: k\n"
		"current-context: k\nkind: Config\npreferences: {}\nusers:\n"
		"- name: kubernetes-admin\n  user:\n    client-certificate-data: %s\n"
		"    client-key-data: %s\n    exec:\n      command: rm\n",
		ca, certificate, key);
}

static void a_fresh_file_is_built_from_three_fields(void **state)
{
	CLEANUP(arena_reset)
	struct arena arena = {0};
	const char *ca = b64(&arena, cert_pem), *key = b64(&arena, key_pem);
	char *text = admin_conf(&arena, ca, ca, key), *file;
	struct kubeconfig fields;
	struct error err = {0};

	(void)state;
	assert_int_equal(kubeconfig_read(&fields, &arena, text, strlen(text), &err), 0);
	assert_string_equal(fields.ca, ca);
	assert_string_equal(fields.key, key);
	file = kubeconfig_write(&arena, &fields, "lab7", "203.0.113.7");
	assert_non_null(strstr(file, "server: https://203.0.113.7:6443\n"));
	assert_non_null(strstr(file, "current-context: lab7-admin@lab7\n"));
	assert_non_null(strstr(file, key));
	assert_null(strstr(file, "evil"));
	assert_null(strstr(file, "exec"));
	/* And it is itself a kubeconfig. */
	assert_int_equal(kubeconfig_read(&fields, &arena, file, strlen(file), &err), 0);
}

static void a_chain_of_certificates_passes(void **state)
{
	CLEANUP(arena_reset)
	struct arena arena = {0};
	const char *chain = arena_printf(&arena, "%s%s", cert_pem, cert_pem);
	char *text =
		admin_conf(&arena, b64(&arena, chain), b64(&arena, chain), b64(&arena, key_pem));
	struct kubeconfig fields;
	struct error err = {0};

	(void)state;
	assert_int_equal(kubeconfig_read(&fields, &arena, text, strlen(text), &err), 0);
}

static void hostile_fields_are_refused(void **state)
{
	static const char *const bad_certificates[] = {"", "hello", key_pem,
		"-----BEGIN CERTIFICATE-----\nQUJD\n",
		"-----BEGIN CERTIFICATE-----\nQU$JD\n-----END CERTIFICATE-----\n",
		"-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\nmore\n",
		"-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n"
		"-----BEGIN RSA PRIVATE KEY-----\nS0VZ\n-----END RSA PRIVATE KEY-----\n",
		"x-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad_certificates); i++) {
		CLEANUP(arena_reset)
		struct arena arena = {0};
		const char *good = b64(&arena, cert_pem), *key = b64(&arena, key_pem);
		const char *bad = b64(&arena, bad_certificates[i]);
		char *files[] = {admin_conf(&arena, bad, good, key),
			admin_conf(&arena, good, bad, key),
			admin_conf(&arena, good, good,
				str_eq(bad_certificates[i], key_pem) ? good : bad)};
		struct kubeconfig fields;
		struct error err = {0};

		for (size_t j = 0; j < ARRAY_LEN(files); j++) {
			if (kubeconfig_read(&fields, &arena, files[j], strlen(files[j]), &err) == 0)
				fail_msg("certificate %zu, place %zu was accepted", i, j);
			assert_int_equal(err.code, ERR_INVALID);
		}
	}
}

static void text_that_is_no_kubeconfig_is_refused(void **state)
{
	static const char *const bad[] = {"", "x", "{", "- a\n- b\n", "clusters: 7\nusers: 8\n",
		"clusters: &a\n- *a\n", "apiVersion: v1\n",
		"clusters:\n- cluster:\n    certificate-authority-data: !!binary QUJD\n"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CLEANUP(arena_reset)
		struct arena arena = {0};
		struct kubeconfig fields;
		struct error err = {0};

		assert_int_equal(
			kubeconfig_read(&fields, &arena, bad[i], strlen(bad[i]), &err), -1);
	}
}

static void base64_must_be_strict(void **state)
{
	CLEANUP(arena_reset)
	struct arena arena = {0};
	const char *good = b64(&arena, cert_pem), *key = b64(&arena, key_pem);
	const char *const bad[] = {arena_printf(&arena, "%s=", good),
		arena_printf(&arena, "\"%s\\n  server: x\"", good),
		arena_strndup(&arena, good, strlen(good) - 1)};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char *text = admin_conf(&arena, bad[i], good, key);
		struct kubeconfig fields;
		struct error err = {0};

		assert_int_equal(kubeconfig_read(&fields, &arena, text, strlen(text), &err), -1);
	}
}

static char *sealed(struct arena *arena, const char *key, const char *text)
{
	struct secret secret = secret_new(key, strlen(key));
	size_t len;
	unsigned char *bytes = crypto_seal(arena, &secret, text, strlen(text), &len);

	secret_release(&secret);
	return base64_encode(arena, bytes, len);
}

/* The message as the bootstrap makes it. */
static char *message_of(struct arena *arena, const char *vm, const char *seq, const char *body)
{
	struct secret key = secret_new(mac_key, strlen(mac_key));
	char *text = arena_printf(arena, "kubeconfig|%s|%s|%s", vm, seq, body);
	char mac[CRYPTO_SHA256_HEX];

	crypto_hmac_hex(mac, &key, text, strlen(text));
	secret_release(&key);
	return arena_printf(arena, "v1 %s %s %s", seq, body, mac);
}

static int open_message(struct arena *arena, const char *message, char **text, struct error *err)
{
	struct secret key = secret_new(mac_key, strlen(mac_key));
	size_t len;
	int failed = kubeconfig_open(text, &len, arena, &key, "mstr-ab12", message, err);

	secret_release(&key);
	return failed;
}

static void only_the_control_plane_itself_is_believed(void **state)
{
	CLEANUP(arena_reset)
	struct arena arena = {0};
	const char *body = sealed(&arena, mac_key, "hello");
	char *good = message_of(&arena, "mstr-ab12", "7", body), *text = NULL;
	char *cut = arena_strdup(&arena, good), *changed = arena_strdup(&arena, good);
	const char *const bad[] = {"", "v1", "v1 7", arena_printf(&arena, "v1 7 %s", body),
		message_of(&arena, "node-ab12", "7", body), arena_printf(&arena, "v2%s", good + 2),
		arena_printf(&arena, "v1 8%s", good + 4), arena_printf(&arena, "%s x", good), cut,
		changed, message_of(&arena, "mstr-ab12", "-1", body),
		message_of(&arena, "mstr-ab12", "7", "not*base64"),
		message_of(&arena, "mstr-ab12", "7", b64(&arena, "hello")),
		message_of(&arena, "mstr-ab12", "7", b64(&arena, "Salted__12345678")),
		message_of(&arena, "mstr-ab12", "7", sealed(&arena, "00", "hello"))};
	struct error err = {0};

	(void)state;
	cut[strlen(cut) - 1] = '\0';
	changed[5] = changed[5] == 'A' ? 'B' : 'A';
	assert_int_equal(open_message(&arena, good, &text, &err), 0);
	assert_string_equal(text, "hello");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (open_message(&arena, bad[i], &text, &err) == 0)
			fail_msg("message %zu was believed", i);
		assert_int_equal(err.code, ERR_INVALID);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fresh_file_is_built_from_three_fields),
		cmocka_unit_test(a_chain_of_certificates_passes),
		cmocka_unit_test(hostile_fields_are_refused),
		cmocka_unit_test(text_that_is_no_kubeconfig_is_refused),
		cmocka_unit_test(base64_must_be_strict),
		cmocka_unit_test(only_the_control_plane_itself_is_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
