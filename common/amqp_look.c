/* SPDX-License-Identifier: MIT */
/*
 * RabbitMQ compares a declaration with what exists, argument by argument, and refuses it at the
 * first one that differs, naming both values. Taking its value over and asking again leads to the
 * next one. The refusal's text is the only place where AMQP shows an object's arguments.
 */
#include "common/amqp_look.h"

#include "common/amqp_wire.h"
#include "common/str.h"

#include <string.h>

enum { ENTRIES_MAX = ARGUMENTS_MAX + BUS_DIFFERENCES };

/* Refused in every new queue, whatever its type; belongs to streams, so not compared in others. */
static const char queue_guard[] = "x-max-age";
/* Refused in every new exchange for its type; compared last in an existing one. */
static const char exchange_guard[] = "alternate-exchange";

static const char none[] = "none";

/* A declaration on its way to equality. */
struct question {
	const char *kind, *name;
	const char *type; /* of an exchange; NULL: a queue */
	bool durable, auto_delete;
	amqp_table_entry_t entries[ENTRIES_MAX];
	amqp_table_t table;
};

static amqp_bytes_t to_bytes(const char *text)
{
	return amqp_cstring_bytes(text);
}

/* From "'v'…" or "the value 'v' of type 't'…" or "none…": the shown value up to `end`. */
static const char *shown_value(struct arena *arena, const char *text, const char *end)
{
	static const char prefix[] = "the value ";
	static const char suffix[] = " of type '";
	const char *stop = end;

	if (str_starts(text, prefix)) {
		text += strlen(prefix);
		for (const char *at = text; (at = strstr(at, suffix)) && at < end; at++)
			stop = at;
	}
	return stop > text ? arena_strndup(arena, text, (size_t)(stop - text)) : "";
}

bool bus_difference_read(struct bus_difference *out, struct arena *arena, const char *text)
{
	static const char start[] = "inequivalent arg '";
	static const char received[] = ": received ";
	static const char current[] = " but current is ";
	const char *name = strstr(text, start);
	const char *quote, *wanted, *found;

	if (!name)
		return false;
	name += strlen(start);
	quote = strchr(name, '\'');
	if (!quote)
		return false;
	*out = (struct bus_difference){
		.argument = arena_strndup(arena, name, (size_t)(quote - name)),
		.wanted = "",
		.found = "",
	};
	wanted = strstr(quote, received);
	found = wanted ? strstr(wanted, current) : NULL;
	if (!found)
		return true;
	out->wanted = shown_value(arena, wanted + strlen(received), found);
	found += strlen(current);
	out->found = shown_value(arena, found, found + strlen(found));
	return true;
}

static amqp_table_entry_t *find_entry(struct question *question, const char *name)
{
	for (int i = 0; i < question->table.num_entries; i++) {
		amqp_bytes_t key = question->entries[i].key;

		if (key.len == strlen(name) && memcmp(key.bytes, name, key.len) == 0)
			return &question->entries[i];
	}
	return NULL;
}

static void remove_entry(struct question *question, amqp_table_entry_t *entry)
{
	if (entry)
		*entry = question->entries[--question->table.num_entries];
}

/* "'text'" without its quotes; NULL when it has none, as when it was cut. */
static const char *unquoted(struct arena *arena, const char *shown)
{
	size_t len = strlen(shown);

	if (len < 2 || shown[0] != '\'' || shown[len - 1] != '\'')
		return NULL;
	return arena_strndup(arena, shown + 1, len - 2);
}

static amqp_field_value_t guess_value(const char *text)
{
	int64_t number;

	if (str_to_int(text, INT64_MIN, INT64_MAX, &number))
		return (amqp_field_value_t){.kind = AMQP_FIELD_KIND_I64, .value.i64 = number};
	if (str_eq(text, "true") || str_eq(text, "false"))
		return (amqp_field_value_t){
			.kind = AMQP_FIELD_KIND_BOOLEAN, .value.boolean = str_eq(text, "true")};
	return (amqp_field_value_t){.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = to_bytes(text)};
}

/* Makes the question ask for what was found, so that the next difference shows. */
static bool adopt(struct question *question, struct arena *arena, const struct bus_difference *seen)
{
	amqp_table_entry_t *entry = find_entry(question, seen->argument);
	const char *text = unquoted(arena, seen->found);

	if (str_eq(seen->found, none)) {
		remove_entry(question, entry);
		return entry != NULL;
	}
	if (!text)
		return false;
	if (str_eq(seen->argument, "durable")) {
		question->durable = str_eq(text, "true");
	} else if (str_eq(seen->argument, "auto_delete")) {
		question->auto_delete = str_eq(text, "true");
	} else if (str_eq(seen->argument, "type")) {
		question->type = text;
	} else {
		if (!entry && question->table.num_entries < ENTRIES_MAX)
			entry = &question->entries[question->table.num_entries++];
		if (!entry)
			return false;
		*entry = (amqp_table_entry_t){
			.key = to_bytes(seen->argument), .value = guess_value(text)};
	}
	return true;
}

static void send_question(struct bus *bus, const struct question *question)
{
	if (question->type)
		amqp_exchange_declare(bus->conn, CHANNEL_DECLARE, to_bytes(question->name),
			to_bytes(question->type), false, question->durable, question->auto_delete,
			false, question->table);
	else
		amqp_queue_declare(bus->conn, CHANNEL_DECLARE, to_bytes(question->name), false,
			question->durable, false, question->auto_delete, question->table);
}

/* 0: equal, as far as it can be seen; 1: *seen differs; -1: *err. */
static int ask(struct bus *bus, struct arena *arena, const struct question *question,
	struct bus_difference *seen, struct error *err)
{
	if (wire_ready_to_declare(bus, err))
		return -1;
	send_question(bus, question);
	if (wire_rpc(bus, CHANNEL_DECLARE, "compare", err) == 0)
		return 0;
	if (err->code != ERR_CONFLICT)
		return error_wrap(err, "%s %s", question->kind, question->name);
	if (!bus_difference_read(seen, arena, err->msg))
		return error_wrap(err, "%s %s", question->kind, question->name);
	return str_eq(seen->argument, queue_guard) || str_eq(seen->argument, exchange_guard) ? 0
											     : 1;
}

static int compare(struct bus *bus, struct arena *arena, struct question *question,
	struct bus_look *out, struct error *err)
{
	while (out->count < BUS_DIFFERENCES) {
		struct bus_difference seen;
		int differs = ask(bus, arena, question, &seen, err);

		if (differs <= 0)
			return differs;
		out->differences[out->count++] = seen;
		if (!adopt(question, arena, &seen))
			break;
	}
	out->partial = true;
	return 0;
}

int bus_look_at_queue(struct bus *bus, struct arena *arena, const struct queue_spec *spec,
	struct bus_look *out, struct error *err)
{
	struct question question = {.kind = "queue", .name = spec->name, .durable = true};
	struct wire_arguments arguments;
	amqp_queue_declare_ok_t *ok;
	int count;

	*out = (struct bus_look){0};
	if (wire_ready_to_declare(bus, err))
		return -1;
	ok = amqp_queue_declare(bus->conn, CHANNEL_DECLARE, to_bytes(spec->name), true, false,
		false, false, amqp_empty_table);
	if (wire_rpc(bus, CHANNEL_DECLARE, "look", err))
		return error_wrap(err, "queue %s", spec->name);
	out->messages = ok ? ok->message_count : 0;
	out->consumers = ok ? ok->consumer_count : 0;
	wire_queue_arguments(&arguments, spec);
	count = arguments.table.num_entries;
	memcpy(question.entries, arguments.entries, (size_t)count * sizeof(*question.entries));
	question.entries[count++] =
		(amqp_table_entry_t){.key = to_bytes(queue_guard), .value = guess_value("guard")};
	question.table = (amqp_table_t){.num_entries = count, .entries = question.entries};
	return compare(bus, arena, &question, out, err);
}

int bus_look_at_exchange(struct bus *bus, struct arena *arena, const char *name, const char *type,
	struct bus_look *out, struct error *err)
{
	struct question question = {
		.kind = "exchange", .name = name, .type = type, .durable = true};

	*out = (struct bus_look){0};
	if (bus_declare_exchange(bus, name, type, true, err))
		return -1;
	question.entries[0] =
		(amqp_table_entry_t){.key = to_bytes(exchange_guard), .value = guess_value("0")};
	question.table = (amqp_table_t){.num_entries = 1, .entries = question.entries};
	return compare(bus, arena, &question, out, err);
}

const char *bus_server_version(const struct bus *bus, struct arena *arena)
{
	const amqp_table_t *table = bus->conn ? amqp_get_server_properties(bus->conn) : NULL;

	for (int i = 0; table && i < table->num_entries; i++) {
		const amqp_table_entry_t *entry = &table->entries[i];

		if (entry->key.len == strlen("version") &&
			memcmp(entry->key.bytes, "version", entry->key.len) == 0 &&
			entry->value.kind == AMQP_FIELD_KIND_UTF8)
			return arena_strndup(arena, entry->value.value.bytes.bytes,
				entry->value.value.bytes.len);
	}
	return "";
}
