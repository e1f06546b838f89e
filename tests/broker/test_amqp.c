/* SPDX-License-Identifier: MIT */
/*
 * common/amqp.c against a real broker: CSE_TEST_BROKER=host:port, user and password guest unless
 * CSE_TEST_BROKER_USER and CSE_TEST_BROKER_PASSWORD say otherwise. Skipped (77) without a broker.
 */
#include "common/amqp.h"
#include "common/clock.h"
#include "common/mem.h"
#include "common/str.h"
#include "tests/broker/raw.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <unistd.h>

static struct fixture {
	const char *host;
	struct secret password;
	const char *user;
	struct raw *raw;
	struct bus *publisher; /* a consumer of its own connection would meet its own deliveries */
	struct arena arena;
	char queue[64];
} fix;

static struct bus *connect_with(int heartbeat_s, const char *password)
{
	struct secret secret = secret_new(password, strlen(password));
	struct bus_options options = {.hosts = &fix.host,
		.host_count = 1,
		.vhost = "/",
		.user = fix.user,
		.password = &secret,
		.heartbeat_s = heartbeat_s,
		.name = "test_amqp",
		.timeout_ms = 5000};
	struct bus *bus = NULL;
	struct error err = {0};

	if (bus_connect(&bus, &options, &err))
		print_message("%s: %s\n", error_name(err.code), err.msg);
	secret_release(&secret);
	return bus;
}

static struct bus *connect_bus(int heartbeat_s)
{
	struct bus *bus = connect_with(heartbeat_s, secret_reveal(&fix.password));

	assert_non_null(bus);
	return bus;
}

static void declare_queue(struct bus *bus)
{
	struct queue_spec spec = {.name = fix.queue, .kind = QUEUE_QUORUM};
	struct error err = {0};

	assert_int_equal(bus_declare_queue(bus, &spec, NULL, &err), 0);
}

static struct message text_message(const char *key, const char *text)
{
	return (struct message){.exchange = "",
		.routing_key = key,
		.body = text,
		.body_len = strlen(text),
		.correlation_id = "c-1",
		.persistent = true,
		.mandatory = true};
}

static void publish_text(const char *text)
{
	struct message message = text_message(fix.queue, text);
	struct error err = {0};

	assert_int_equal(bus_publish(fix.publisher, &message, 5000, &err), 0);
}

static struct delivery take(struct bus *bus)
{
	struct delivery got;
	struct error err = {0};

	assert_int_equal(bus_receive(bus, &fix.arena, 65536, 5000, &got, &err), 1);
	return got;
}

static void start_consumer(struct bus *bus)
{
	struct error err = {0};

	declare_queue(bus);
	assert_int_equal(bus_consume(bus, fix.queue, &err), 0);
}

static void a_confirmed_message_is_delivered_once(void **state)
{
	CLEANUP(bus_free)
	struct bus *bus = connect_bus(10);
	struct delivery got;
	struct error err = {0};

	(void)state;
	start_consumer(bus);
	publish_text("hello");
	got = take(bus);
	assert_string_equal(got.body, "hello");
	assert_string_equal(got.correlation_id, "c-1");
	assert_null(got.reply_to);
	assert_false(got.redelivered);
	assert_int_equal(bus_ack(bus, got.tag, &err), 0);
	assert_int_equal(bus_receive(bus, &fix.arena, 65536, 100, &got, &err), 0);
}

static void what_was_not_acknowledged_comes_again(void **state)
{
	CLEANUP(bus_free)
	struct bus *first = connect_bus(10);
	CLEANUP(bus_free)
	struct bus *second = connect_bus(10);
	struct delivery got;
	struct error err = {0};

	(void)state;
	start_consumer(first);
	publish_text("again");
	take(first);
	bus_free(&first);
	start_consumer(second);
	got = take(second);
	assert_true(got.redelivered);
	assert_int_equal(bus_ack(second, got.tag, &err), 0);
}

static void prefetch_is_one(void **state)
{
	CLEANUP(bus_free)
	struct bus *bus = connect_bus(10);
	struct delivery first, second;
	struct error err = {0};

	(void)state;
	start_consumer(bus);
	publish_text("one");
	publish_text("two");
	first = take(bus);
	assert_int_equal(bus_receive(bus, &fix.arena, 65536, 200, &second, &err), 0);
	assert_int_equal(bus_ack(bus, first.tag, &err), 0);
	second = take(bus);
	assert_string_equal(second.body, "two");
	assert_int_equal(bus_ack(bus, second.tag, &err), 0);
}

static void vcd_properties_are_read(void **state)
{
	CLEANUP(bus_free)
	struct bus *bus = connect_bus(10);
	struct raw_request request = {.exchange = "",
		.key = fix.queue,
		.body = "[]",
		.reply_to = "reply-key",
		.correlation_id = "c-2",
		.reply_exchange = "reply-exchange",
		.message_type = "ProcessHttpRequest"};
	struct delivery got;
	struct error err = {0};

	(void)state;
	start_consumer(bus);
	raw_publish(fix.raw, &request);
	got = take(bus);
	assert_string_equal(got.reply_to, "reply-key");
	assert_string_equal(got.correlation_id, "c-2");
	assert_string_equal(got.reply_exchange, "reply-exchange");
	assert_string_equal(got.message_type, "ProcessHttpRequest");
	assert_int_equal(bus_ack(bus, got.tag, &err), 0);
}

static void an_unroutable_message_is_an_error_of_its_own(void **state)
{
	CLEANUP(bus_free)
	struct bus *bus = connect_bus(10);
	struct message message = text_message("no-such-queue", "lost");
	struct error err = {0};

	(void)state;
	start_consumer(bus);
	assert_int_equal(bus_publish(bus, &message, 5000, &err), -1);
	assert_int_equal(err.code, ERR_GONE);
	assert_false(bus_is_dead(bus));
	publish_text("still usable");
	assert_int_equal(bus_ack(bus, take(bus).tag, &err), 0);
}

static void a_reply_to_nowhere_leaves_the_delivery_alone(void **state)
{
	CLEANUP(bus_free)
	struct bus *bus = connect_bus(10);
	struct message lost = text_message("key", "reply");
	struct message found = text_message(fix.queue, "reply that arrives");
	struct delivery got;
	struct error err = {0};

	(void)state;
	start_consumer(bus);
	publish_text("request");
	got = take(bus);
	lost.exchange = "no-such-exchange";
	assert_int_equal(bus_reply(bus, &lost, 5000, &err), -1);
	assert_int_equal(err.code, ERR_GONE);
	assert_int_equal(bus_reply(bus, &found, 5000, &err), 0);
	assert_int_equal(bus_ack(bus, got.tag, &err), 0);
	got = take(bus);
	assert_string_equal(got.body, "reply that arrives");
	assert_false(got.redelivered);
	assert_int_equal(bus_ack(bus, got.tag, &err), 0);
}

static void publishing_to_no_exchange_ends_the_connection(void **state)
{
	CLEANUP(bus_free)
	struct bus *bus = connect_bus(10);
	struct message lost = text_message("key", "x");
	struct error err = {0};

	(void)state;
	lost.exchange = "no-such-exchange";
	assert_int_equal(bus_publish(bus, &lost, 5000, &err), -1);
	assert_int_equal(err.code, ERR_GONE);
	assert_true(bus_is_dead(bus));
	assert_int_equal(bus_ack(bus, 1, &err), -1);
}

static void a_deleted_queue_is_noticed(void **state)
{
	CLEANUP(bus_free)
	struct bus *bus = connect_bus(10);
	struct delivery got;
	struct error err = {0};

	(void)state;
	start_consumer(bus);
	raw_delete_queue(fix.raw, fix.queue);
	assert_int_equal(bus_receive(bus, &fix.arena, 65536, 5000, &got, &err), -1);
	assert_int_equal(err.code, ERR_TRANSIENT);
	assert_non_null(strstr(err.msg, "cancelled"));
	assert_true(bus_is_dead(bus));
}

/* Holds a delivery for longer than the broker waits for heartbeats. */
static void hold(struct bus *bus, bool tick)
{
	int64_t end = clock_ms() + 4500;

	while (clock_ms() < end) {
		clock_sleep_ms(200);
		if (tick)
			assert_true(bus_tick(bus));
	}
}

static void ticks_keep_the_connection_while_a_delivery_is_held(void **state)
{
	CLEANUP(bus_free)
	struct bus *alive = connect_bus(1);
	CLEANUP(bus_free)
	struct bus *silent = connect_bus(1);
	struct delivery got;
	struct error err = {0};

	(void)state;
	start_consumer(alive);
	publish_text("held");
	got = take(alive);
	hold(alive, true);
	assert_int_equal(bus_ack(alive, got.tag, &err), 0);
	assert_false(bus_tick(silent)); /* the same time without ticks */
}

static void a_message_over_the_limit_is_thrown_away(void **state)
{
	CLEANUP(bus_free)
	struct bus *bus = connect_bus(10);
	char *text = arena_alloc(&fix.arena, 300001);
	struct delivery got;
	struct error err = {0};

	(void)state;
	start_consumer(bus);
	memset(text, 'x', 300000);
	publish_text(text);
	publish_text("small");
	got = take(bus);
	assert_true(got.too_large);
	assert_int_equal(got.body_len, 0);
	assert_int_equal(bus_ack(bus, got.tag, &err), 0);
	got = take(bus);
	assert_string_equal(got.body, "small");
	assert_int_equal(bus_ack(bus, got.tag, &err), 0);
	publish_text(text);
	assert_int_equal(bus_receive(bus, &fix.arena, 400000, 5000, &got, &err), 1);
	assert_string_equal(got.body, text);
	assert_int_equal(bus_ack(bus, got.tag, &err), 0);
}

static void refused_declarations_leave_the_connection_usable(void **state)
{
	CLEANUP(bus_free)
	struct bus *bus = connect_bus(10);
	struct queue_spec other = {.name = fix.queue, .kind = QUEUE_QUORUM, .ttl_ms = 4000};
	struct queue_spec absent = {.name = "no-such-queue", .passive = true};
	struct error err = {0};
	uint32_t count = 99;

	(void)state;
	start_consumer(bus);
	assert_int_equal(bus_declare_queue(bus, &other, NULL, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_non_null(strstr(err.msg, "x-message-ttl"));
	assert_int_equal(bus_declare_queue(bus, &absent, NULL, &err), -1);
	assert_int_equal(err.code, ERR_GONE);
	assert_int_equal(bus_declare_exchange(bus, "no-such-exchange", "direct", true, &err), -1);
	assert_int_equal(err.code, ERR_GONE);
	other.ttl_ms = 0;
	assert_int_equal(bus_declare_queue(bus, &other, &count, &err), 0);
	assert_int_equal(count, 0);
	publish_text("x");
	assert_int_equal(bus_ack(bus, take(bus).tag, &err), 0);
}

static void a_cancelled_consumer_gets_nothing_more(void **state)
{
	CLEANUP(bus_free)
	struct bus *bus = connect_bus(10);
	struct delivery got;
	struct error err = {0};

	(void)state;
	start_consumer(bus);
	publish_text("one");
	publish_text("two");
	got = take(bus);
	assert_int_equal(bus_cancel(bus, &err), 0);
	assert_int_equal(bus_ack(bus, got.tag, &err), 0);
	assert_int_equal(bus_receive(bus, &fix.arena, 65536, 300, &got, &err), 0);
	assert_false(bus_is_dead(bus));
}

static void a_wrong_password_is_denied(void **state)
{
	(void)state;
	assert_null(connect_with(10, "not the password"));
}

static int drop_queue(void **state)
{
	static int number;

	(void)state;
	raw_delete_queue(fix.raw, fix.queue);
	arena_reset(&fix.arena);
	snprintf(fix.queue, sizeof(fix.queue), "test-amqp-%d-%d", (int)getpid(), ++number);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_confirmed_message_is_delivered_once, drop_queue),
		cmocka_unit_test_teardown(what_was_not_acknowledged_comes_again, drop_queue),
		cmocka_unit_test_teardown(prefetch_is_one, drop_queue),
		cmocka_unit_test_teardown(vcd_properties_are_read, drop_queue),
		cmocka_unit_test_teardown(an_unroutable_message_is_an_error_of_its_own, drop_queue),
		cmocka_unit_test_teardown(a_reply_to_nowhere_leaves_the_delivery_alone, drop_queue),
		cmocka_unit_test_teardown(
			publishing_to_no_exchange_ends_the_connection, drop_queue),
		cmocka_unit_test_teardown(a_deleted_queue_is_noticed, drop_queue),
		cmocka_unit_test_teardown(
			ticks_keep_the_connection_while_a_delivery_is_held, drop_queue),
		cmocka_unit_test_teardown(a_message_over_the_limit_is_thrown_away, drop_queue),
		cmocka_unit_test_teardown(
			refused_declarations_leave_the_connection_usable, drop_queue),
		cmocka_unit_test_teardown(a_cancelled_consumer_gets_nothing_more, drop_queue),
		cmocka_unit_test(a_wrong_password_is_denied),
	};
	const char *password = getenv("CSE_TEST_BROKER_PASSWORD");
	const char *colon;
	int failed;

	fix.host = getenv("CSE_TEST_BROKER");
	colon = fix.host ? strrchr(fix.host, ':') : NULL;
	if (!colon) {
		print_message("no broker: set CSE_TEST_BROKER=host:port\n");
		return 77;
	}
	fix.user = str_or(getenv("CSE_TEST_BROKER_USER"), "guest");
	fix.password = secret_new(str_or(password, "guest"), strlen(str_or(password, "guest")));
	snprintf(fix.queue, sizeof(fix.queue), "test-amqp-%d", (int)getpid());
	CLEANUP(free_str)
	char *name = xstrndup(fix.host, (size_t)(colon - fix.host));
	int64_t port = 0;

	if (!str_to_int(colon + 1, 1, 65535, &port))
		return 2;
	fix.raw = raw_open(name, (int)port, fix.user, secret_reveal(&fix.password));
	fix.publisher = connect_bus(60);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	raw_close(&fix.raw);
	bus_free(&fix.publisher);
	arena_reset(&fix.arena);
	secret_release(&fix.password);
	return failed;
}
