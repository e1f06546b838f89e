/* SPDX-License-Identifier: MIT */
#include "common/amqp_browse.h"

#include "common/amqp_wire.h"

#include <amqp_framing.h>

int bus_get(struct bus *bus, const char *queue, struct arena *arena, size_t max_bytes,
	struct delivery *out, struct error *err)
{
	amqp_rpc_reply_t reply;
	const amqp_basic_get_ok_t *ok;
	uint64_t tag;
	bool redelivered;

	if (wire_alive(bus, err))
		return -1;
	amqp_maybe_release_buffers(bus->conn);
	reply = amqp_basic_get(bus->conn, CHANNEL_WORK, amqp_cstring_bytes(queue), false);
	if (wire_rpc(bus, CHANNEL_WORK, "get", err)) {
		bus->cause = *err;
		wire_drop(bus);
		return -1;
	}
	if (reply.reply.id == AMQP_BASIC_GET_EMPTY_METHOD)
		return 0;
	if (reply.reply.id != AMQP_BASIC_GET_OK_METHOD)
		return wire_fail(bus, err, "get: unexpected answer of the broker");
	ok = reply.reply.decoded;
	tag = ok->delivery_tag;
	redelivered = ok->redelivered;
	if (wire_read(bus, CHANNEL_WORK, arena, max_bytes, out, err))
		return -1;
	out->tag = tag;
	out->redelivered = redelivered;
	return 1;
}

int bus_give_back(struct bus *bus, uint64_t up_to_tag, struct error *err)
{
	if (wire_alive(bus, err))
		return -1;
	return wire_check(bus, amqp_basic_nack(bus->conn, CHANNEL_WORK, up_to_tag, true, true),
		"give back", err);
}
