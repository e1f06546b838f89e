/* SPDX-License-Identifier: MIT */
/*
 * common/amqp.h played by a test: every function talks to a small broker (broker.py) over the Unix
 * socket named by CSE_BOX_SOCKET. So a test decides over each delivery: order, loss, copies, delay.
 *
 * A frame is a length (4 bytes, big-endian) and a JSON object. Calls carry "seq", answers "re"; a
 * frame without "re" is a delivery ("deliver") or news of the broker ("event").
 */
#include "common/amqp.h"

#include "common/base64.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { FRAME_MAX = 64 * 1024 * 1024, HEAD_BYTES = 4, READ_BYTES = 65536, DEPTH = 8 };

struct bus {
	int fd; /* -1 once the connection is dead */
	int timeout_ms;
	int64_t seq;
	uint64_t held;		     /* tag of the delivery in hand; 0: none */
	struct json_object *waiting; /* a delivery that came while an answer was awaited */
	struct buf in;		     /* bytes read, not yet a whole frame */
	bool blocked, consuming;
	const _Atomic bool *stop;
	struct error cause;
};

/* ---- frames ---- */

static void drop(struct bus *bus)
{
	close_fd(&bus->fd);
	json_release(&bus->waiting);
	bus->held = 0;
	bus->consuming = false;
}

static int lose(struct bus *bus, struct error *err, const char *reason)
{
	error_set(err, ERR_TRANSIENT, "%s", reason);
	bus->cause = *err;
	drop(bus);
	return -1;
}

static int alive(const struct bus *bus, struct error *err)
{
	if (!bus_is_dead(bus))
		return 0;
	if (!bus || bus->cause.code == ERR_NONE)
		return error_set(err, ERR_TRANSIENT, "not connected to the broker");
	*err = bus->cause;
	return -1;
}

static int send_all(struct bus *bus, const void *data, size_t len, struct error *err)
{
	const char *at = data;

	while (len > 0) {
		ssize_t sent = send(bus->fd, at, len, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return lose(bus, err, "write to the broker: the connection is closed");
		at += sent;
		len -= (size_t)sent;
	}
	return 0;
}

static int send_frame(struct bus *bus, struct json_object *frame, struct error *err)
{
	size_t len;
	const char *text = json_object_to_json_string_length(frame, JSON_C_TO_STRING_PLAIN, &len);
	uint32_t head = htonl((uint32_t)len);

	if (send_all(bus, &head, sizeof(head), err))
		return -1;
	return send_all(bus, text, len, err);
}

/* Takes one whole frame out of what was read; NULL when there is none yet. */
static struct json_object *take_frame(struct bus *bus)
{
	uint32_t head, len;
	struct json_object *frame;
	struct error ignored;

	if (bus->in.len < HEAD_BYTES)
		return NULL;
	memcpy(&head, bus->in.data, sizeof(head));
	len = ntohl(head);
	if (bus->in.len - HEAD_BYTES < len)
		return NULL;
	frame = json_parse(bus->in.data + HEAD_BYTES, len, DEPTH, &ignored);
	if (!frame)
		abort();
	memmove(bus->in.data, bus->in.data + HEAD_BYTES + len, bus->in.len - HEAD_BYTES - len);
	bus->in.len -= HEAD_BYTES + len;
	return frame;
}

/* 1 with a frame that the caller releases, 0 when the time is up, -1 when the connection died. */
static int read_frame(
	struct bus *bus, struct json_object **out, int64_t deadline_ms, struct error *err)
{
	while (!(*out = take_frame(bus))) {
		struct pollfd ready = {.fd = bus->fd, .events = POLLIN};
		int64_t left = deadline_ms - clock_ms();
		char bytes[READ_BYTES];
		ssize_t got;

		if (poll(&ready, 1, left > 0 ? (int)left : 0) == 0)
			return 0;
		got = recv(bus->fd, bytes, sizeof(bytes), 0);
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got <= 0)
			return lose(bus, err, "read from the broker: the connection is closed");
		if (!buf_add(&bus->in, bytes, (size_t)got))
			abort();
	}
	return 1;
}

/* A frame that nobody waits for. Takes it. */
static int note(struct bus *bus, struct json_object *frame, struct error *err)
{
	CLEANUP(json_release)
	struct json_object *owned = frame;
	const char *event = json_str(owned, "event", "");

	if (json_at(owned, "deliver")) {
		if (bus->held || bus->waiting || !bus->consuming)
			return lose(bus, err, "a delivery arrived that was not asked for");
		bus->waiting = STEAL(owned);
	} else if (str_eq(event, "cancel")) {
		return lose(bus, err, "the broker cancelled the consumer: queue deleted or moved");
	} else if (str_eq(event, "blocked") || str_eq(event, "unblocked")) {
		bus->blocked = str_eq(event, "blocked");
	}
	return 0;
}

static enum err_code class_of(const char *name)
{
	static const enum err_code codes[] = {ERR_GONE, ERR_CONFLICT, ERR_DENIED};

	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		if (str_eq(name, error_name(codes[i])))
			return codes[i];
	return ERR_TRANSIENT;
}

/* Reads until the answer to `seq`: 1 with it, 0 when the time is up, -1 *err. */
static int await_answer(struct bus *bus, struct json_object **out, int64_t seq, int timeout_ms,
	bool patient, struct error *err)
{
	int64_t deadline = clock_ms() + timeout_ms;

	for (;;) {
		struct json_object *frame = NULL;
		int got = read_frame(bus, &frame, deadline, err);

		if (got == 0 && patient && bus->blocked && !(bus->stop && atomic_load(bus->stop)))
			deadline = clock_ms() + timeout_ms;
		else if (got <= 0)
			return got;
		else if (json_int(frame, "re", 0) == seq) {
			*out = frame;
			return 1;
		} else if (note(bus, frame, err)) {
			return -1;
		}
	}
}

static int judge(struct json_object *answer, const char *what, struct error *err)
{
	const char *class = json_str(answer, "error", NULL);

	if (!class)
		return 0;
	return error_set(err, class_of(class), "%s: %s", what, json_str(answer, "text", "refused"));
}

/* One call with an answer. *out, if not NULL, is the answer, which the caller releases. */
static int call(struct bus *bus, struct json_object *request, const char *what,
	struct json_object **out, struct error *err)
{
	CLEANUP(json_release)
	struct json_object *answer = NULL;
	int got;

	if (alive(bus, err))
		return -1;
	json_set_int(request, "seq", ++bus->seq);
	if (send_frame(bus, request, err))
		return -1;
	got = await_answer(bus, &answer, bus->seq, bus->timeout_ms, false, err);
	if (got == 0)
		return lose(bus, err, "no answer of the broker");
	if (got < 0 || judge(answer, what, err))
		return -1;
	if (out)
		*out = STEAL(answer);
	return 0;
}

static struct json_object *new_call(const char *op)
{
	struct json_object *request = json_object_new_object();

	json_set_str(request, "op", op);
	return request;
}

/* ---- connection ---- */

static int connect_socket(struct bus *bus, struct error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *path = getenv("CSE_BOX_SOCKET");

	if (!path || strlen(path) >= sizeof(address.sun_path))
		return error_set(err, ERR_INVALID, "CSE_BOX_SOCKET is not set, or too long");
	memcpy(address.sun_path, path, strlen(path) + 1);
	bus->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bus->fd < 0 ||
		connect(bus->fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
		return lose(bus, err, "connect: nobody listens");
	return 0;
}

int bus_connect(struct bus **out, const struct bus_options *options, struct error *err)
{
	struct bus *bus = xcalloc(1, sizeof(*bus));
	CLEANUP(json_release)
	struct json_object *hello = new_call("hello");

	bus->fd = -1;
	bus->timeout_ms = options->timeout_ms;
	bus->stop = options->stop;
	buf_init(&bus->in, FRAME_MAX);
	json_set_str(hello, "name", options->name);
	if (connect_socket(bus, err) || call(bus, hello, "login", NULL, err)) {
		bus_free(&bus);
		return -1;
	}
	*out = bus;
	return 0;
}

void bus_free(struct bus **bus)
{
	if (!*bus)
		return;
	drop(*bus);
	buf_release(&(*bus)->in);
	free(*bus);
	*bus = NULL;
}

bool bus_is_dead(const struct bus *bus)
{
	return !bus || bus->fd < 0;
}

bool bus_is_blocked(const struct bus *bus)
{
	return bus && bus->blocked;
}

/* ---- declarations ---- */

int bus_declare_exchange(
	struct bus *bus, const char *name, const char *type, bool passive, struct error *err)
{
	CLEANUP(json_release)
	struct json_object *request = new_call("declare_exchange");

	json_set_str(request, "name", name);
	json_set_str(request, "type", type);
	json_set_bool(request, "passive", passive);
	if (call(bus, request, "declare exchange", NULL, err))
		return error_wrap(err, "exchange %s", name);
	return 0;
}

int bus_declare_queue(
	struct bus *bus, const struct queue_spec *spec, uint32_t *count, struct error *err)
{
	CLEANUP(json_release)
	struct json_object *request = new_call("declare_queue");
	CLEANUP(json_release)
	struct json_object *answer = NULL;

	json_set_str(request, "name", spec->name);
	json_set_bool(request, "exclusive", spec->kind == QUEUE_EXCLUSIVE);
	json_set_bool(request, "passive", spec->passive);
	json_set_int(request, "arguments.ttl_ms", spec->ttl_ms);
	json_set_int(request, "arguments.delivery_limit", spec->delivery_limit);
	json_set_int(request, "arguments.max_length", spec->max_length);
	json_set_str(request, "arguments.dead_letter_exchange", spec->dead_letter_exchange);
	json_set_str(request, "arguments.dead_letter_key", spec->dead_letter_key);
	json_set_bool(request, "arguments.at_least_once", spec->dead_letter_at_least_once);
	if (call(bus, request, "declare queue", &answer, err))
		return error_wrap(err, "queue %s", spec->name);
	if (count)
		*count = (uint32_t)json_int(answer, "count", 0);
	return 0;
}

int bus_bind(struct bus *bus, const char *queue, const char *exchange, const char *key,
	struct error *err)
{
	CLEANUP(json_release)
	struct json_object *request = new_call("bind");

	json_set_str(request, "queue", queue);
	json_set_str(request, "exchange", exchange);
	json_set_str(request, "key", key);
	if (call(bus, request, "bind", NULL, err))
		return error_wrap(err, "queue %s to exchange %s", queue, exchange);
	return 0;
}

/* ---- consuming ---- */

/* As on the channel that carries everything: a refusal ends the connection. */
static int work_call(
	struct bus *bus, struct json_object *request, const char *what, struct error *err)
{
	if (call(bus, request, what, NULL, err) == 0)
		return 0;
	bus->cause = *err;
	drop(bus);
	return -1;
}

int bus_consume(struct bus *bus, const char *queue, struct error *err)
{
	CLEANUP(json_release)
	struct json_object *request = new_call("consume");

	if (alive(bus, err))
		return -1;
	json_set_str(request, "queue", queue);
	bus->consuming = true;
	if (work_call(bus, request, "consume", err))
		return error_wrap(err, "queue %s", queue);
	return 0;
}

int bus_cancel(struct bus *bus, struct error *err)
{
	CLEANUP(json_release)
	struct json_object *request = new_call("cancel");

	if (alive(bus, err))
		return -1;
	if (!bus->consuming)
		return 0;
	if (work_call(bus, request, "cancel the consumer", err))
		return -1;
	bus->consuming = false;
	return 0;
}

static const char *copy_text(struct arena *arena, struct json_object *frame, const char *path)
{
	return arena_strdup(arena, json_str(frame, path, NULL));
}

static void read_delivery(
	struct bus *bus, struct arena *arena, size_t max_bytes, struct delivery *out)
{
	struct json_object *frame = bus->waiting;
	size_t len = 0;
	const char *body = base64_decode(arena, json_str(frame, "deliver.body", ""), &len);

	out->tag = (uint64_t)json_int(frame, "deliver.tag", 0);
	out->redelivered = json_flag(frame, "deliver.redelivered", false);
	out->too_large = len > max_bytes;
	out->body_len = out->too_large ? 0 : len;
	out->body = out->too_large || !body ? "" : body;
	out->reply_to = copy_text(arena, frame, "deliver.reply_to");
	out->correlation_id = copy_text(arena, frame, "deliver.correlation_id");
	out->message_id = copy_text(arena, frame, "deliver.message_id");
	out->reply_exchange = copy_text(arena, frame, "deliver.reply_exchange");
	out->message_type = copy_text(arena, frame, "deliver.message_type");
	bus->held = out->tag;
	json_release(&bus->waiting);
}

int bus_receive(struct bus *bus, struct arena *arena, size_t max_bytes, int timeout_ms,
	struct delivery *out, struct error *err)
{
	int64_t deadline = clock_ms() + timeout_ms;

	*out = (struct delivery){0};
	if (alive(bus, err))
		return -1;
	while (!bus->waiting) {
		struct json_object *frame = NULL;
		int got = read_frame(bus, &frame, deadline, err);

		if (got <= 0)
			return got;
		if (note(bus, frame, err))
			return -1;
	}
	read_delivery(bus, arena, max_bytes, out);
	return 1;
}

int bus_ack(struct bus *bus, uint64_t tag, struct error *err)
{
	CLEANUP(json_release)
	struct json_object *request = new_call("ack");

	if (alive(bus, err))
		return -1;
	json_set_int(request, "tag", (int64_t)tag);
	bus->held = 0;
	return send_frame(bus, request, err);
}

/* ---- publishing ---- */

static struct json_object *new_message(const char *op, const struct message *message)
{
	struct json_object *request = new_call(op);
	struct arena arena = {0};

	json_set_str(request, "exchange", message->exchange);
	json_set_str(request, "key", message->routing_key);
	json_set_str(request, "body", base64_encode(&arena, message->body, message->body_len));
	json_set_str(request, "content_type", message->content_type);
	json_set_str(request, "correlation_id", message->correlation_id);
	json_set_str(request, "message_id", message->message_id);
	json_set_bool(request, "persistent", message->persistent);
	json_set_bool(request, "mandatory", message->mandatory);
	arena_reset(&arena);
	return request;
}

/* Sends and waits for the confirm; *lost tells that none came. */
static int send_message(struct bus *bus, struct json_object *request, int timeout_ms, bool patient,
	bool *unconfirmed, struct error *err)
{
	CLEANUP(json_release)
	struct json_object *answer = NULL;
	int got;

	*unconfirmed = false;
	json_set_int(request, "seq", ++bus->seq);
	if (send_frame(bus, request, err))
		return -1;
	got = await_answer(bus, &answer, bus->seq, timeout_ms, patient, err);
	*unconfirmed = got == 0;
	if (got == 0)
		return error_set(err, ERR_TRANSIENT, "no confirm within %d ms", timeout_ms);
	return got < 0 ? -1 : judge(answer, "publish", err);
}

int bus_publish(struct bus *bus, const struct message *message, int timeout_ms, struct error *err)
{
	CLEANUP(json_release)
	struct json_object *request = new_message("publish", message);
	bool unconfirmed;

	if (alive(bus, err))
		return -1;
	if (send_message(bus, request, timeout_ms, true, &unconfirmed, err) == 0)
		return 0;
	if (unconfirmed)
		lose(bus, err, "publish: not confirmed");
	return error_wrap(err, "publish to '%s' key '%s'", message->exchange, message->routing_key);
}

int bus_reply(struct bus *bus, const struct message *message, int timeout_ms, struct error *err)
{
	CLEANUP(json_release)
	struct json_object *request = new_message("reply", message);
	bool unconfirmed;

	if (alive(bus, err))
		return -1;
	return send_message(bus, request, timeout_ms, false, &unconfirmed, err);
}

bool bus_tick(struct bus *bus)
{
	struct error err;

	while (!bus_is_dead(bus)) {
		struct json_object *frame = NULL;
		int got = read_frame(bus, &frame, 0, &err);

		if (got <= 0)
			return got == 0;
		if (note(bus, frame, &err))
			return false;
	}
	return false;
}
