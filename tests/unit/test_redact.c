/* SPDX-License-Identifier: MIT */
#include "common/redact.h"

#include "common/str.h"
#include "tests/unit/unit.h"

/* Line breaks as logs bring them, and what a reader needs around the secret. */
static const struct {
	const char *text, *expected;
} rows[] = {
	{"", ""},
	{"VM mstr-ab12: VCD answered 400 BUSY_ENTITY: the vApp is busy",
		"VM mstr-ab12: VCD answered 400 BUSY_ENTITY: the vApp is busy"},
	{"kubeadm join 10.0.0.1:6443 --token abcdef.0123456789abcdef --x",
		"kubeadm join 10.0.0.1:6443 --token *** --x"},
	{"token: \"abcdef.0123456789abcdef\"\nnext", "token: \"***\"\nnext"},
	{"Authorization: Basic YWxpY2U6cGFzcw==\r\nHost: x", "Authorization: ***\r\nHost: x"},
	{"curl -H 'X-VMWARE-VCLOUD-ACCESS-TOKEN: a1b2c3'",
		"curl -H 'X-VMWARE-VCLOUD-ACCESS-TOKEN: ***'"},
	{"sent Bearer eyJh.b.c-d_eeeeeee now", "sent Bearer *** now"},
	{"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln", "***"},
	{"{\"password\":\"p w\",\"user\":\"u\"}", "{\"password\":\"***\",\"user\":\"u\"}"},
	{"my_password=hunter2 user=u", "my_password=*** user=u"},
	{"    client-key-data: LS0tLS1CRUdJ\n    x", "    client-key-data: ***\n    x"},
	{"certificate-authority-data: QUJD", "certificate-authority-data: ***"},
	{"a\n-----BEGIN RSA PRIVATE KEY-----\nQUJD\n-----END RSA PRIVATE KEY-----\nb", "a\n***\nb"},
	{"cut -----BEGIN CERTIFICATE-----\nQUJD", "cut ***"},
	{"key 00ff102030405060708090a0b0c0d0e0f0112233445566778899aabbccddeeff.", "key ***."},
	{"data LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUM1 end", "data *** end"},
	/* Names without a value, ids and paths stay. */
	{"the token \"abcdef\" was not found", "the token \"abcdef\" was not found"},
	{"task 0d5c1c3e-5b7a-4d0e-9b1f-0123456789ab failed",
		"task 0d5c1c3e-5b7a-4d0e-9b1f-0123456789ab failed"},
	{"urn:vcloud:entity:cse:nativeCluster:1.0.0:0d5c1c3e-5b7a-4d0e-9b1f-0123456789ab",
		"urn:vcloud:entity:cse:nativeCluster:1.0.0:0d5c1c3e-5b7a-4d0e-9b1f-0123456789ab"},
	{"/etc/kubernetes/manifests/kube-apiserver.yaml already exists",
		"/etc/kubernetes/manifests/kube-apiserver.yaml already exists"},
	{"projects.registry.vmware.com/tkg/antrea/antrea-debian:v0.11.3_vmware.2",
		"projects.registry.vmware.com/tkg/antrea/antrea-debian:v0.11.3_vmware.2"},
};

static void secrets_go_and_the_rest_stays(void **state)
{
	CLEANUP(arena_reset)
	struct arena arena = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(redact(&arena, rows[i].text), rows[i].expected);
	assert_string_equal(redact(&arena, NULL), "");
}

/* Wherever a secret stands in a text. */
static void a_secret_is_found_at_any_place(void **state)
{
	static const char token[] = "abcdef.0123456789abcdef", text[] = "join now: kubeadm, please";

	(void)state;
	for (size_t at = 0; at <= strlen(text); at++) {
		CLEANUP(arena_reset)
		struct arena arena = {0};
		const char *whole =
			arena_printf(&arena, "%.*s %s %s", (int)at, text, token, text + at);

		assert_null(strstr(redact(&arena, whole), "0123456789"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(secrets_go_and_the_rest_stays),
		cmocka_unit_test(a_secret_is_found_at_any_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
