/* SPDX-License-Identifier: MIT */
#include "worker/parked_entry.h"

#include "common/clock.h"
#include "common/crypto.h"
#include "common/str.h"
#include "worker/park.h"
#include "worker/topology.h"

#include <inttypes.h>
#include <string.h>

enum { RECORD_DEPTH = 8, DIGEST_LENGTH = 16, ID_MAX = 128 };

const char *parked_plain(struct arena *arena, const char *text, bool lines)
{
	char *copy = arena_strdup(arena, str_readable(arena, text));

	for (char *c = copy; *c; c++) {
		bool control = (unsigned char)*c < ' ' && !(lines && *c == '\n');
		/* U+0080 to U+009F: terminals take some of them for the start of a command. */
		bool high = (unsigned char)c[0] == 0xc2 && (unsigned char)c[1] < 0xa0;

		if (control || high || *c == 0x7f)
			*c = ' ';
		if (high)
			c[1] = ' ';
	}
	return copy;
}

static const char *plain(struct arena *arena, const char *text)
{
	return parked_plain(arena, text, false);
}

static const char *digest(struct arena *arena, const struct delivery *delivery)
{
	char hex[CRYPTO_SHA256_HEX];

	crypto_sha256_hex(hex, delivery->body, delivery->body_len);
	return arena_strndup(arena, hex, DIGEST_LENGTH);
}

/* An operation message becomes what the entry is about. */
static bool take_message(
	struct parked_entry *out, struct arena *arena, const char *text, size_t len)
{
	const struct operation_message *message = &out->message;
	struct error ignored;

	if (operation_decode(&out->message, arena, text, len, &ignored))
		return false;
	out->retryable = true;
	if (!str_empty(message->id) && strlen(message->id) <= ID_MAX)
		out->id = plain(arena, message->id);
	out->what = plain(arena, arena_printf(arena, "%s of %s, task %s, pass %" PRId64,
					 operation_name(message->operation), message->cluster,
					 message->task, message->pass));
	return true;
}

static void read_record(struct parked_entry *out, struct arena *arena, struct json_object *record)
{
	struct json_object *message = json_at(record, "message");
	const char *text = message ? json_text(arena, message) : "";

	out->time = plain(arena, json_str(record, "time", ""));
	out->reason = plain(arena, json_str(record, "reason", ""));
	out->record = json_text(arena, record);
	if (str_eq(json_str(record, "kind", ""), "operation")) {
		out->kind = "operation";
		out->what = "unreadable message";
		take_message(out, arena, text, strlen(text));
		return;
	}
	out->kind = "request";
	out->what = plain(
		arena, arena_printf(arena, "request '%s', %" PRId64 " bytes",
			       json_str(record, "id", ""), json_int(record, "body_bytes", 0)));
}

/* The broker moves an operation as it is; here it gets the record it would have had. */
static bool read_moved(
	struct parked_entry *out, struct arena *arena, const struct delivery *delivery)
{
	const char *why = plain(arena, str_or(delivery->dead_reason, "unknown reason"));
	int64_t when_ms = delivery->dead_ms > 0 ? delivery->dead_ms : clock_wall_ms();
	struct error ignored;

	if (!take_message(out, arena, delivery->body, delivery->body_len))
		return false;
	out->reason = arena_printf(arena, "the broker gave it up: %s", why);
	CLEANUP(json_release)
	struct json_object *record = park_record_new("operation", when_ms, out->reason);

	json_set(record, "message",
		json_parse(delivery->body, delivery->body_len, RECORD_DEPTH, &ignored));
	out->kind = "operation";
	out->time = arena_strdup(arena, json_str(record, "time", ""));
	out->record = json_text(arena, record);
	/* Only in the record does the broker's reason outlive being published anew. */
	out->content = out->record;
	out->content_len = strlen(out->record);
	return true;
}

static void read_unknown(
	struct parked_entry *out, struct arena *arena, const struct delivery *delivery)
{
	CLEANUP(json_release)
	struct json_object *record = json_object_new_object();

	out->kind = "unknown";
	out->time = "";
	out->reason = delivery->too_large ? "larger than anything this program parks"
					  : "not written by this program";
	out->what = arena_printf(arena, "%zu bytes", delivery->body_len);
	json_set_str(record, "kind", out->kind);
	json_set_str(record, "reason", out->reason);
	json_set_int(record, "body_bytes", (int64_t)delivery->body_len);
	out->record = json_text(arena, record);
}

static bool is_record(struct json_object *object)
{
	const char *kind = json_str(object, "kind", "");

	return json_int(object, "version", 0) == 1 &&
	       (str_eq(kind, "request") || str_eq(kind, "operation"));
}

void parked_entry_read(
	struct parked_entry *out, struct arena *arena, const struct delivery *delivery)
{
	struct error ignored;
	CLEANUP(json_release)
	struct json_object *object =
		delivery->too_large
			? NULL
			: json_parse(delivery->body, delivery->body_len, RECORD_DEPTH, &ignored);

	*out = (struct parked_entry){.id = digest(arena, delivery),
		.tag = delivery->tag,
		.returned = delivery->returned,
		.content = delivery->too_large ? NULL : delivery->body,
		.content_len = delivery->body_len};
	if (object && is_record(object))
		read_record(out, arena, object);
	else if (!object || !read_moved(out, arena, delivery))
		read_unknown(out, arena, delivery);
}

void parked_entry_next(
	struct operation_message *out, struct arena *arena, const struct parked_entry *entry)
{
	char id[CRYPTO_UUID_SIZE];

	crypto_uuid(id);
	*out = entry->message;
	out->id = arena_strdup(arena, id);
	out->pass = entry->message.pass + 1;
	out->claimed = entry->message.pass;
	out->attempt = 0;
	out->due = "";
}

int64_t parked_entry_life_ms(const struct parked_entry *entry, int64_t now_wall_ms)
{
	int64_t parked_ms, life_ms;

	if (!clock_parse_iso(entry->time, &parked_ms) || parked_ms > now_wall_ms)
		return TOPOLOGY_PARKED_MS;
	life_ms = parked_ms + TOPOLOGY_PARKED_MS - now_wall_ms;
	return life_ms > 0 ? life_ms : 1;
}
