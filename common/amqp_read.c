/* SPDX-License-Identifier: MIT */
/* From the frames of one message to a delivery in the caller's memory. */
#include "common/amqp_wire.h"

#include <string.h>

/* What waits while a message is being read. */
struct reading {
	struct arena *arena;
	struct delivery *out;
	char *body; /* NULL while the body is thrown away */
	size_t at, max_bytes;
};

static const char *copy_bytes(struct arena *arena, amqp_bytes_t bytes)
{
	return arena_strndup(arena, bytes.bytes ? bytes.bytes : "", bytes.len);
}

static const char *header_text(
	struct arena *arena, const amqp_basic_properties_t *properties, const char *name)
{
	if (!(properties->_flags & AMQP_BASIC_HEADERS_FLAG))
		return NULL;
	for (int i = 0; i < properties->headers.num_entries; i++) {
		const amqp_table_entry_t *entry = &properties->headers.entries[i];

		if (entry->key.len != strlen(name) ||
			memcmp(entry->key.bytes, name, entry->key.len) != 0)
			continue;
		if (entry->value.kind == AMQP_FIELD_KIND_UTF8 ||
			entry->value.kind == AMQP_FIELD_KIND_BYTES)
			return copy_bytes(arena, entry->value.value.bytes);
	}
	return NULL;
}

static void read_head(void *data, const amqp_basic_properties_t *properties, uint64_t size)
{
	struct reading *in = data;
	struct delivery *out = in->out;

	if (properties->_flags & AMQP_BASIC_REPLY_TO_FLAG)
		out->reply_to = copy_bytes(in->arena, properties->reply_to);
	if (properties->_flags & AMQP_BASIC_CORRELATION_ID_FLAG)
		out->correlation_id = copy_bytes(in->arena, properties->correlation_id);
	if (properties->_flags & AMQP_BASIC_MESSAGE_ID_FLAG)
		out->message_id = copy_bytes(in->arena, properties->message_id);
	out->reply_exchange = header_text(in->arena, properties, "replyToExchange");
	out->message_type = header_text(in->arena, properties, "messageType");
	out->too_large = size > in->max_bytes;
	out->body_len = out->too_large ? 0 : (size_t)size;
	out->body = "";
	if (!out->too_large)
		out->body = in->body = arena_alloc(in->arena, (size_t)size + 1);
}

static void read_part(void *data, const char *bytes, size_t len)
{
	struct reading *in = data;

	if (!in->body)
		return;
	memcpy(in->body + in->at, bytes, len);
	in->at += len;
}

int wire_read(struct bus *bus, int channel, struct arena *arena, size_t max_bytes,
	struct delivery *out, struct error *err)
{
	struct reading in = {.arena = arena, .out = out, .max_bytes = max_bytes};
	const struct wire_sink sink = {.head = read_head, .part = read_part, .data = &in};

	*out = (struct delivery){0};
	return wire_content(bus, channel, &sink, err);
}
