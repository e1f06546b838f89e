/* SPDX-License-Identifier: MIT */
/*
 * Looking through a queue: take as many messages as wanted, acknowledge some, give the rest back.
 * All that is held goes back by itself when the connection ends, so nothing is ever lost here.
 *
 * Giving back counts as a failed delivery: RabbitMQ 4 drops a message of a quorum queue after
 * twenty of them. Whoever browses again and again has to look at delivery.returned and publish
 * such a message anew before it acknowledges it.
 */
#ifndef COMMON_AMQP_BROWSE_H
#define COMMON_AMQP_BROWSE_H

#include "common/amqp.h"

/*
 * Takes the next message; several may be held. 1 with *out, 0 when the queue has none ready, -1
 * TRANSIENT when the connection died. A missing queue ends the connection: ask for it before.
 */
int bus_get(struct bus *bus, const char *queue, struct arena *arena, size_t max_bytes,
	struct delivery *out, struct error *err) MUST_CHECK;

/* Gives back what is held up to that tag, in its old place. */
int bus_give_back(struct bus *bus, uint64_t up_to_tag, struct error *err) MUST_CHECK;

#endif
