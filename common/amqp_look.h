/* SPDX-License-Identifier: MIT */
/*
 * What stands at a broker, compared with what we would declare. Nothing is made or changed: every
 * question carries an argument that RabbitMQ refuses in a new object and does not look at in an
 * existing one.
 */
#ifndef COMMON_AMQP_LOOK_H
#define COMMON_AMQP_LOOK_H

#include "common/amqp.h"

/* One argument; the texts are the broker's: "'5000'", "none", or "" when its answer was cut. */
struct bus_difference {
	const char *argument, *wanted, *found;
};

enum { BUS_DIFFERENCES = 16 };
struct bus_look {
	uint32_t messages, consumers; /* of a queue */
	struct bus_difference differences[BUS_DIFFERENCES];
	size_t count;
	bool partial; /* there may be more: the broker's text did not say enough to go on */
};

/*
 * Compares queue or exchange, one round trip per difference; strings live in the arena. GONE: it
 * does not exist; DENIED: this user may not declare it; TRANSIENT: the connection died. All but the
 * last leave the connection usable.
 */
int bus_look_at_queue(struct bus *bus, struct arena *arena, const struct queue_spec *spec,
	struct bus_look *out, struct error *err) MUST_CHECK;
int bus_look_at_exchange(struct bus *bus, struct arena *arena, const char *name, const char *type,
	struct bus_look *out, struct error *err) MUST_CHECK;

/* "3.10.8"; "" when the broker does not say. In the arena. */
const char *bus_server_version(const struct bus *bus, struct arena *arena);

/*
 * Reads "… inequivalent arg 'x' for …: received '1' but current is '2'" and its variants. False
 * when the text is about something else. Pure.
 */
bool bus_difference_read(
	struct bus_difference *out, struct arena *arena, const char *text) MUST_CHECK;

#endif
