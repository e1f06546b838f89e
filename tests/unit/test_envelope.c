/* SPDX-License-Identifier: MIT */
#include "worker/envelope.h"

#include "common/base64.h"
#include "common/json.h"
#include "tests/unit/unit.h"

static const struct config config = {
	.limits_message_bytes = 1 << 20, .limits_body_bytes = 64, .limits_json_depth = 8};

static struct arena arena;
static struct envelope envelope;

static int release(void **state)
{
	(void)state;
	envelope_release(&envelope);
	arena_reset(&arena);
	return 0;
}

static int decode(const char *text, struct error *err)
{
	struct delivery delivery = {.body = text, .body_len = strlen(text)};

	*err = (struct error){0};
	envelope_release(&envelope);
	return envelope_decode(&envelope, &arena, &delivery, &config, err);
}

/* A message with these headers, query and body, as JSON texts. */
static int decode_with(const char *headers, const char *query, const char *body, struct error *err)
{
	return decode(arena_printf(&arena,
			      "[{\"id\":\"r-1\",\"method\":\"POST\",\"requestUri\":\"/api/cse/3.0/"
			      "clusters\","
			      "\"queryString\":%s,\"headers\":%s,\"body\":%s}]",
			      query, headers, body),
		err);
}

static void a_message_of_vcd_is_read(void **state)
{
	struct error err;

	(void)state;
	assert_int_equal(
		decode("[{\"id\":\"6b0f1c52\",\"method\":\"GET\",\"requestUri\":\"/api/cse/"
		       "system\","
		       "\"queryString\":null,\"protocol\":\"HTTP/1.1\",\"remotePort\":51844,"
		       "\"headers\":{\"Accept\":\"application/json;version=35.0\","
		       "\"Authorization\":\"Bearer abc.def\"},\"body\":\"\",\"request\":true},"
		       "{\"user\":\"urn:vcloud:user:1\",\"org\":\"urn:vcloud:org:2\",\"rights\":[]}"
		       "]",
			&err),
		0);
	assert_string_equal(envelope.request.id, "6b0f1c52");
	assert_string_equal(envelope.request.method, "GET");
	assert_string_equal(envelope.request.path, "/api/cse/system");
	assert_string_equal(envelope.accept, "application/json;version=35.0");
	assert_string_equal(secret_reveal(&envelope.request.token), "abc.def");
	assert_string_equal(envelope.org_hint, "urn:vcloud:org:2");
	assert_int_equal(envelope_open(&envelope, &arena, &config, &err), 0);
	assert_null(envelope.request.body);
	assert_int_equal(json_object_object_length(envelope.request.query), 0);
}

static void what_is_no_request_is_refused(void **state)
{
	static const char *const bad[] = {"", "{", "{}", "[]", "[1]", "[null]", "\"x\"",
		"[{\"method\":\"GET\",\"requestUri\":\"/\",\"headers\":{}}]",
		"[{\"id\":\"\",\"method\":\"GET\",\"requestUri\":\"/\",\"headers\":{}}]",
		"[{\"id\":7,\"method\":\"GET\",\"requestUri\":\"/\",\"headers\":{}}]",
		"[{\"id\":\"i\",\"requestUri\":\"/\",\"headers\":{}}]",
		"[{\"id\":\"i\",\"method\":\"GET\",\"headers\":{}}]",
		"[{\"id\":\"i\",\"method\":\"GET\",\"requestUri\":\"/\"}]",
		"[{\"id\":\"i\",\"method\":\"GET\",\"requestUri\":\"/\",\"headers\":[]}]",
		"[{\"id\":\"i\",\"method\":\"GET\",\"requestUri\":\"/"
		"\",\"headers\":{},\"body\":{}}]",
		"[{\"id\":\"i\",\"method\":\"GET\",\"requestUri\":\"/"
		"\",\"headers\":{},\"queryString\":1}]",
		"[{\"id\":\"i\\u0000\",\"method\":\"GET\",\"requestUri\":\"/\",\"headers\":{}}]",
		"[[[[[[[[[[]]]]]]]]]]"};
	struct error err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(decode(bad[i], &err), -1);
		assert_int_equal(err.code, ERR_INVALID);
	}
	assert_int_equal(decode("[{\"id\":\"i\",\"method\":\"GET\",\"headers\":{}}]", &err), -1);
	assert_string_equal(envelope.request.id, "i"); /* the refusal can still name it */
}

static void odd_members_do_no_harm(void **state)
{
	struct error err;

	(void)state;
	assert_int_equal(
		decode("[{\"requestUri\":\"/\",\"headers\":{\"X\":null,\"Y\":[],\"accept\":"
		       "[\"a\",\"b\"]},\"method\":\"GET\",\"id\":\"i\",\"new\":{}}, 7, 8]",
			&err),
		0);
	assert_string_equal(envelope.accept, "a");
	assert_string_equal(envelope.org_hint, "");
	assert_int_equal(envelope_open(&envelope, &arena, &config, &err), 0);
}

static const struct {
	const char *headers, *token;
} tokens[] = {
	{"{}", ""},
	{"{\"Authorization\":\"Bearer t1\"}", "t1"},
	{"{\"Authorization\":\"Bearer t1\\r\\nX-Other: 1\"}", ""},
	{"{\"Authorization\":\"Bearer t1\\n\"}", ""},
	{"{\"x-vcloud-authorization\":\"t1 t2\"}", ""},
	{"{\"x-vcloud-authorization\":\"t\xc3\xa4\"}", ""},
	{"{\"AUTHORIZATION\":\"bearer t1\"}", "t1"},
	{"{\"authorization\":\"BEARER  t1 \"}", "t1"},
	{"{\"X-VCloud-Authorization\":\"t2\"}", "t2"},
	{"{\"x-vcloud-authorization\":\"t2\",\"Authorization\":\"Bearer t1\"}", "t1"},
	{"{\"x-vcloud-authorization\":\"t2\",\"Authorization\":\"Basic t1\"}", "t2"},
	{"{\"Authorization\":\"Bearer\"}", ""},
	{"{\"Authorization\":\"Bearer \"}", ""},
	{"{\"Authorization\":\"Bearer a b\"}", ""},
	{"{\"Authorization\":\"Bearers a\"}", ""},
	{"{\"Authorization\":\"\"}", ""},
};

static void the_token_is_found(void **state)
{
	struct error err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(tokens); i++) {
		assert_int_equal(decode_with(tokens[i].headers, "null", "\"\"", &err), 0);
		assert_string_equal(secret_reveal(&envelope.request.token), tokens[i].token);
	}
}

static const char *query(const char *name)
{
	return json_str(envelope.request.query, name, NULL);
}

static void the_query_is_decoded(void **state)
{
	struct error err;

	(void)state;
	assert_int_equal(
		decode_with("{}", "\"a=1&b=x%20y+z&a=2&empty=&none&=v&p%26q=%3D\"", "\"\"", &err),
		0);
	assert_int_equal(envelope_open(&envelope, &arena, &config, &err), 0);
	assert_string_equal(query("a"), "2");
	assert_string_equal(query("b"), "x y z");
	assert_string_equal(query("p&q"), "=");
	assert_null(query("empty"));
	assert_null(query("none"));
	assert_int_equal(decode_with("{}", "\"a=%zz\"", "\"\"", &err), 0);
	assert_int_equal(envelope_open(&envelope, &arena, &config, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
}

static int open_body(const char *text, size_t len, struct error *err)
{
	const char *body = arena_printf(&arena, "\"%s\"", base64_encode(&arena, text, len));

	assert_int_equal(decode_with("{}", "null", body, err), 0);
	return envelope_open(&envelope, &arena, &config, err);
}

static void the_body_is_parsed_within_limits(void **state)
{
	char big[80];
	struct error err;

	(void)state;
	assert_int_equal(open_body("{\"a\": [1]}", 10, &err), 0);
	assert_int_equal(json_object_array_length(json_at(envelope.request.body, "a")), 1);
	assert_int_equal(open_body("{\"a\": ", 6, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	memset(big, ' ', sizeof(big));
	assert_int_equal(open_body(big, sizeof(big), &err), -1);
	assert_non_null(strstr(err.msg, "longer"));
	assert_int_equal(open_body("[[[[[[[[[1]]]]]]]]]", 19, &err), -1);
	assert_int_equal(decode_with("{}", "null", "\"no base64!\"", &err), 0);
	assert_int_equal(envelope_open(&envelope, &arena, &config, &err), -1);
	assert_non_null(strstr(err.msg, "Base64"));
	assert_int_equal(decode_with("{}", "null", "null", &err), 0);
	assert_int_equal(envelope_open(&envelope, &arena, &config, &err), 0);
	assert_null(envelope.request.body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_message_of_vcd_is_read, release),
		cmocka_unit_test_teardown(what_is_no_request_is_refused, release),
		cmocka_unit_test_teardown(odd_members_do_no_harm, release),
		cmocka_unit_test_teardown(the_token_is_found, release),
		cmocka_unit_test_teardown(the_query_is_decoded, release),
		cmocka_unit_test_teardown(the_body_is_parsed_within_limits, release),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
