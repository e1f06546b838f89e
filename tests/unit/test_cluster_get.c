/* SPDX-License-Identifier: MIT */
/* What readers of a cluster get, and from where. */
#include "common/base64.h"
#include "common/crypto.h"
#include "common/json.h"

#include "tests/unit/handler_run.h"

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
	struct secret key = secret_new(hex, strlen(hex));
	size_t len;
	unsigned char *sealed = crypto_seal(arena, &key, text, strlen(text), &len);
	const char *body = base64_encode(arena, sealed, len);
	const char *signed_text = arena_printf(arena, "kubeconfig|%s|3|%s", vm, body);
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
	fake.marked_vdc = "urn:vcloud:vdc:elsewhere";
	assert_int_equal(get_config(urn, &err), 409);
	fake.marked_vdc = "urn:vcloud:vdc:d1";
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_kubeconfig_leads_to_the_real_address),
		TEST(a_kubeconfig_is_refused_when_in_doubt),
		TEST(an_info_never_writes_and_shows_known_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
