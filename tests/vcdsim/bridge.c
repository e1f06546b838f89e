/* SPDX-License-Identifier: MIT */
#include "tests/vcdsim/bridge.h"

#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/secret.h"
#include "common/str.h"

#include <amqp.h>
#include <amqp_tcp_socket.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { REPLIES = 1, REQUESTS = 2 }; /* channels */
enum { RPC_TIMEOUT_S = 5, HEARTBEAT_S = 10, RECONNECT_MS = 250, FRAME_BYTES = 131072 };

static const char reply_exchange[] = "vcd.replies";

enum call_state { CALL_QUEUED, CALL_SENT, CALL_CONFIRMED, CALL_REPLIED, CALL_FAILED };

/* A request on its way; it belongs to the waiting caller, the list only borrows it. */
struct call {
	struct call *next;
	const struct bridge_request *request;
	char correlation[SIM_ID];
	enum call_state state;
	uint64_t tag; /* of the last copy, for the broker's confirm */
	char *reply;
};

struct sim_bridge {
	/* Of the thread alone. */
	amqp_connection_state_t connection;
	amqp_bytes_t queue; /* name of the reply queue */
	uint64_t next_tag;
	/* Constant while the thread runs. */
	struct sim_amqp settings;
	struct secret password;
	char *exchange;
	pthread_t thread;
	int wake; /* eventfd: something was queued, or the end */

	pthread_mutex_t lock; /* protects what follows */
	pthread_cond_t changed;
	struct call *calls;
	int users; /* callers that still hold a pointer to this */
	bool connected, stopping;
};

static amqp_bytes_t bytes(const char *text)
{
	return amqp_cstring_bytes(text);
}

static bool rpc_ok(struct sim_bridge *bridge)
{
	return amqp_get_rpc_reply(bridge->connection).reply_type == AMQP_RESPONSE_NORMAL;
}

/* Ends calls that no reply can reach any more: all that were not yet answered, or only unconfirmed.
 */
static void fail_calls(struct sim_bridge *bridge, bool confirmed_too)
{
	pthread_mutex_lock(&bridge->lock);
	for (struct call *call = bridge->calls; call; call = call->next) {
		if (call->state == CALL_SENT || (confirmed_too && call->state <= CALL_CONFIRMED))
			call->state = CALL_FAILED;
	}
	pthread_cond_broadcast(&bridge->changed);
	pthread_mutex_unlock(&bridge->lock);
}

static void set_connected(struct sim_bridge *bridge, bool connected)
{
	pthread_mutex_lock(&bridge->lock);
	bridge->connected = connected;
	pthread_cond_broadcast(&bridge->changed);
	pthread_mutex_unlock(&bridge->lock);
	if (!connected)
		fail_calls(bridge, true);
}

static void disconnect(struct sim_bridge *bridge)
{
	amqp_bytes_free(bridge->queue);
	bridge->queue = amqp_empty_bytes;
	if (bridge->connection)
		amqp_destroy_connection(bridge->connection);
	bridge->connection = NULL;
}

static bool log_in(struct sim_bridge *bridge)
{
	const struct timeval limit = {.tv_sec = RPC_TIMEOUT_S};
	amqp_table_entry_t entry = {.key = bytes("connection_name"),
		.value = {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = bytes("vcdsim")}};
	amqp_table_t properties = {.num_entries = 1, .entries = &entry};
	amqp_socket_t *socket;

	bridge->connection = amqp_new_connection();
	if (!bridge->connection)
		abort();
	amqp_set_handshake_timeout(bridge->connection, &limit);
	amqp_set_rpc_timeout(bridge->connection, &limit);
	socket = amqp_tcp_socket_new(bridge->connection);
	if (!socket || amqp_socket_open_noblock(socket, bridge->settings.host,
			       bridge->settings.port, &limit) != AMQP_STATUS_OK)
		return false;
	return amqp_login_with_properties(bridge->connection, bridge->settings.vhost, 0,
		       FRAME_BYTES, HEARTBEAT_S, &properties, AMQP_SASL_METHOD_PLAIN,
		       bridge->settings.user, secret_reveal(&bridge->password))
		       .reply_type == AMQP_RESPONSE_NORMAL;
}

static bool open_requests(struct sim_bridge *bridge)
{
	amqp_channel_open(bridge->connection, REQUESTS);
	if (!rpc_ok(bridge))
		return false;
	amqp_confirm_select(bridge->connection, REQUESTS);
	bridge->next_tag = 1;
	return rpc_ok(bridge);
}

static bool open_replies(struct sim_bridge *bridge)
{
	amqp_connection_state_t connection = bridge->connection;
	amqp_queue_declare_ok_t *queue;

	amqp_channel_open(connection, REPLIES);
	if (!rpc_ok(bridge))
		return false;
	amqp_exchange_declare(connection, REPLIES, bytes(bridge->exchange), bytes("direct"), 0, 1,
		0, 0, amqp_empty_table);
	if (!rpc_ok(bridge))
		return false;
	amqp_exchange_declare(connection, REPLIES, bytes(reply_exchange), bytes("direct"), 0, 1, 0,
		0, amqp_empty_table);
	if (!rpc_ok(bridge))
		return false;
	queue = amqp_queue_declare(
		connection, REPLIES, amqp_empty_bytes, 0, 0, 1, 1, amqp_empty_table);
	if (!queue)
		return false;
	bridge->queue = amqp_bytes_malloc_dup(queue->queue);
	amqp_queue_bind(connection, REPLIES, bridge->queue, bytes(reply_exchange), bridge->queue,
		amqp_empty_table);
	if (!rpc_ok(bridge))
		return false;
	amqp_basic_consume(
		connection, REPLIES, bridge->queue, amqp_empty_bytes, 0, 1, 1, amqp_empty_table);
	return rpc_ok(bridge);
}

static bool send_copy(struct sim_bridge *bridge, struct call *call)
{
	const struct bridge_request *request = call->request;
	amqp_table_entry_t headers[] = {
		{.key = bytes("messageType"),
			.value = {.kind = AMQP_FIELD_KIND_UTF8,
				.value.bytes = bytes("ProcessHttpRequest")}},
		{.key = bytes("replyToExchange"),
			.value = {.kind = AMQP_FIELD_KIND_UTF8,
				.value.bytes = bytes(reply_exchange)}},
	};
	amqp_basic_properties_t properties = {
		._flags = AMQP_BASIC_HEADERS_FLAG | AMQP_BASIC_CORRELATION_ID_FLAG |
			  AMQP_BASIC_REPLY_TO_FLAG,
		.headers = {.num_entries = (int)ARRAY_LEN(headers), .entries = headers},
		.correlation_id = bytes(call->correlation),
		.reply_to = bridge->queue,
	};

	call->tag = bridge->next_tag++;
	return amqp_basic_publish(bridge->connection, REQUESTS, bytes(request->exchange),
		       bytes(request->routing_key), 0, 0, &properties,
		       bytes(request->text)) == AMQP_STATUS_OK;
}

/* Sends what was queued. The lock is held: a caller may not give up and free its request meanwhile.
 */
static bool send_queued(struct sim_bridge *bridge)
{
	bool sent = true;

	pthread_mutex_lock(&bridge->lock);
	for (struct call *call = bridge->calls; sent && call; call = call->next) {
		if (call->state != CALL_QUEUED)
			continue;
		for (int i = 0; sent && i < call->request->copies; i++)
			sent = send_copy(bridge, call);
		call->state = CALL_SENT;
	}
	pthread_mutex_unlock(&bridge->lock);
	return sent;
}

static void take_reply(struct sim_bridge *bridge, const amqp_envelope_t *envelope)
{
	const amqp_basic_properties_t *properties = &envelope->message.properties;
	amqp_bytes_t correlation = amqp_empty_bytes, body = envelope->message.body;

	if (properties->_flags & AMQP_BASIC_CORRELATION_ID_FLAG)
		correlation = properties->correlation_id;
	pthread_mutex_lock(&bridge->lock);
	for (struct call *call = bridge->calls; call; call = call->next) {
		if (call->state > CALL_CONFIRMED || strlen(call->correlation) != correlation.len ||
			memcmp(call->correlation, correlation.bytes, correlation.len) != 0)
			continue;
		call->reply = xstrndup(body.bytes ? body.bytes : "", body.len);
		call->state = CALL_REPLIED;
		pthread_cond_broadcast(&bridge->changed);
		break;
	}
	pthread_mutex_unlock(&bridge->lock);
}

static void take_confirm(struct sim_bridge *bridge, uint64_t tag, bool multiple)
{
	pthread_mutex_lock(&bridge->lock);
	for (struct call *call = bridge->calls; call; call = call->next) {
		if (call->state == CALL_SENT && (call->tag == tag || (multiple && call->tag < tag)))
			call->state = CALL_CONFIRMED;
	}
	pthread_mutex_unlock(&bridge->lock);
}

/* The broker closed the channel: what it had not confirmed went nowhere. */
static bool reopen_requests(struct sim_bridge *bridge)
{
	amqp_channel_close_ok_t ok = {0};

	log_event(LOG_WARN, "bridge.refused");
	fail_calls(bridge, false);
	if (amqp_send_method(bridge->connection, REQUESTS, AMQP_CHANNEL_CLOSE_OK_METHOD, &ok) !=
		AMQP_STATUS_OK)
		return false;
	return open_requests(bridge);
}

/* A frame that is no delivery. False when the connection is of no more use. */
static bool take_frame(struct sim_bridge *bridge)
{
	const struct timeval now = {0};
	amqp_frame_t frame;
	int status = amqp_simple_wait_frame_noblock(bridge->connection, &frame, &now);

	if (status == AMQP_STATUS_TIMEOUT)
		return true;
	if (status != AMQP_STATUS_OK)
		return false;
	if (frame.frame_type != AMQP_FRAME_METHOD)
		return true;
	if (frame.payload.method.id == AMQP_BASIC_ACK_METHOD) {
		const amqp_basic_ack_t *ack = frame.payload.method.decoded;

		take_confirm(bridge, ack->delivery_tag, ack->multiple);
		return true;
	}
	if (frame.payload.method.id == AMQP_CHANNEL_CLOSE_METHOD && frame.channel == REQUESTS)
		return reopen_requests(bridge);
	return frame.payload.method.id == AMQP_BASIC_NACK_METHOD;
}

/* Takes all that has arrived. False when the connection is of no more use. */
static bool receive(struct sim_bridge *bridge)
{
	const struct timeval now = {0};

	for (;;) {
		amqp_envelope_t envelope;
		amqp_rpc_reply_t reply;

		amqp_maybe_release_buffers(bridge->connection);
		reply = amqp_consume_message(bridge->connection, &envelope, &now, 0);
		if (reply.reply_type == AMQP_RESPONSE_NORMAL) {
			take_reply(bridge, &envelope);
			amqp_destroy_envelope(&envelope);
			continue;
		}
		if (reply.reply_type != AMQP_RESPONSE_LIBRARY_EXCEPTION)
			return false;
		if (reply.library_error == AMQP_STATUS_TIMEOUT)
			return true;
		if (reply.library_error != AMQP_STATUS_UNEXPECTED_STATE || !take_frame(bridge))
			return false;
	}
}

static bool is_stopping(struct sim_bridge *bridge)
{
	bool stopping;

	pthread_mutex_lock(&bridge->lock);
	stopping = bridge->stopping;
	pthread_mutex_unlock(&bridge->lock);
	return stopping;
}

/* Waits for the socket or a caller; at most a second, so that heartbeats go out. */
static void wait_for_work(struct sim_bridge *bridge, int socket, int timeout_ms)
{
	struct pollfd fds[] = {
		{.fd = bridge->wake, .events = POLLIN}, {.fd = socket, .events = POLLIN}};
	uint64_t count;

	/* A negative descriptor is passed over by poll. */
	if (poll(fds, ARRAY_LEN(fds), timeout_ms) > 0 && (fds[0].revents & POLLIN)) {
		if (read(bridge->wake, &count, sizeof(count)) < 0 && errno != EAGAIN)
			abort();
	}
}

static void serve(struct sim_bridge *bridge)
{
	set_connected(bridge, true);
	log_event(LOG_INFO, "bridge.connected", LOG_STR("exchange", bridge->exchange));
	while (!is_stopping(bridge) && send_queued(bridge) && receive(bridge))
		wait_for_work(bridge, amqp_get_sockfd(bridge->connection), 1000);
	set_connected(bridge, false);
}

static void *bridge_run(void *context)
{
	struct sim_bridge *bridge = context;

	log_context()->thread = "bridge";
	while (!is_stopping(bridge)) {
		if (log_in(bridge) && open_replies(bridge) && open_requests(bridge)) {
			serve(bridge);
			if (!is_stopping(bridge))
				log_event(LOG_WARN, "bridge.lost");
		}
		disconnect(bridge);
		wait_for_work(bridge, -1, RECONNECT_MS);
	}
	return NULL;
}

static void deadline(struct timespec *out, int64_t timeout_ms)
{
	clock_gettime(CLOCK_MONOTONIC, out);
	out->tv_sec += timeout_ms / 1000;
	out->tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (out->tv_nsec >= 1000000000) {
		out->tv_sec++;
		out->tv_nsec -= 1000000000;
	}
}

static void wake_up(struct sim_bridge *bridge)
{
	const uint64_t one = 1;

	if (write(bridge->wake, &one, sizeof(one)) < 0 && errno != EAGAIN)
		abort();
}

static void unlink_call(struct sim_bridge *bridge, const struct call *call)
{
	struct call **at = &bridge->calls;

	while (*at != call)
		at = &(*at)->next;
	*at = call->next;
}

/* The bridge, kept alive until bridge_drop(); NULL when there is none (any more). */
static struct sim_bridge *bridge_hold(struct sim *sim)
{
	struct sim_bridge *bridge;

	pthread_mutex_lock(&sim->lock);
	bridge = sim->bridge;
	if (bridge) {
		pthread_mutex_lock(&bridge->lock);
		bridge->users++;
		pthread_mutex_unlock(&bridge->lock);
	}
	pthread_mutex_unlock(&sim->lock);
	return bridge;
}

static void bridge_drop(struct sim_bridge *bridge)
{
	pthread_mutex_lock(&bridge->lock);
	bridge->users--;
	pthread_cond_broadcast(&bridge->changed);
	pthread_mutex_unlock(&bridge->lock);
}

/* Puts the call into the list until it was answered, failed or took too long. */
static void await_reply(struct sim_bridge *bridge, struct call *call, int64_t timeout_ms)
{
	struct call **tail;
	struct timespec end;

	deadline(&end, timeout_ms);
	pthread_mutex_lock(&bridge->lock);
	if (bridge->connected && !bridge->stopping) {
		for (tail = &bridge->calls; *tail; tail = &(*tail)->next)
			continue;
		*tail = call;
		wake_up(bridge);
		while (call->state <= CALL_CONFIRMED &&
			pthread_cond_timedwait(&bridge->changed, &bridge->lock, &end) != ETIMEDOUT)
			continue;
		unlink_call(bridge, call);
	} else {
		call->state = CALL_FAILED;
	}
	pthread_mutex_unlock(&bridge->lock);
}

enum bridge_result bridge_call(struct sim *sim, const struct bridge_request *request,
	int64_t timeout_ms, struct arena *arena, char **reply)
{
	struct sim_bridge *bridge = bridge_hold(sim);
	struct call call = {.request = request};

	if (!bridge)
		return BRIDGE_FAILED;
	uuid_make(call.correlation);
	await_reply(bridge, &call, timeout_ms);
	bridge_drop(bridge);
	if (call.state == CALL_FAILED)
		return BRIDGE_FAILED;
	if (call.state != CALL_REPLIED)
		return BRIDGE_TIMED_OUT;
	*reply = arena_strdup(arena, call.reply);
	free(call.reply);
	return BRIDGE_REPLIED;
}

static void bridge_free(struct sim_bridge *bridge)
{
	secret_release(&bridge->password);
	free(bridge->exchange);
	pthread_cond_destroy(&bridge->changed);
	pthread_mutex_destroy(&bridge->lock);
	close(bridge->wake);
	free(bridge);
}

static void wait_connected(struct sim_bridge *bridge, int64_t timeout_ms)
{
	struct timespec end;

	deadline(&end, timeout_ms);
	pthread_mutex_lock(&bridge->lock);
	while (!bridge->connected &&
		pthread_cond_timedwait(&bridge->changed, &bridge->lock, &end) != ETIMEDOUT)
		continue;
	if (!bridge->connected)
		log_event(LOG_WARN, "bridge.unconnected", LOG_STR("host", bridge->settings.host),
			LOG_INT("port", bridge->settings.port));
	pthread_mutex_unlock(&bridge->lock);
}

int bridge_start(struct sim *sim, struct error *err)
{
	struct sim_bridge *bridge = xcalloc(1, sizeof(*bridge));
	pthread_condattr_t attributes;

	bridge->settings = sim->amqp;
	bridge->exchange = xstrdup(json_str(sim->extension, "exchange", "cse-ext"));
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&bridge->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	pthread_mutex_init(&bridge->lock, NULL);
	bridge->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (bridge->wake < 0)
		abort();
	if (!sim->amqp.password_file)
		bridge->password = secret_new("guest", strlen("guest"));
	else if (secret_read_file(&bridge->password, sim->amqp.password_file, err) < 0) {
		bridge_free(bridge);
		return -1;
	}
	if (pthread_create(&bridge->thread, NULL, bridge_run, bridge) != 0)
		abort();
	pthread_mutex_lock(&sim->lock);
	sim->bridge = bridge;
	pthread_mutex_unlock(&sim->lock);
	wait_connected(bridge, 5000);
	return 0;
}

void bridge_stop(struct sim *sim)
{
	struct sim_bridge *bridge;

	pthread_mutex_lock(&sim->lock);
	bridge = STEAL(sim->bridge);
	pthread_mutex_unlock(&sim->lock);
	if (!bridge)
		return;
	pthread_mutex_lock(&bridge->lock);
	bridge->stopping = true;
	pthread_mutex_unlock(&bridge->lock);
	wake_up(bridge);
	pthread_join(bridge->thread, NULL);
	/* Callers that still waited have been told by now; the memory goes after the last of them.
	 */
	pthread_mutex_lock(&bridge->lock);
	while (bridge->users > 0)
		pthread_cond_wait(&bridge->changed, &bridge->lock);
	pthread_mutex_unlock(&bridge->lock);
	bridge_free(bridge);
}
