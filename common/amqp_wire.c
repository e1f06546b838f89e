/* SPDX-License-Identifier: MIT */
#include "common/amqp_wire.h"

#include "common/clock.h"
#include "common/str.h"

#include <amqp_framing.h>
#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

/*
 * As brokers have it: a message's properties come in one frame, and one that is longer than agreed
 * would end the connection, and the next one's. Of a buffer only what is used costs memory.
 */
enum { FRAME_BYTES = 131072, HOST_MAX = 256 };

#define SYSTEM_CA_FILE "/etc/ssl/certs/ca-certificates.crt"

struct address {
	char host[HOST_MAX];
	int port;
};

static struct timeval to_timeval(int64_t ms)
{
	if (ms < 0)
		ms = 0;
	return (struct timeval){.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};
}

static int text_len(amqp_bytes_t bytes)
{
	return bytes.len > 200 ? 200 : (int)bytes.len;
}

/* "host", "host:port", "[v6]:port". */
static int parse_address(struct address *out, const char *text, int port, struct error *err)
{
	const char *colon = strrchr(text, ':');
	size_t len = strlen(text);
	int64_t number;

	out->port = port;
	if (colon && !strchr(colon, ']')) {
		if (!str_to_int(colon + 1, 1, 65535, &number))
			return error_set(
				err, ERR_INVALID, "broker host '%s' has no valid port", text);
		out->port = (int)number;
		len = (size_t)(colon - text);
	}
	if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	}
	if (len == 0 || len >= sizeof(out->host))
		return error_set(err, ERR_INVALID, "broker host is empty or too long");
	memcpy(out->host, text, len);
	out->host[len] = '\0';
	return 0;
}

void wire_drop(struct bus *bus)
{
	if (bus->conn)
		amqp_destroy_connection(bus->conn);
	bus->conn = NULL;
	bus->held = 0;
	bus->consumer[0] = '\0';
	memset(bus->open, 0, sizeof(bus->open));
}

int wire_fail(struct bus *bus, struct error *err, const char *fmt, ...)
{
	va_list args;
	char text[sizeof(err->msg)];

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	error_set(err, ERR_TRANSIENT, "%s", text);
	bus->cause = *err;
	wire_drop(bus);
	return -1;
}

int wire_alive(const struct bus *bus, struct error *err)
{
	if (bus && bus->conn)
		return 0;
	if (!bus || bus->cause.code == ERR_NONE)
		return error_set(err, ERR_TRANSIENT, "not connected to the broker");
	*err = bus->cause;
	return -1;
}

int wire_check(struct bus *bus, int status, const char *what, struct error *err)
{
	if (status == AMQP_STATUS_OK)
		return 0;
	return wire_fail(bus, err, "%s: %s", what, amqp_error_string2(status));
}

bool wire_is_method(const amqp_frame_t *frame, int channel, amqp_method_number_t id)
{
	return frame->frame_type == AMQP_FRAME_METHOD && frame->channel == channel &&
	       frame->payload.method.id == id;
}

static void add_text(amqp_table_t *table, const char *key, const char *text)
{
	if (!text)
		return;
	table->entries[table->num_entries++] = (amqp_table_entry_t){.key = amqp_cstring_bytes(key),
		.value = {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = amqp_cstring_bytes(text)}};
}

static void add_number(amqp_table_t *table, const char *key, int64_t number)
{
	if (number <= 0)
		return;
	table->entries[table->num_entries++] = (amqp_table_entry_t){.key = amqp_cstring_bytes(key),
		.value = {.kind = AMQP_FIELD_KIND_I64, .value.i64 = number}};
}

void wire_queue_arguments(struct wire_arguments *out, const struct queue_spec *spec)
{
	amqp_table_t *table = &out->table;

	*table = (amqp_table_t){.entries = out->entries};
	if (spec->passive)
		return;
	if (spec->kind != QUEUE_EXCLUSIVE)
		add_text(table, "x-queue-type", "quorum");
	add_number(table, "x-message-ttl", spec->ttl_ms);
	add_number(table, "x-delivery-limit", spec->delivery_limit);
	add_number(table, "x-max-length", spec->max_length);
	add_text(table, "x-dead-letter-exchange", spec->dead_letter_exchange);
	add_text(table, "x-dead-letter-routing-key", spec->dead_letter_key);
	if (spec->dead_letter_at_least_once) {
		add_text(table, "x-dead-letter-strategy", "at-least-once");
		add_text(table, "x-overflow", "reject-publish");
	}
}

static enum err_code class_of_reply(int code)
{
	switch (code) {
	case 403: /* access refused */
	case 530: /* not allowed: vhost */
		return ERR_DENIED;
	case 404:
		return ERR_GONE;
	case 405: /* locked by another connection */
	case 406: /* exists with other arguments */
		return ERR_CONFLICT;
	default:
		return ERR_TRANSIENT;
	}
}

int wire_channel_closed(struct bus *bus, int channel, const amqp_channel_close_t *why,
	const char *what, struct error *err)
{
	amqp_channel_close_ok_t ok = {0};
	int code = why->reply_code;

	error_set(err, class_of_reply(code), "%s: %d %.*s", what, code, text_len(why->reply_text),
		(const char *)why->reply_text.bytes);
	bus->open[channel] = false;
	if (amqp_send_method(bus->conn, (amqp_channel_t)channel, AMQP_CHANNEL_CLOSE_OK_METHOD,
		    &ok) != AMQP_STATUS_OK) {
		bus->cause = *err;
		wire_drop(bus);
	}
	return -1;
}

static int connection_closed(
	struct bus *bus, const amqp_connection_close_t *why, const char *what, struct error *err)
{
	int code = why->reply_code;

	wire_fail(bus, err, "%s: the broker closed the connection: %d %.*s", what, code,
		text_len(why->reply_text), (const char *)why->reply_text.bytes);
	return -1;
}

int wire_rpc(struct bus *bus, int channel, const char *what, struct error *err)
{
	amqp_rpc_reply_t reply = amqp_get_rpc_reply(bus->conn);

	switch (reply.reply_type) {
	case AMQP_RESPONSE_NORMAL:
		return 0;
	case AMQP_RESPONSE_LIBRARY_EXCEPTION:
		return wire_check(bus, reply.library_error, what, err);
	case AMQP_RESPONSE_SERVER_EXCEPTION:
		if (reply.reply.id == AMQP_CHANNEL_CLOSE_METHOD)
			return wire_channel_closed(bus, channel, reply.reply.decoded, what, err);
		if (reply.reply.id == AMQP_CONNECTION_CLOSE_METHOD)
			return connection_closed(bus, reply.reply.decoded, what, err);
		return wire_fail(bus, err, "%s: unexpected answer of the broker", what);
	case AMQP_RESPONSE_NONE:
	default:
		return wire_fail(bus, err, "%s: no answer of the broker", what);
	}
}

static void set_option(int fd, int level, int name, int value)
{
	/* A kernel without one of them only detects a dead peer later. */
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

/*
 * The library's sockets do not block and its sends wait without a limit of their own, so the
 * kernel's limit for unacknowledged data is the one that ends them.
 */
static void tune_socket(int fd, int heartbeat_s)
{
	int limit_s = heartbeat_s > 0 ? 2 * heartbeat_s : 20;
	struct timeval send_limit = {.tv_sec = limit_s};

	set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, limit_s / 2 > 0 ? limit_s / 2 : 1);
	set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, limit_s / 4 > 0 ? limit_s / 4 : 1);
	set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
	set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, limit_s * 1000);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &send_limit, sizeof(send_limit));
}

static amqp_socket_t *make_socket(
	struct bus *bus, const struct bus_options *options, struct error *err)
{
	amqp_socket_t *sock;
	const char *ca = options->ca_file ? options->ca_file : SYSTEM_CA_FILE;

	if (!options->tls) {
		sock = amqp_tcp_socket_new(bus->conn);
		if (!sock)
			error_set(err, ERR_TRANSIENT, "no memory for a socket");
		return sock;
	}
	sock = amqp_ssl_socket_new(bus->conn);
	if (!sock) {
		error_set(err, ERR_TRANSIENT, "TLS cannot be set up");
		return NULL;
	}
	amqp_ssl_socket_set_verify_peer(sock, 1);
	amqp_ssl_socket_set_verify_hostname(sock, 1);
	if (amqp_ssl_socket_set_ssl_versions(sock, AMQP_TLSv1_2, AMQP_TLSvLATEST) !=
			AMQP_STATUS_OK ||
		amqp_ssl_socket_set_cacert(sock, ca) != AMQP_STATUS_OK) {
		error_set(err, ERR_TRANSIENT, "CA file %s cannot be used", ca);
		return NULL;
	}
	if (options->cert_file && amqp_ssl_socket_set_key(sock, options->cert_file,
					  options->key_file) != AMQP_STATUS_OK) {
		error_set(err, ERR_TRANSIENT, "client certificate %s cannot be used",
			options->cert_file);
		return NULL;
	}
	return sock;
}

/* The library's plain login asks for neither: a deleted queue or a memory alarm would be silent. */
static amqp_rpc_reply_t login(struct bus *bus, const struct bus_options *options)
{
	amqp_table_entry_t wanted[] = {
		{.key = amqp_cstring_bytes("consumer_cancel_notify"),
			.value = {.kind = AMQP_FIELD_KIND_BOOLEAN, .value.boolean = 1}},
		{.key = amqp_cstring_bytes("connection.blocked"),
			.value = {.kind = AMQP_FIELD_KIND_BOOLEAN, .value.boolean = 1}},
		{.key = amqp_cstring_bytes("publisher_confirms"),
			.value = {.kind = AMQP_FIELD_KIND_BOOLEAN, .value.boolean = 1}},
	};
	amqp_table_entry_t properties[] = {
		{.key = amqp_cstring_bytes("capabilities"),
			.value = {.kind = AMQP_FIELD_KIND_TABLE,
				.value.table = {.num_entries = ARRAY_LEN(wanted),
					.entries = wanted}}},
		{.key = amqp_cstring_bytes("connection_name"),
			.value = {.kind = AMQP_FIELD_KIND_UTF8,
				.value.bytes = amqp_cstring_bytes(str_or(options->name, "cse"))}},
	};
	amqp_table_t table = {.num_entries = ARRAY_LEN(properties), .entries = properties};

	return amqp_login_with_properties(bus->conn, options->vhost, CHANNEL_COUNT, FRAME_BYTES,
		options->heartbeat_s, &table, AMQP_SASL_METHOD_PLAIN, options->user,
		secret_reveal(options->password));
}

static int login_failed(amqp_rpc_reply_t reply, const char *host, struct error *err)
{
	const amqp_connection_close_t *why = reply.reply.decoded;

	if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION)
		return error_set(err, ERR_TRANSIENT, "login at %s: %s", host,
			amqp_error_string2(reply.library_error));
	if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION &&
		reply.reply.id == AMQP_CONNECTION_CLOSE_METHOD && why)
		return error_set(err, class_of_reply(why->reply_code), "login at %s: %d %.*s", host,
			why->reply_code, text_len(why->reply_text),
			(const char *)why->reply_text.bytes);
	return error_set(err, ERR_TRANSIENT, "login at %s: no usable answer", host);
}

int wire_open(
	struct bus *bus, const struct bus_options *options, const char *host, struct error *err)
{
	struct timeval limit = to_timeval(options->timeout_ms);
	struct address address;
	amqp_socket_t *sock;
	amqp_rpc_reply_t reply;
	int status;

	if (parse_address(&address, host, options->tls ? 5671 : 5672, err))
		return -1;
	bus->conn = amqp_new_connection();
	if (!bus->conn)
		return error_set(err, ERR_TRANSIENT, "no memory for a connection");
	sock = make_socket(bus, options, err);
	if (!sock)
		return -1;
	status = amqp_socket_open_noblock(sock, address.host, address.port, &limit);
	/* The library keeps the system's reason to itself. */
	if (status == AMQP_STATUS_SOCKET_ERROR)
		return error_set(err, ERR_TRANSIENT,
			"connect to %s: no connection; does a broker listen there, and does a "
			"firewall let it through?",
			host);
	if (status != AMQP_STATUS_OK)
		return error_set(
			err, ERR_TRANSIENT, "connect to %s: %s", host, amqp_error_string2(status));
	tune_socket(amqp_get_sockfd(bus->conn), options->heartbeat_s);
	if (amqp_set_handshake_timeout(bus->conn, &limit) != AMQP_STATUS_OK ||
		amqp_set_rpc_timeout(bus->conn, &limit) != AMQP_STATUS_OK)
		return error_set(err, ERR_INTERNAL, "time limit of the connection cannot be set");
	reply = login(bus, options);
	if (reply.reply_type != AMQP_RESPONSE_NORMAL)
		return login_failed(reply, host, err);
	return 0;
}

int wire_open_channel(struct bus *bus, int channel, bool confirms, struct error *err)
{
	amqp_channel_open(bus->conn, (amqp_channel_t)channel);
	if (wire_rpc(bus, channel, "open channel", err))
		return -1;
	bus->open[channel] = true;
	bus->published[channel] = 0;
	if (!confirms)
		return 0;
	amqp_confirm_select(bus->conn, (amqp_channel_t)channel);
	return wire_rpc(bus, channel, "switch confirms on", err);
}

int wire_ready_to_declare(struct bus *bus, struct error *err)
{
	if (wire_alive(bus, err))
		return -1;
	if (bus->open[CHANNEL_DECLARE])
		return 0;
	return wire_open_channel(bus, CHANNEL_DECLARE, false, err);
}

int wire_wait(struct bus *bus, amqp_frame_t *frame, int64_t deadline_ms, struct error *err)
{
	struct timeval left = to_timeval(deadline_ms - clock_ms());
	int status = amqp_simple_wait_frame_noblock(bus->conn, frame, &left);

	if (status == AMQP_STATUS_TIMEOUT)
		return 0;
	return wire_check(bus, status, "read from the broker", err) ? -1 : 1;
}

/* What may arrive at any time on the channel of the work queue. */
static int note_work(struct bus *bus, const amqp_method_t *method, struct error *err)
{
	const amqp_channel_close_t *why = method->decoded;

	switch (method->id) {
	case AMQP_BASIC_DELIVER_METHOD:
		return wire_fail(bus, err, "a delivery arrived that was not asked for");
	case AMQP_BASIC_CANCEL_METHOD:
		return wire_fail(
			bus, err, "the broker cancelled the consumer: queue deleted or moved");
	case AMQP_CHANNEL_CLOSE_METHOD:
		return wire_fail(bus, err, "the broker closed the channel: %d %.*s",
			why->reply_code, text_len(why->reply_text),
			(const char *)why->reply_text.bytes);
	default: /* an old confirm */
		return 0;
	}
}

static void set_blocked(struct bus *bus, bool blocked)
{
	bus->blocked = blocked;
	if (bus->on_blocked)
		bus->on_blocked(bus->on_blocked_data);
}

int wire_note(struct bus *bus, const amqp_frame_t *frame, struct error *err)
{
	const amqp_method_t *method = &frame->payload.method;
	struct error ignored;

	/* Content nobody reads belongs to a returned reply whose wait was given up. */
	if (frame->frame_type != AMQP_FRAME_METHOD)
		return frame->channel == CHANNEL_WORK
			       ? wire_fail(bus, err, "content arrived without its method")
			       : 0;
	if (method->id == AMQP_CONNECTION_CLOSE_METHOD)
		return connection_closed(bus, method->decoded, "idle", err);
	if (method->id == AMQP_CONNECTION_BLOCKED_METHOD)
		set_blocked(bus, true);
	else if (method->id == AMQP_CONNECTION_UNBLOCKED_METHOD)
		set_blocked(bus, false);
	else if (frame->channel == CHANNEL_WORK)
		return note_work(bus, method, err);
	else if (method->id == AMQP_CHANNEL_CLOSE_METHOD && frame->channel < CHANNEL_COUNT) {
		wire_channel_closed(bus, frame->channel, method->decoded, "late answer", &ignored);
		return wire_alive(bus, err);
	}
	return 0;
}

/* Frames of other channels may come between those of one content. */
static int wait_on_channel(
	struct bus *bus, int channel, amqp_frame_t *frame, int64_t deadline_ms, struct error *err)
{
	for (;;) {
		int got = wire_wait(bus, frame, deadline_ms, err);

		if (got < 0)
			return -1;
		if (got == 0)
			return wire_fail(bus, err, "the broker stopped in the middle of a message");
		if (frame->channel == channel && frame->frame_type != AMQP_FRAME_METHOD)
			return 0;
		if (wire_note(bus, frame, err))
			return -1;
	}
}

int wire_content(struct bus *bus, int channel, const struct wire_sink *sink, struct error *err)
{
	int64_t deadline = clock_ms() + bus->timeout_ms;
	amqp_frame_t frame;
	uint64_t left;

	if (wait_on_channel(bus, channel, &frame, deadline, err))
		return -1;
	if (frame.frame_type != AMQP_FRAME_HEADER)
		return wire_fail(bus, err, "a message without header");
	left = frame.payload.properties.body_size;
	sink->head(sink->data, frame.payload.properties.decoded, left);
	while (left > 0) {
		/* What was read is copied, so a long body needs one frame of memory at a time. */
		amqp_maybe_release_buffers_on_channel(bus->conn, (amqp_channel_t)channel);
		if (wait_on_channel(bus, channel, &frame, deadline, err))
			return -1;
		if (frame.frame_type != AMQP_FRAME_BODY || frame.payload.body_fragment.len > left)
			return wire_fail(bus, err, "a message with a wrong length");
		sink->part(sink->data, frame.payload.body_fragment.bytes,
			frame.payload.body_fragment.len);
		left -= frame.payload.body_fragment.len;
	}
	return 0;
}
