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

/* The entry of that name and kind in a table; NULL when there is none. */
static const amqp_field_value_t *find(const amqp_table_t *table, const char *name)
{
	for (int i = 0; i < table->num_entries; i++) {
		const amqp_table_entry_t *entry = &table->entries[i];

		if (entry->key.len == strlen(name) &&
			memcmp(entry->key.bytes, name, entry->key.len) == 0)
			return &entry->value;
	}
	return NULL;
}

static const char *find_text(struct arena *arena, const amqp_table_t *table, const char *name)
{
	const amqp_field_value_t *value = find(table, name);

	if (!value || (value->kind != AMQP_FIELD_KIND_UTF8 && value->kind != AMQP_FIELD_KIND_BYTES))
		return NULL;
	return copy_bytes(arena, value->value.bytes);
}

/* Brokers choose the width by themselves. */
static int64_t number_of(const amqp_field_value_t *value)
{
	switch (value ? value->kind : 0) {
	case AMQP_FIELD_KIND_I8:
		return value->value.i8;
	case AMQP_FIELD_KIND_U8:
		return value->value.u8;
	case AMQP_FIELD_KIND_I16:
		return value->value.i16;
	case AMQP_FIELD_KIND_U16:
		return value->value.u16;
	case AMQP_FIELD_KIND_I32:
		return value->value.i32;
	case AMQP_FIELD_KIND_U32:
		return value->value.u32;
	case AMQP_FIELD_KIND_I64:
		return value->value.i64;
	case AMQP_FIELD_KIND_U64:
	case AMQP_FIELD_KIND_TIMESTAMP:
		return value->value.u64 < INT64_MAX / 1000 ? (int64_t)value->value.u64 : 0;
	default:
		return 0;
	}
}

/* x-death is a list with the latest move first. */
static void read_death(struct arena *arena, const amqp_table_t *headers, struct delivery *out)
{
	const amqp_field_value_t *deaths = find(headers, "x-death");
	const amqp_field_value_t *first;

	if (!deaths || deaths->kind != AMQP_FIELD_KIND_ARRAY || deaths->value.array.num_entries < 1)
		return;
	first = &deaths->value.array.entries[0];
	if (first->kind != AMQP_FIELD_KIND_TABLE)
		return;
	out->dead_reason = find_text(arena, &first->value.table, "reason");
	out->dead_ms = 1000 * number_of(find(&first->value.table, "time"));
}

static void read_headers(struct arena *arena, const amqp_table_t *headers, struct delivery *out)
{
	out->reply_exchange = find_text(arena, headers, "replyToExchange");
	out->message_type = find_text(arena, headers, "messageType");
	out->returned = number_of(find(headers, "x-delivery-count"));
	read_death(arena, headers, out);
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
	if (properties->_flags & AMQP_BASIC_HEADERS_FLAG)
		read_headers(in->arena, &properties->headers, out);
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
