/* SPDX-License-Identifier: MIT */
/*
 * One RabbitMQ connection of one thread, on librabbitmq 0.11: consume with prefetch 1, publish with
 * confirms, acknowledge; heartbeats also while the thread waits for something else (bus_tick).
 *
 * Channel 1 consumes and publishes to our own objects. Channel 2 carries replies: an exchange that
 * does not exist closes only that channel. After the first read or write error the socket is
 * dropped without a polite close, and bus_is_dead() stays true: delivery tags die with their
 * connection.
 */
#ifndef COMMON_AMQP_H
#define COMMON_AMQP_H

#include "common/arena.h"
#include "common/error.h"
#include "common/secret.h"

struct bus;

struct bus_options {
	const char *const *hosts; /* "host:port", tried in turn from a random one */
	size_t host_count;
	const char *vhost;
	const char *user;
	const struct secret *password;
	int heartbeat_s;
	bool tls;
	const char *ca_file, *cert_file, *key_file; /* NULL: system CAs, no client certificate */
	const char *name;			    /* shown by the broker's management */
	int timeout_ms;				    /* connect, login and each RPC */
	const _Atomic bool *stop; /* once true: no further host, no wait for a blocked broker */
	void (*on_blocked)(void *data); /* the broker blocks or unblocks publishing; may be NULL */
	void *on_blocked_data;
};

struct delivery {
	const char *body; /* NUL-terminated; binary safe by body_len */
	size_t body_len;
	bool too_large; /* the body was longer than max_bytes and was thrown away */
	bool redelivered;
	uint64_t tag;
	/* Properties; NULL when absent. */
	const char *reply_to, *correlation_id, *message_id;
	const char *reply_exchange; /* header replyToExchange */
	const char *message_type;   /* header messageType */
	int64_t returned;	    /* header x-delivery-count: how often it was given back */
	const char *
		dead_reason; /* header x-death: why a broker moved it here last; NULL: it did not */
	int64_t dead_ms;     /* and when, ms since 1970, whole seconds */
};

struct message {
	const char *exchange; /* "" is the default exchange */
	const char *routing_key;
	const char *body;
	size_t body_len;
	const char *content_type, *correlation_id, *message_id; /* NULL: left out */
	bool persistent;
	bool mandatory;	       /* must reach a queue */
	int64_t expiration_ms; /* the queue may drop it after this; 0: only by its own TTL */
};

enum queue_kind { QUEUE_QUORUM, QUEUE_EXCLUSIVE };

struct queue_spec {
	const char *name;
	enum queue_kind kind;
	int64_t ttl_ms;			  /* queue TTL; 0: none */
	int64_t delivery_limit;		  /* 0: none */
	int64_t max_length;		  /* 0: none */
	const char *dead_letter_exchange; /* NULL: none; "" is the default exchange */
	const char *dead_letter_key;
	bool dead_letter_at_least_once; /* with overflow reject-publish */
	bool passive;			/* must exist; arguments are not compared */
};

/* Connects and logs in with explicit capabilities. DENIED: login refused; TRANSIENT: all else. */
int bus_connect(struct bus **out, const struct bus_options *options, struct error *err) MUST_CHECK;
/* Closes politely when healthy, drops the socket otherwise; at most 2 s. */
void bus_free(struct bus **bus);
bool bus_is_dead(const struct bus *bus);    /* true also for NULL */
bool bus_is_blocked(const struct bus *bus); /* the broker has blocked publishing (memory alarm) */

/*
 * Declarations. CONFLICT: exists with other arguments (the text names them); GONE: a passive one
 * does not exist. Both leave the connection usable. *count, if not NULL, is the number of ready
 * messages.
 */
int bus_declare_exchange(struct bus *bus, const char *name, const char *type, bool passive,
	struct error *err) MUST_CHECK;
int bus_declare_queue(struct bus *bus, const struct queue_spec *spec, uint32_t *count,
	struct error *err) MUST_CHECK;
int bus_bind(struct bus *bus, const char *queue, const char *exchange, const char *key,
	struct error *err) MUST_CHECK;

/* Starts and stops the one consumer of this connection: manual ack, prefetch 1. */
int bus_consume(struct bus *bus, const char *queue, struct error *err) MUST_CHECK;
int bus_cancel(struct bus *bus, struct error *err) MUST_CHECK;

/*
 * Waits up to timeout_ms for one message. 1 with *out (strings in the arena), 0 when the time is
 * up, -1 TRANSIENT when the connection died or the consumer was cancelled by the broker. One
 * delivery is held at a time: the next call comes after bus_ack.
 */
int bus_receive(struct bus *bus, struct arena *arena, size_t max_bytes, int timeout_ms,
	struct delivery *out, struct error *err) MUST_CHECK;

int bus_ack(struct bus *bus, uint64_t tag, struct error *err) MUST_CHECK;

/*
 * Publishes on channel 1 and waits for the broker's confirm up to timeout_ms (while the broker
 * blocks publishing the wait goes on, until options.stop). GONE: unroutable or no such exchange;
 * TRANSIENT: connection died, negative confirm or no confirm in time.
 */
int bus_publish(struct bus *bus, const struct message *message, int timeout_ms,
	struct error *err) MUST_CHECK;

/* The same for a reply on channel 2, which is opened again after the broker closed it. */
int bus_reply(struct bus *bus, const struct message *message, int timeout_ms,
	struct error *err) MUST_CHECK;

/*
 * Sends the heartbeat that is due and notes what arrived, without blocking: cancel or close mark
 * the connection dead, blocked sets the flag, a second delivery is a protocol error. Call at least
 * every second while a delivery is held. False when the connection is dead.
 */
bool bus_tick(struct bus *bus);

#endif
