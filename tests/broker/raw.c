/* SPDX-License-Identifier: MIT */
#include "tests/broker/raw.h"

#include "common/mem.h"

#include <amqp.h>
#include <amqp_tcp_socket.h>
#include <stdlib.h>

struct raw {
	amqp_connection_state_t conn;
};

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "raw broker connection: %s\n", what);
	abort();
}

static amqp_bytes_t to_bytes(const char *text)
{
	return text ? amqp_cstring_bytes(text) : amqp_empty_bytes;
}

struct raw *raw_open(const char *host, int port, const char *user, const char *password)
{
	struct raw *raw = xcalloc(1, sizeof(*raw));
	amqp_socket_t *sock;

	raw->conn = amqp_new_connection();
	sock = amqp_tcp_socket_new(raw->conn);
	need(amqp_socket_open(sock, host, port) == AMQP_STATUS_OK, "connect");
	need(amqp_login(raw->conn, "/", 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, user, password)
				.reply_type == AMQP_RESPONSE_NORMAL,
		"login");
	amqp_channel_open(raw->conn, 1);
	need(amqp_get_rpc_reply(raw->conn).reply_type == AMQP_RESPONSE_NORMAL, "channel");
	return raw;
}

void raw_close(struct raw **raw)
{
	if (!*raw)
		return;
	amqp_connection_close((*raw)->conn, AMQP_REPLY_SUCCESS);
	amqp_destroy_connection((*raw)->conn);
	free(*raw);
	*raw = NULL;
}

void raw_delete_queue(struct raw *raw, const char *name)
{
	amqp_queue_delete(raw->conn, 1, to_bytes(name), false, false);
	need(amqp_get_rpc_reply(raw->conn).reply_type == AMQP_RESPONSE_NORMAL, "delete queue");
}

static void add_header(amqp_table_t *headers, const char *name, const char *text)
{
	if (!text)
		return;
	headers->entries[headers->num_entries++] = (amqp_table_entry_t){.key = to_bytes(name),
		.value = {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = to_bytes(text)}};
}

void raw_publish(struct raw *raw, const struct raw_request *request)
{
	amqp_table_entry_t entries[2];
	amqp_basic_properties_t properties = {
		._flags = AMQP_BASIC_HEADERS_FLAG, .headers = {.entries = entries}};

	add_header(&properties.headers, "replyToExchange", request->reply_exchange);
	add_header(&properties.headers, "messageType", request->message_type);
	if (request->reply_to) {
		properties._flags |= AMQP_BASIC_REPLY_TO_FLAG;
		properties.reply_to = to_bytes(request->reply_to);
	}
	if (request->correlation_id) {
		properties._flags |= AMQP_BASIC_CORRELATION_ID_FLAG;
		properties.correlation_id = to_bytes(request->correlation_id);
	}
	need(amqp_basic_publish(raw->conn, 1, to_bytes(request->exchange), to_bytes(request->key),
		     false, false, &properties, to_bytes(request->body)) == AMQP_STATUS_OK,
		"publish");
}
