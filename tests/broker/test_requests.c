/* SPDX-License-Identifier: MIT */
/*
 * A request thread on a real broker, with a VCD that does not answer: what is replied, parked and
 * dropped. Environment as in test_amqp.c.
 */
#include "common/base64.h"
#include "common/clock.h"
#include "common/http.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/str.h"
#include "tests/broker/raw.h"
#include "tests/unit/unit.h"
#include "worker/catalog.h"
#include "worker/identity.h"
#include "worker/request_loop.h"
#include "worker/topology.h"
#include "worker/vcd/vcd.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TOKEN "very-secret-token"

static struct fixture {
	const char *host;
	struct config config;
	struct shared shared;
	struct thread_ctx ctx;
	pthread_t thread;
	struct arena arena;
	struct raw *raw;
	struct bus *replies, *parked;
	char prefix[48], reply_queue[64];
} fix;

static const char system_request[] =
	"[{\"id\":\"r-1\",\"method\":\"GET\",\"requestUri\":\"/api/cse/system\",\"headers\":{"
	"\"Accept\":\"application/json;version=35.0\",\"Authorization\":\"Bearer " TOKEN "\"}}]";

static struct bus *connect_bus(void)
{
	struct bus_options options = {.hosts = &fix.host,
		.host_count = 1,
		.vhost = "/",
		.user = fix.config.broker_user,
		.password = &fix.config.broker_password,
		.heartbeat_s = 30,
		.name = "test_requests",
		.timeout_ms = 5000};
	struct bus *bus = NULL;
	struct error err = {0};

	if (bus_connect(&bus, &options, &err))
		fail_msg("%s", err.msg);
	return bus;
}

static void send_request(const char *body, const char *reply_to, const char *type)
{
	struct raw_request request = {.exchange = fix.config.queues_exchange,
		.key = fix.config.queues_routing_key,
		.body = body,
		.reply_to = reply_to,
		.correlation_id = "c-1",
		.message_type = type};

	raw_publish(fix.raw, &request);
}

/* The next message on that connection as JSON; NULL when none comes. */
static struct json_object *next(struct bus *bus, int timeout_ms)
{
	struct delivery got;
	struct error err = {0};
	struct json_object *message;

	if (bus_receive(bus, &fix.arena, 65536, timeout_ms, &got, &err) != 1)
		return NULL;
	assert_string_equal(str_or(got.correlation_id, "c-1"), "c-1");
	assert_null(strstr(got.body, TOKEN));
	message = json_parse(got.body, got.body_len, 8, &err);
	assert_non_null(message);
	assert_int_equal(bus_ack(bus, got.tag, &err), 0);
	return message;
}

static void system_answers_without_vcd(void **state)
{
	size_t len;

	(void)state;
	send_request(system_request, fix.reply_queue, "ProcessHttpRequest");
	CLEANUP(json_release)
	struct json_object *reply = next(fix.replies, 5000);
	assert_non_null(reply);
	assert_string_equal(json_str(reply, "id", ""), "r-1");
	assert_int_equal(json_int(reply, "statusCode", 0), 200);
	assert_non_null(strstr(base64_decode(&fix.arena, json_str(reply, "body", ""), &len),
		"\"cse_server_api_version\":\"35.0\""));
}

static void a_malformed_request_is_answered_and_parked(void **state)
{
	(void)state;
	send_request("{\"headers\":\"" TOKEN "\"}", fix.reply_queue, NULL);
	CLEANUP(json_release)
	struct json_object *reply = next(fix.replies, 5000);
	CLEANUP(json_release)
	struct json_object *record = next(fix.parked, 5000);
	assert_int_equal(json_int(reply, "statusCode", 0), 400);
	assert_null(json_at(reply, "id"));
	assert_string_equal(json_str(record, "kind", ""), "request");
	assert_non_null(json_at(record, "reason"));
}

static void a_request_nobody_waits_for_is_parked_and_not_run(void **state)
{
	(void)state;
	send_request(system_request, NULL, NULL);
	CLEANUP(json_release)
	struct json_object *record = next(fix.parked, 5000);
	assert_non_null(record);
	assert_false(json_flag(record, "has_reply_to", true));
	assert_null(next(fix.replies, 300));
}

static void a_large_message_is_refused(void **state)
{
	char *body = arena_alloc(&fix.arena, 30001);

	(void)state;
	memset(body, ' ', 30000);
	send_request(body, fix.reply_queue, NULL);
	CLEANUP(json_release)
	struct json_object *reply = next(fix.replies, 5000);
	CLEANUP(json_release)
	struct json_object *record = next(fix.parked, 5000);
	assert_int_equal(json_int(reply, "statusCode", 0), 400);
	assert_true(json_flag(record, "too_large", false));
}

static void copies_of_responses_are_dropped(void **state)
{
	(void)state;
	send_request(system_request, fix.reply_queue, "ProcessHttpResponse");
	assert_null(next(fix.replies, 300));
	assert_null(next(fix.parked, 100));
}

/* A reply nobody can receive costs its own caller only. */
static void a_lost_reply_does_not_stop_the_thread(void **state)
{
	(void)state;
	send_request(system_request, "no-such-queue", NULL);
	send_request(system_request, fix.reply_queue, NULL);
	CLEANUP(json_release)
	struct json_object *reply = next(fix.replies, 5000);
	assert_int_equal(json_int(reply, "statusCode", 0), 200);
}

/* A worker that comes up in that moment must leave the broker time to tell the consumers. */
static void a_queue_that_is_deleted_and_made_again_is_consumed(void **state)
{
	struct error err = {0};

	(void)state;
	raw_delete_queue(fix.raw, fix.prefix);
	assert_int_equal(topology_declare(fix.parked, &fix.config, &fix.arena, NULL, &err), 0);
	send_request(system_request, fix.reply_queue, NULL);
	CLEANUP(json_release)
	struct json_object *reply = next(fix.replies, 5000);
	assert_non_null(reply);
}

static void set_config(void)
{
	static const int64_t rungs[] = {1000, 5000, 15000, 60000};
	const char *password = str_or(getenv("CSE_TEST_BROKER_PASSWORD"), "guest");
	struct config *config = &fix.config;

	snprintf(fix.prefix, sizeof(fix.prefix), "test-requests-%d", (int)getpid());
	snprintf(fix.reply_queue, sizeof(fix.reply_queue), "%s.replies", fix.prefix);
	*config = (struct config){.deployment = "test",
		.broker_hosts = {.items = &fix.host, .count = 1},
		.broker_vhost = "/",
		.broker_user = str_or(getenv("CSE_TEST_BROKER_USER"), "guest"),
		.broker_password = secret_new(password, strlen(password)),
		.broker_heartbeat_s = 10,
		.queues_exchange = fix.prefix,
		.queues_routing_key = fix.prefix,
		.queues_prefix = fix.prefix,
		.queues_declare = "active",
		.vcd_host = "127.0.0.1:1",
		.vcd_user = "svc@System",
		.vcd_api_version = "35.0",
		.threads_request = 8,
		.limits_message_bytes = 20000,
		.limits_body_bytes = 10000,
		.limits_json_depth = 16,
		.timing_reply = 6000,
		.timing_identity_wait = 1000,
		.timing_request_ttl = 4000,
		.timing_vcd_call = 2000,
		.timing_cache = 1000};
	memcpy(config->timing_rungs, rungs, sizeof(rungs));
}

static int start(void **state)
{
	struct queue_spec replies = {.name = fix.reply_queue, .kind = QUEUE_QUORUM};
	struct error err = {0};

	(void)state;
	fix.replies = connect_bus();
	fix.parked = connect_bus();
	assert_int_equal(bus_declare_exchange(fix.replies, fix.prefix, "direct", false, &err), 0);
	assert_int_equal(bus_declare_queue(fix.replies, &replies, NULL, &err), 0);
	assert_int_equal(bus_consume(fix.replies, fix.reply_queue, &err), 0);
	assert_int_equal(topology_declare(fix.parked, &fix.config, &fix.arena, NULL, &err), 0);
	assert_int_equal(
		bus_consume(fix.parked, topology_parked_queue(&fix.arena, &fix.config), &err), 0);
	fix.shared.config = &fix.config;
	fix.shared.vcd = vcd_shared_new(&fix.config);
	fix.shared.identities = identity_cache_new(&fix.config);
	fix.shared.templates = template_cache_new();
	fix.ctx = (struct thread_ctx){.shared = &fix.shared, .name = "request-0"};
	return pthread_create(&fix.thread, NULL, request_thread, &fix.ctx);
}

/* The thread ends by itself, and takes its queues with it. */
static int stop(void **state)
{
	int64_t start_ms = clock_ms();

	(void)state;
	atomic_store(&fix.shared.stop, true);
	pthread_join(fix.thread, NULL);
	assert_true(clock_ms() - start_ms < 3000);
	bus_free(&fix.replies);
	bus_free(&fix.parked);
	raw_delete_queue(fix.raw, fix.prefix);
	raw_delete_queue(fix.raw, fix.reply_queue);
	raw_delete_queue(fix.raw, topology_parked_queue(&fix.arena, &fix.config));
	raw_delete_queue(fix.raw, topology_operations_queue(&fix.arena, &fix.config));
	for (size_t i = 0; i < ARRAY_LEN(fix.config.timing_rungs); i++)
		raw_delete_queue(fix.raw,
			topology_delay_queue(&fix.arena, &fix.config, fix.config.timing_rungs[i]));
	template_cache_free(&fix.shared.templates);
	identity_cache_free(&fix.shared.identities);
	vcd_shared_free(&fix.shared.vcd);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(system_answers_without_vcd),
		cmocka_unit_test(a_malformed_request_is_answered_and_parked),
		cmocka_unit_test(a_request_nobody_waits_for_is_parked_and_not_run),
		cmocka_unit_test(a_large_message_is_refused),
		cmocka_unit_test(copies_of_responses_are_dropped),
		cmocka_unit_test(a_lost_reply_does_not_stop_the_thread),
		cmocka_unit_test(a_queue_that_is_deleted_and_made_again_is_consumed),
	};
	const char *colon;
	int64_t port = 0;
	int failed;

	fix.host = getenv("CSE_TEST_BROKER");
	colon = fix.host ? strrchr(fix.host, ':') : NULL;
	if (!colon || !str_to_int(colon + 1, 1, 65535, &port)) {
		print_message("no broker: set CSE_TEST_BROKER=host:port\n");
		return 77;
	}
	http_startup();
	set_config();
	CLEANUP(free_str)
	char *name = xstrndup(fix.host, (size_t)(colon - fix.host));
	fix.raw = raw_open(name, (int)port, fix.config.broker_user,
		secret_reveal(&fix.config.broker_password));
	failed = cmocka_run_group_tests(tests, start, stop);
	raw_close(&fix.raw);
	arena_reset(&fix.arena);
	secret_release(&fix.config.broker_password);
	return failed;
}
