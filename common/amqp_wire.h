/* SPDX-License-Identifier: MIT */
/*
 * The lower half of common/amqp.c: socket, login, frames. Only the amqp*.c files include it.
 *
 * librabbitmq queues frames that an RPC did not expect and hands them out first afterwards, so
 * every frame passes through wire_wait() and, when nobody waits for it, through wire_note().
 */
#ifndef COMMON_AMQP_WIRE_H
#define COMMON_AMQP_WIRE_H

#include "common/amqp.h"

#include <amqp.h>

/* Declarations have a channel of their own: a refused one closes it, and the others live on. */
enum { CHANNEL_WORK = 1, CHANNEL_REPLY = 2, CHANNEL_DECLARE = 3, CHANNEL_COUNT = 4 };

struct bus {
	amqp_connection_state_t conn; /* NULL once the connection is dead */
	bool open[CHANNEL_COUNT];
	uint64_t published[CHANNEL_COUNT]; /* publishes since the channel was opened */
	uint64_t held;			   /* tag of the delivery in hand; 0: none */
	char consumer[64];		   /* consumer tag; "" when not consuming */
	bool blocked;
	void (*on_blocked)(void *data);
	void *on_blocked_data;
	int timeout_ms;
	const _Atomic bool *stop; /* may be NULL */
	struct error cause;	  /* why the connection died */
};

/* One host: connect, TLS, login. DENIED: login refused; TRANSIENT: all else. */
int wire_open(struct bus *bus, const struct bus_options *options, const char *host,
	struct error *err) MUST_CHECK;

/* Opens a channel and, when wanted, switches its confirms on. */
int wire_open_channel(struct bus *bus, int channel, bool confirms, struct error *err) MUST_CHECK;

/* The channel of declarations, opened again after a refusal closed it. */
int wire_ready_to_declare(struct bus *bus, struct error *err) MUST_CHECK;

/* Closes the socket at once; everything held on it goes back to the broker. */
void wire_drop(struct bus *bus);

/* Drops the connection and gives the reason, which stays its cause; always -1, TRANSIENT. */
int wire_fail(struct bus *bus, struct error *err, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* 0, or the cause of a dead connection. */
int wire_alive(const struct bus *bus, struct error *err) MUST_CHECK;

/* The library's status: 0 when ok, else the connection is dropped. */
int wire_check(struct bus *bus, int status, const char *what, struct error *err) MUST_CHECK;

/*
 * The answer of the last RPC on a channel. When the broker closed only that channel the connection
 * lives on: GONE (404), CONFLICT (405, 406), DENIED (403).
 */
int wire_rpc(struct bus *bus, int channel, const char *what, struct error *err) MUST_CHECK;

/* 1 with a frame, 0 when the deadline (clock_ms) has passed, -1 when the connection died. */
int wire_wait(
	struct bus *bus, amqp_frame_t *frame, int64_t deadline_ms, struct error *err) MUST_CHECK;

/* Deals with a frame that nobody waits for; -1 when it ends the connection. */
int wire_note(struct bus *bus, const amqp_frame_t *frame, struct error *err) MUST_CHECK;

/* The arguments of a queue's declaration; texts are borrowed from the spec. Empty when passive. */
enum { ARGUMENTS_MAX = 8 };
struct wire_arguments {
	amqp_table_entry_t entries[ARGUMENTS_MAX];
	amqp_table_t table;
};
void wire_queue_arguments(struct wire_arguments *out, const struct queue_spec *spec);

bool wire_is_method(const amqp_frame_t *frame, int channel, amqp_method_number_t id) MUST_CHECK;

/* Answers a channel.close, so that the channel can be opened again, and makes an error of it. */
int wire_channel_closed(struct bus *bus, int channel, const amqp_channel_close_t *why,
	const char *what, struct error *err);

/*
 * Reads the header and body that follow a method. `head` gets the properties and the size once,
 * `part` each piece of the body; memory of a piece is gone when the call-back returns.
 */
struct wire_sink {
	void (*head)(void *data, const amqp_basic_properties_t *properties, uint64_t size);
	void (*part)(void *data, const char *bytes, size_t len);
	void *data;
};
int wire_content(
	struct bus *bus, int channel, const struct wire_sink *sink, struct error *err) MUST_CHECK;

/*
 * The same into a delivery: strings and body in the arena, the body thrown away when it is longer
 * than max_bytes. What stands in the method (tag, redelivered) is the caller's to add.
 */
int wire_read(struct bus *bus, int channel, struct arena *arena, size_t max_bytes,
	struct delivery *out, struct error *err) MUST_CHECK;

#endif
