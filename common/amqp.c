/* SPDX-License-Identifier: MIT */
#include "common/amqp.h"

#include "common/amqp_wire.h"
#include "common/clock.h"
#include "common/mem.h"

#include <amqp_framing.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/time.h>

enum { CLOSE_LIMIT_MS = 2000, BLOCKED_LOOK_MS = 500, NAME_MAX_BYTES = 255 };

static amqp_bytes_t to_bytes(const char *text)
{
	return text ? amqp_cstring_bytes(text) : amqp_empty_bytes;
}

static bool is_stopping(const struct bus *bus)
{
	return bus->stop && atomic_load(bus->stop);
}

int bus_connect(struct bus **out, const struct bus_options *options, struct error *err)
{
	struct bus *bus;
	size_t first = 0;

	if (options->host_count == 0)
		return error_set(err, ERR_INVALID, "no broker host is configured");
	bus = xcalloc(1, sizeof(*bus));
	bus->timeout_ms = options->timeout_ms;
	bus->stop = options->stop;
	bus->on_blocked = options->on_blocked;
	bus->on_blocked_data = options->on_blocked_data;
	if (getrandom(&first, sizeof(first), 0) != (ssize_t)sizeof(first))
		first = 0;
	for (size_t i = 0; i < options->host_count; i++) {
		const char *host = options->hosts[(first + i) % options->host_count];

		if (wire_open(bus, options, host, err) == 0 &&
			wire_open_channel(bus, CHANNEL_WORK, true, err) == 0 &&
			wire_open_channel(bus, CHANNEL_REPLY, true, err) == 0) {
			*out = bus;
			return 0;
		}
		wire_drop(bus);
		if (is_stopping(bus))
			break;
	}
	bus_free(&bus);
	return -1;
}

void bus_free(struct bus **bus)
{
	struct timeval limit = {.tv_sec = CLOSE_LIMIT_MS / 1000};

	if (!*bus)
		return;
	if ((*bus)->conn && !(*bus)->blocked &&
		amqp_set_rpc_timeout((*bus)->conn, &limit) == AMQP_STATUS_OK)
		amqp_connection_close((*bus)->conn, AMQP_REPLY_SUCCESS);
	wire_drop(*bus);
	free(*bus);
	*bus = NULL;
}

bool bus_is_dead(const struct bus *bus)
{
	return !bus || !bus->conn;
}

bool bus_is_blocked(const struct bus *bus)
{
	return bus && bus->blocked;
}

int bus_declare_exchange(
	struct bus *bus, const char *name, const char *type, bool passive, struct error *err)
{
	if (wire_ready_to_declare(bus, err))
		return -1;
	amqp_exchange_declare(bus->conn, CHANNEL_DECLARE, to_bytes(name), to_bytes(type), passive,
		true, false, false, amqp_empty_table);
	if (wire_rpc(bus, CHANNEL_DECLARE, "declare exchange", err))
		return error_wrap(err, "exchange %s", name);
	return 0;
}

int bus_declare_queue(
	struct bus *bus, const struct queue_spec *spec, uint32_t *count, struct error *err)
{
	struct wire_arguments arguments;
	bool exclusive = spec->kind == QUEUE_EXCLUSIVE;
	amqp_queue_declare_ok_t *ok;

	if (wire_ready_to_declare(bus, err))
		return -1;
	wire_queue_arguments(&arguments, spec);
	ok = amqp_queue_declare(bus->conn, CHANNEL_DECLARE, to_bytes(spec->name), spec->passive,
		!exclusive, exclusive, false, arguments.table);
	if (wire_rpc(bus, CHANNEL_DECLARE, "declare queue", err))
		return error_wrap(err, "queue %s", spec->name);
	if (count)
		*count = ok ? ok->message_count : 0;
	return 0;
}

int bus_bind(struct bus *bus, const char *queue, const char *exchange, const char *key,
	struct error *err)
{
	if (wire_ready_to_declare(bus, err))
		return -1;
	amqp_queue_bind(bus->conn, CHANNEL_DECLARE, to_bytes(queue), to_bytes(exchange),
		to_bytes(key), amqp_empty_table);
	if (wire_rpc(bus, CHANNEL_DECLARE, "bind", err))
		return error_wrap(err, "queue %s to exchange %s", queue, exchange);
	return 0;
}

/* As wire_rpc, but the channel that carries everything cannot be closed and opened again. */
static int work_rpc(struct bus *bus, const char *what, struct error *err)
{
	if (wire_rpc(bus, CHANNEL_WORK, what, err) == 0)
		return 0;
	bus->cause = *err;
	wire_drop(bus);
	return -1;
}

int bus_consume(struct bus *bus, const char *queue, struct error *err)
{
	amqp_basic_consume_ok_t *ok;

	if (wire_alive(bus, err))
		return -1;
	amqp_basic_qos(bus->conn, CHANNEL_WORK, 0, 1, false);
	if (work_rpc(bus, "set prefetch", err))
		return -1;
	ok = amqp_basic_consume(bus->conn, CHANNEL_WORK, to_bytes(queue), amqp_empty_bytes, false,
		false, false, amqp_empty_table);
	if (work_rpc(bus, "consume", err))
		return error_wrap(err, "queue %s", queue);
	if (!ok || ok->consumer_tag.len >= sizeof(bus->consumer))
		return wire_fail(bus, err, "the broker gave an unusable consumer tag");
	memcpy(bus->consumer, ok->consumer_tag.bytes, ok->consumer_tag.len);
	bus->consumer[ok->consumer_tag.len] = '\0';
	return 0;
}

int bus_cancel(struct bus *bus, struct error *err)
{
	if (wire_alive(bus, err))
		return -1;
	if (!bus->consumer[0])
		return 0;
	amqp_basic_cancel(bus->conn, CHANNEL_WORK, to_bytes(bus->consumer));
	bus->consumer[0] = '\0';
	return work_rpc(bus, "cancel the consumer", err);
}

static int read_delivery(struct bus *bus, const amqp_basic_deliver_t *deliver, struct arena *arena,
	size_t max_bytes, struct delivery *out, struct error *err)
{
	uint64_t tag = deliver->delivery_tag;
	bool redelivered = deliver->redelivered;

	if (wire_read(bus, CHANNEL_WORK, arena, max_bytes, out, err))
		return -1;
	out->tag = bus->held = tag;
	out->redelivered = redelivered;
	return 1;
}

int bus_receive(struct bus *bus, struct arena *arena, size_t max_bytes, int timeout_ms,
	struct delivery *out, struct error *err)
{
	int64_t deadline = clock_ms() + timeout_ms;
	amqp_frame_t frame;
	int got;

	*out = (struct delivery){0};
	if (wire_alive(bus, err))
		return -1;
	amqp_maybe_release_buffers(bus->conn);
	while ((got = wire_wait(bus, &frame, deadline, err)) > 0) {
		if (bus->held == 0 &&
			wire_is_method(&frame, CHANNEL_WORK, AMQP_BASIC_DELIVER_METHOD))
			return read_delivery(
				bus, frame.payload.method.decoded, arena, max_bytes, out, err);
		if (wire_note(bus, &frame, err))
			return -1;
	}
	return got;
}

int bus_ack(struct bus *bus, uint64_t tag, struct error *err)
{
	if (wire_alive(bus, err))
		return -1;
	bus->held = 0;
	return wire_check(bus, amqp_basic_ack(bus->conn, CHANNEL_WORK, tag, false), "ack", err);
}

static void skip_head(void *data, const amqp_basic_properties_t *properties, uint64_t size)
{
	(void)data;
	(void)properties;
	(void)size;
}

static void skip_part(void *data, const char *bytes, size_t len)
{
	(void)data;
	(void)bytes;
	(void)len;
}

/* One frame while a confirm is awaited: 1 confirmed, 0 not yet, -1 *err. */
static int take_confirm(
	struct bus *bus, int channel, const amqp_frame_t *frame, bool *returned, struct error *err)
{
	static const struct wire_sink skip = {.head = skip_head, .part = skip_part};
	const amqp_basic_ack_t *ack = frame->payload.method.decoded;
	const amqp_basic_nack_t *nack = frame->payload.method.decoded;
	uint64_t awaited = bus->published[channel];

	if (wire_is_method(frame, channel, AMQP_BASIC_ACK_METHOD) && ack->delivery_tag >= awaited)
		return 1;
	if (wire_is_method(frame, channel, AMQP_BASIC_NACK_METHOD) && nack->delivery_tag >= awaited)
		return error_set(err, ERR_TRANSIENT, "the broker did not take the message");
	if (wire_is_method(frame, channel, AMQP_BASIC_RETURN_METHOD)) {
		*returned = true;
		return wire_content(bus, channel, &skip, err);
	}
	if (wire_is_method(frame, channel, AMQP_CHANNEL_CLOSE_METHOD)) {
		wire_channel_closed(bus, channel, frame->payload.method.decoded, "publish", err);
		/* The delivery in hand went with its channel. */
		if (channel == CHANNEL_WORK && bus->conn) {
			bus->cause = *err;
			wire_drop(bus);
		}
		return -1;
	}
	return wire_note(bus, frame, err);
}

/* The end of the next wait: in slices while the broker blocks, since the worker may have to end. */
static int64_t next_look(const struct bus *bus, int64_t deadline)
{
	int64_t slice = clock_ms() + BLOCKED_LOOK_MS;

	return bus->blocked && slice < deadline ? slice : deadline;
}

/*
 * A broker that blocks publishing reads nothing: what is written to it fills the socket and then
 * holds the thread, so nothing is. `patient`: no limit but the worker's end.
 */
static int await_unblocked(struct bus *bus, int timeout_ms, bool patient, struct error *err)
{
	int64_t deadline = clock_ms() + timeout_ms;

	while (bus->blocked) {
		amqp_frame_t frame;
		int got = wire_wait(bus, &frame, clock_ms() + BLOCKED_LOOK_MS, err);

		if (got < 0 || (got > 0 && wire_note(bus, &frame, err)))
			return -1;
		if (got == 0 && (is_stopping(bus) || (!patient && clock_ms() >= deadline)))
			return error_set(err, ERR_TRANSIENT, "the broker blocks publishing");
	}
	return 0;
}

/* Waits for the confirm; a broker that blocks publishing stops the clock when `patient`. */
static int await_confirm(
	struct bus *bus, int channel, int timeout_ms, bool patient, struct error *err)
{
	int64_t deadline = clock_ms() + timeout_ms;
	bool returned = false;

	for (;;) {
		amqp_frame_t frame;
		int got = wire_wait(bus, &frame, next_look(bus, deadline), err);

		if (got > 0)
			got = take_confirm(bus, channel, &frame, &returned, err);
		else if (got == 0 && bus->blocked && is_stopping(bus))
			return error_set(err, ERR_TRANSIENT,
				"the broker blocks publishing and the worker ends");
		else if (got == 0 && patient && bus->blocked)
			deadline = clock_ms() + timeout_ms;
		else if (got == 0 && clock_ms() >= deadline)
			return error_set(err, ERR_TRANSIENT, "no confirm within %d ms", timeout_ms);
		if (got < 0)
			return -1;
		if (got > 0 && returned)
			return error_set(err, ERR_GONE, "the message reaches no queue");
		if (got > 0)
			return 0;
	}
}

static int send_message(
	struct bus *bus, int channel, const struct message *message, struct error *err)
{
	char expiration[24];
	amqp_bytes_t body = {.len = message->body_len, .bytes = (char *)(uintptr_t)message->body};
	amqp_basic_properties_t properties = {._flags = AMQP_BASIC_DELIVERY_MODE_FLAG,
		.delivery_mode = message->persistent ? AMQP_DELIVERY_PERSISTENT
						     : AMQP_DELIVERY_NONPERSISTENT};

	if (message->content_type) {
		properties._flags |= AMQP_BASIC_CONTENT_TYPE_FLAG;
		properties.content_type = to_bytes(message->content_type);
	}
	if (message->correlation_id) {
		properties._flags |= AMQP_BASIC_CORRELATION_ID_FLAG;
		properties.correlation_id = to_bytes(message->correlation_id);
	}
	if (message->message_id) {
		properties._flags |= AMQP_BASIC_MESSAGE_ID_FLAG;
		properties.message_id = to_bytes(message->message_id);
	}
	/* The library would fail for good, and with it the connection: the name came from a
	 * message. */
	if (strlen(message->exchange) > NAME_MAX_BYTES)
		return error_set(err, ERR_GONE, "no exchange has a name of more than %d bytes",
			NAME_MAX_BYTES);
	if (message->expiration_ms > 0) {
		snprintf(expiration, sizeof(expiration), "%" PRId64, message->expiration_ms);
		properties._flags |= AMQP_BASIC_EXPIRATION_FLAG;
		properties.expiration = to_bytes(expiration);
	}
	bus->published[channel]++;
	return wire_check(bus,
		amqp_basic_publish(bus->conn, (amqp_channel_t)channel, to_bytes(message->exchange),
			to_bytes(message->routing_key), message->mandatory, false, &properties,
			body),
		"publish", err);
}

int bus_publish(struct bus *bus, const struct message *message, int timeout_ms, struct error *err)
{
	if (wire_alive(bus, err))
		return -1;
	amqp_maybe_release_buffers(bus->conn);
	if (await_unblocked(bus, timeout_ms, true, err) ||
		send_message(bus, CHANNEL_WORK, message, err))
		return -1;
	if (await_confirm(bus, CHANNEL_WORK, timeout_ms, true, err) == 0)
		return 0;
	/* Whether the broker has the message is open: no second answer may be taken for its own. */
	if (err->code == ERR_TRANSIENT && bus->conn)
		wire_fail(bus, err, "not confirmed: %s", err->msg);
	return error_wrap(err, "publish to '%s' key '%s'", message->exchange, message->routing_key);
}

int bus_reply(struct bus *bus, const struct message *message, int timeout_ms, struct error *err)
{
	if (wire_alive(bus, err))
		return -1;
	amqp_maybe_release_buffers(bus->conn);
	if (await_unblocked(bus, timeout_ms, false, err))
		return -1;
	if (!bus->open[CHANNEL_REPLY] && wire_open_channel(bus, CHANNEL_REPLY, true, err))
		return -1;
	if (send_message(bus, CHANNEL_REPLY, message, err))
		return -1;
	return await_confirm(bus, CHANNEL_REPLY, timeout_ms, false, err);
}

bool bus_tick(struct bus *bus)
{
	struct error err;

	if (bus_is_dead(bus))
		return false;
	for (;;) {
		amqp_frame_t frame;
		/* Queued frames come first, and only the final timeout sends heartbeats. */
		int got = wire_wait(bus, &frame, 0, &err);

		if (got <= 0)
			return got == 0;
		if (wire_note(bus, &frame, &err))
			return false;
	}
}
