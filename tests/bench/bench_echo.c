/* SPDX-License-Identifier: MIT */
/*
 * The limit the worker is measured against: the same number of connections and the same order of
 * acts (prefetch 1, reply on a second channel, confirm, acknowledge), and no work at all.
 *
 *	bench_echo QUEUE CONNECTIONS
 */
#include "tests/bench/bench_bus.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { REPLY_BYTES = 420, CONNECTIONS_MAX = 512 };

static char reply[REPLY_BYTES + 1]; /* as long as the worker's for /system */
static const char *queue;
static struct bench_broker broker;

static amqp_bytes_t reply_exchange(const amqp_basic_properties_t *properties)
{
	for (int i = 0; i < properties->headers.num_entries; i++) {
		const amqp_table_entry_t *entry = &properties->headers.entries[i];

		if (entry->key.len == 15 && memcmp(entry->key.bytes, "replyToExchange", 15) == 0)
			return entry->value.value.bytes;
	}
	return amqp_empty_bytes;
}

static void await_confirm(amqp_connection_state_t conn)
{
	amqp_frame_t frame;

	do
		bench_need(amqp_simple_wait_frame(conn, &frame) == AMQP_STATUS_OK, "wait");
	while (frame.channel != 2);
	bench_need(frame.frame_type == AMQP_FRAME_METHOD &&
			   frame.payload.method.id == AMQP_BASIC_ACK_METHOD,
		"confirm");
}

static void *echo(void *unused)
{
	amqp_connection_state_t conn = bench_connect(&broker, 2);

	(void)unused;
	amqp_confirm_select(conn, 2);
	bench_rpc_ok(conn, "confirms");
	amqp_basic_qos(conn, 1, 0, 1, false);
	bench_rpc_ok(conn, "prefetch");
	amqp_basic_consume(conn, 1, amqp_cstring_bytes(queue), amqp_empty_bytes, false, false,
		false, amqp_empty_table);
	bench_rpc_ok(conn, "consume");
	for (;;) {
		amqp_envelope_t in;
		amqp_basic_properties_t out = {._flags = AMQP_BASIC_CORRELATION_ID_FLAG};

		amqp_maybe_release_buffers(conn);
		bench_need(
			amqp_consume_message(conn, &in, NULL, 0).reply_type == AMQP_RESPONSE_NORMAL,
			"receive");
		out.correlation_id = in.message.properties.correlation_id;
		bench_need(amqp_basic_publish(conn, 2, reply_exchange(&in.message.properties),
				   in.message.properties.reply_to, true, false, &out,
				   amqp_cstring_bytes(reply)) == AMQP_STATUS_OK,
			"publish");
		await_confirm(conn);
		bench_need(amqp_basic_ack(conn, 1, in.delivery_tag, false) == AMQP_STATUS_OK,
			"acknowledge");
		amqp_destroy_envelope(&in);
	}
	return NULL;
}

/* What VCD's registration and the worker would declare: exchange, quorum queue with TTL, binding.
 */
static void declare_objects(void)
{
	amqp_connection_state_t conn = bench_connect(&broker, 1);
	amqp_table_entry_t arguments[] = {
		{.key = amqp_cstring_bytes("x-queue-type"),
			.value = {.kind = AMQP_FIELD_KIND_UTF8,
				.value.bytes = amqp_cstring_bytes("quorum")}},
		{.key = amqp_cstring_bytes("x-message-ttl"),
			.value = {.kind = AMQP_FIELD_KIND_I64, .value.i64 = 4000}},
	};
	amqp_table_t table = {.num_entries = 2, .entries = arguments};

	amqp_exchange_declare(conn, 1, amqp_cstring_bytes("cse-ext"), amqp_cstring_bytes("direct"),
		false, true, false, false, amqp_empty_table);
	bench_rpc_ok(conn, "declare exchange");
	amqp_queue_declare(conn, 1, amqp_cstring_bytes(queue), false, true, false, false, table);
	bench_rpc_ok(conn, "declare queue");
	amqp_queue_bind(conn, 1, amqp_cstring_bytes(queue), amqp_cstring_bytes("cse-ext"),
		amqp_cstring_bytes(queue), amqp_empty_table);
	bench_rpc_ok(conn, "bind");
	bench_disconnect(conn);
}

int main(int argc, char **argv)
{
	long connections = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
	pthread_t thread;

	if (connections < 1 || connections > CONNECTIONS_MAX) {
		fprintf(stderr, "usage: bench_echo QUEUE CONNECTIONS\n");
		return 2;
	}
	queue = argv[1];
	broker = bench_broker();
	snprintf(reply, sizeof(reply), "{\"id\":\"echo\",\"statusCode\":200,\"pad\":\"%0*d\"}",
		REPLY_BYTES - 42, 0);
	declare_objects();
	for (long i = 0; i < connections; i++)
		bench_need(pthread_create(&thread, NULL, echo, NULL) == 0, "thread");
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}
