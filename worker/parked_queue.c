/* SPDX-License-Identifier: MIT */
#include "worker/parked_queue.h"

#include "common/amqp_browse.h"
#include "common/clock.h"
#include "common/mem.h"
#include "worker/connection.h"
#include "worker/topology.h"

#include <stdlib.h>
#include <string.h>

enum {
	ENTRY_MAX_BYTES = 64 * 1024,
	ENTRIES_STEP = 256,
	CONFIRM_MS = 10000,
	/* RabbitMQ 4 allows 20 unless told otherwise. */
	RETURNED_MAX = 5,
	SETTLE_MS = 3000,
	SETTLE_STEP_MS = 20,
};

/* One command at a time: a second one would see an empty queue while the first holds all. */
static int lock_and_look(struct parked_queue *queue, struct error *err)
{
	const struct queue_spec lock = {.name = topology_parked_lock(&queue->arena, queue->config),
		.kind = QUEUE_EXCLUSIVE};
	const struct queue_spec parked = {.name = queue->name, .passive = true};

	if (bus_declare_queue(queue->bus, &parked, NULL, err)) {
		if (err->code == ERR_GONE)
			return error_set(err, ERR_GONE,
				"queue %s does not exist: no worker has run with these settings",
				queue->name);
		return -1;
	}
	if (bus_declare_queue(queue->bus, &lock, NULL, err) == 0)
		return 0;
	if (err->code == ERR_CONFLICT)
		return error_set(err, ERR_CONFLICT,
			"another `cse-worker parked` is at work; try again in a moment");
	return -1;
}

static struct parked_entry *add_entry(struct parked_queue *queue)
{
	size_t size = sizeof(*queue->entries);

	if (queue->count % ENTRIES_STEP == 0)
		queue->entries = xrealloc(queue->entries, (queue->count + ENTRIES_STEP) * size);
	return &queue->entries[queue->count++];
}

static int take_all(struct parked_queue *queue, struct error *err)
{
	struct delivery delivery;
	int got;

	while ((got = bus_get(queue->bus, queue->name, &queue->arena, ENTRY_MAX_BYTES, &delivery,
			err)) > 0)
		parked_entry_read(add_entry(queue), &queue->arena, &delivery);
	return got;
}

int parked_queue_open(struct parked_queue *out, const struct config *config, struct error *err)
{
	*out = (struct parked_queue){.config = config};
	out->name = topology_parked_queue(&out->arena, config);
	if (connection_connect(&out->bus, config, "cse-worker parked", NULL, err) ||
		lock_and_look(out, err) || take_all(out, err)) {
		parked_queue_close(out);
		return -1;
	}
	return 0;
}

int parked_queue_settle(struct parked_queue *queue, struct parked_entry *entry, struct error *err)
{
	if (bus_ack(queue->bus, entry->tag, err))
		return -1;
	entry->settled = true;
	return 0;
}

int parked_queue_retry(struct parked_queue *queue, struct parked_entry *entry, struct error *err)
{
	struct operation_message next;

	parked_entry_next(&next, &queue->arena, entry);
	if (operation_publish(queue->bus, queue->config, &queue->arena, &next, 0, err))
		return -1;
	return parked_queue_settle(queue, entry, err);
}

/* As it was, for the rest of its time. */
static int publish_anew(struct parked_queue *queue, struct parked_entry *entry, struct error *err)
{
	const struct message copy = {.exchange = "",
		.routing_key = queue->name,
		.content_type = "application/json",
		.body = entry->content,
		.body_len = entry->content_len,
		.persistent = true,
		.mandatory = true,
		.expiration_ms = parked_entry_life_ms(entry, clock_wall_ms())};

	if (bus_publish(queue->bus, &copy, CONFIRM_MS, err))
		return -1;
	return parked_queue_settle(queue, entry, err);
}

/* Until the queue shows what was given back: the broker does it some time after it was told. */
static int wait_for_return(struct parked_queue *queue, size_t expected, struct error *err)
{
	const struct queue_spec parked = {.name = queue->name, .passive = true};
	int64_t end = clock_ms() + SETTLE_MS;
	uint32_t ready = 0;

	do {
		if (bus_declare_queue(queue->bus, &parked, &ready, err))
			return -1;
		if (ready >= expected)
			return 0;
		clock_sleep_ms(SETTLE_STEP_MS);
	} while (clock_ms() < end);
	return 0;
}

int parked_queue_give_back(struct parked_queue *queue, struct error *err)
{
	uint64_t last = 0;
	size_t kept = 0;

	for (size_t i = 0; i < queue->count; i++) {
		struct parked_entry *entry = &queue->entries[i];

		if (entry->settled)
			continue;
		kept++;
		if (entry->returned < RETURNED_MAX || !entry->content)
			last = entry->tag;
		else if (publish_anew(queue, entry, err))
			return -1;
	}
	if (last && bus_give_back(queue->bus, last, err))
		return -1;
	return wait_for_return(queue, kept, err);
}

void parked_queue_close(struct parked_queue *queue)
{
	bus_free(&queue->bus);
	free(queue->entries);
	queue->entries = NULL;
	queue->count = 0;
	arena_reset(&queue->arena);
}
