/* SPDX-License-Identifier: MIT */
#include "worker/reply.h"

#include "common/base64.h"
#include "common/json.h"
#include "tests/unit/unit.h"
#include "worker/slow.h"

static struct arena arena;

static int forget(void **state)
{
	(void)state;
	arena_reset(&arena);
	return 0;
}

static struct json_object *encode(const char *id, const struct reply *reply)
{
	struct error err;
	const char *text = reply_encode(&arena, id, reply);
	struct json_object *message = json_parse(text, strlen(text), 8, &err);

	assert_non_null(message);
	assert_false(json_flag(message, "request", true));
	assert_string_equal(json_str(message, "headers.Content-Type", ""), "application/json");
	return message;
}

static const char *body_of(struct json_object *message)
{
	size_t len;
	const char *text = base64_decode(&arena, json_str(message, "body", "?"), &len);

	assert_non_null(text);
	assert_int_equal(json_int(message, "headers.Content-Length", -1), (int64_t)len);
	return text;
}

static void a_success_carries_the_body(void **state)
{
	struct reply reply = {.status = 200, .body = json_object_new_object()};

	(void)state;
	json_set_str(reply.body, "name", "bl\xc3\xa5");
	CLEANUP(json_release)
	struct json_object *message = encode("r-1", &reply);
	assert_string_equal(json_str(message, "id", ""), "r-1");
	assert_int_equal(json_int(message, "statusCode", 0), 200);
	assert_string_equal(body_of(message), "{\"name\":\"bl\xc3\xa5\"}");
	reply_release(&reply);
}

static void an_error_has_description_and_minor_code(void **state)
{
	struct reply reply = {0};
	struct error err = {0};

	(void)state;
	error_set(&err, ERR_CONFLICT, "say \"%s\"", "no");
	reply_set_error(&reply, &err);
	CLEANUP(json_release)
	struct json_object *message = encode("r", &reply);
	assert_int_equal(json_int(message, "statusCode", 0), 409);
	assert_string_equal(body_of(message),
		"{\"message\":{\"minor error code\":-1,\"error description\":\"say \\\"no\\\"\"}}");
	reply_release(&reply);
	reply.minor_code = 4028;
	reply_set_error(&reply, &err);
	CLEANUP(json_release)
	struct json_object *second = encode("r", &reply);
	assert_non_null(strstr(body_of(second), "\"minor error code\":4028"));
	reply_release(&reply);
}

static void a_text_cut_inside_a_character_stays_readable(void **state)
{
	struct reply reply = {0};
	struct error err = {0};

	(void)state;
	error_set(&err, ERR_INVALID, "cut \xc3");
	reply_set_error(&reply, &err);
	CLEANUP(json_release)
	struct json_object *message = encode("r", &reply);
	assert_non_null(strstr(body_of(message), "\"cut ?\""));
	reply_release(&reply);
}

static void a_malformed_message_is_answered_without_id(void **state)
{
	struct reply reply = {0};

	(void)state;
	reply_set_malformed(&reply, "not an array");
	CLEANUP(json_release)
	struct json_object *message = encode("", &reply);
	assert_true(json_object_object_get_ex(message, "id", NULL));
	assert_null(json_at(message, "id"));
	assert_int_equal(json_int(message, "statusCode", 0), 400);
	assert_string_equal(body_of(message), "{\"message\":\"not an array\"}");
	reply_release(&reply);
}

static void a_busy_worker_says_so_in_the_words_clients_know(void **state)
{
	struct reply reply = {0};

	(void)state;
	reply_set_busy(&reply);
	CLEANUP(json_release)
	struct json_object *message = encode("r", &reply);
	assert_int_equal(json_int(message, "statusCode", 0), 429);
	assert_string_equal(
		body_of(message), "{\"CSE Server Busy\":\"Please wait and try again.\"}");
	reply_release(&reply);
}

static void slow_requests_leave_threads_for_quick_ones(void **state)
{
	static const struct config config = {.threads_request = 8};
	struct shared shared = {.config = &config};

	(void)state;
	for (int i = 0; i < 4; i++) /* half of all threads for one org */
		assert_true(slow_enter(&shared, "urn:vcloud:org:1"));
	assert_false(slow_enter(&shared, "urn:vcloud:org:1"));
	assert_false(slow_enter(&shared, "urn:vcloud:org:2")); /* four are kept free */
	slow_leave(&shared, "urn:vcloud:org:1");
	assert_true(slow_enter(&shared, "urn:vcloud:org:2"));
	slow_leave(&shared, "urn:vcloud:org:2");
	for (int i = 0; i < 3; i++)
		slow_leave(&shared, "urn:vcloud:org:1");
	assert_int_equal(atomic_load(&shared.slow_requests), 0);
}

static void one_org_gets_half_of_the_threads(void **state)
{
	static const struct config config = {.threads_request = 32};
	struct shared shared = {.config = &config};

	(void)state;
	for (int i = 0; i < 16; i++)
		assert_true(slow_enter(&shared, "urn:vcloud:org:1"));
	assert_false(slow_enter(&shared, "urn:vcloud:org:1"));
	for (int i = 0; i < 12; i++)
		assert_true(slow_enter(&shared, "urn:vcloud:org:2"));
	assert_false(slow_enter(&shared, "urn:vcloud:org:2"));
	assert_false(slow_enter(&shared, "urn:vcloud:org:3"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_success_carries_the_body, forget),
		cmocka_unit_test_teardown(an_error_has_description_and_minor_code, forget),
		cmocka_unit_test_teardown(a_text_cut_inside_a_character_stays_readable, forget),
		cmocka_unit_test_teardown(a_malformed_message_is_answered_without_id, forget),
		cmocka_unit_test_teardown(a_busy_worker_says_so_in_the_words_clients_know, forget),
		cmocka_unit_test(slow_requests_leave_threads_for_quick_ones),
		cmocka_unit_test(one_org_gets_half_of_the_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
