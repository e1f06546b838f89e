/* SPDX-License-Identifier: MIT */
#include "worker/topology.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/str.h"

#include <inttypes.h>

enum { DELIVERY_LIMIT = 5, PARKED_MAX = 10000, MISSING_PAUSE_MS = 500 };

const char *topology_request_queue(const struct config *config)
{
	return config->queues_routing_key;
}

const char *topology_operations_queue(struct arena *arena, const struct config *config)
{
	return arena_printf(arena, "%s.operations", config->queues_prefix);
}

const char *topology_delay_queue(struct arena *arena, const struct config *config, int64_t ms)
{
	if (ms % 1000 == 0)
		return arena_printf(arena, "%s.operations.delay.%" PRId64 "s",
			config->queues_prefix, ms / 1000);
	return arena_printf(arena, "%s.operations.delay.%" PRId64 ".%03" PRId64 "s",
		config->queues_prefix, ms / 1000, ms % 1000);
}

const char *topology_parked_queue(struct arena *arena, const struct config *config)
{
	return arena_printf(arena, "%s.parked", config->queues_prefix);
}

const char *topology_parked_lock(struct arena *arena, const struct config *config)
{
	return arena_printf(arena, "%s.parked.lock", config->queues_prefix);
}

const char *topology_leader_queue(struct arena *arena, const struct config *config)
{
	return arena_printf(arena, "%s.resync.leader", config->queues_prefix);
}

const char *topology_events_exchange(struct arena *arena, const struct config *config)
{
	return arena_printf(arena, "%s.events", config->queues_prefix);
}

/* No dead-letter target: requests carry bearer tokens, and VCD has answered the caller by then. */
static struct queue_spec request_queue(const struct config *config)
{
	return (struct queue_spec){.name = topology_request_queue(config),
		.kind = QUEUE_QUORUM,
		.ttl_ms = config->timing_request_ttl};
}

/*
 * A queue with consumers. When one was deleted and is made again before all its consumers were
 * told, RabbitMQ 3.10 tells them nothing: each takes one message to itself and waits for ever. So
 * whoever finds the queue missing gives the broker time first.
 */
static int declare_consumed(struct bus *bus, const struct queue_spec *spec, struct error *err)
{
	struct queue_spec existing = {.name = spec->name, .passive = true};

	if (bus_declare_queue(bus, &existing, NULL, err) == 0)
		return bus_declare_queue(bus, spec, NULL, err);
	if (err->code != ERR_GONE)
		return -1;
	clock_sleep_ms(MISSING_PAUSE_MS);
	return bus_declare_queue(bus, spec, NULL, err);
}

/* An existing queue of other making: used as it is, and said what it lacks. */
static int use_request_queue(
	struct bus *bus, const struct config *config, uint32_t *backlog, struct error *err)
{
	struct queue_spec wanted = request_queue(config);
	struct queue_spec existing = {.name = wanted.name, .passive = true};
	struct error differs;

	if (bus_declare_queue(bus, &existing, backlog, err))
		return -1;
	if (bus_declare_queue(bus, &wanted, NULL, &differs) == 0) {
		*backlog = 0; /* made as we would: nothing in it is old */
		return 0;
	}
	if (bus_is_dead(bus)) {
		*err = differs;
		return -1;
	}
	log_event(LOG_WARN, "queue.differs", LOG_STR("queue", wanted.name),
		LOG_STR("reason", differs.msg));
	return 0;
}

static int declare_requests(
	struct bus *bus, const struct config *config, uint32_t *backlog, struct error *err)
{
	struct queue_spec wanted = request_queue(config);

	if (bus_declare_exchange(bus, config->queues_exchange, "direct", true, err))
		return -1;
	if (str_eq(config->queues_declare, "passive"))
		return use_request_queue(bus, config, backlog, err);
	if (declare_consumed(bus, &wanted, err))
		return -1;
	return bus_bind(bus, wanted.name, config->queues_exchange, config->queues_routing_key, err);
}

size_t topology_queues(
	struct queue_spec out[TOPOLOGY_QUEUES], struct arena *arena, const struct config *config)
{
	const char *parked = topology_parked_queue(arena, config);
	const char *operations = topology_operations_queue(arena, config);
	size_t count = 0;

	out[count++] = request_queue(config);
	out[count++] = (struct queue_spec){
		.name = parked, .max_length = PARKED_MAX, .ttl_ms = TOPOLOGY_PARKED_MS};
	out[count++] = (struct queue_spec){.name = operations,
		.delivery_limit = DELIVERY_LIMIT,
		.dead_letter_exchange = "",
		.dead_letter_key = parked};
	for (size_t i = 0; i < ARRAY_LEN(config->timing_rungs); i++) {
		int64_t ms = config->timing_rungs[i];

		out[count++] = (struct queue_spec){.name = topology_delay_queue(arena, config, ms),
			.ttl_ms = ms,
			.dead_letter_exchange = "",
			.dead_letter_key = operations,
			.dead_letter_at_least_once = true};
	}
	return count;
}

/* All but the first, which may be somebody else's. */
static int declare_operations(
	struct bus *bus, const struct config *config, struct arena *arena, struct error *err)
{
	struct queue_spec specs[TOPOLOGY_QUEUES];
	size_t count = topology_queues(specs, arena, config);

	for (size_t i = 1; i < count; i++) {
		bool consumed = str_eq(specs[i].name, topology_operations_queue(arena, config));

		if (consumed ? declare_consumed(bus, &specs[i], err)
			     : bus_declare_queue(bus, &specs[i], NULL, err))
			return -1;
	}
	return bus_declare_exchange(
		bus, topology_events_exchange(arena, config), "topic", false, err);
}

int topology_declare(struct bus *bus, const struct config *config, struct arena *arena,
	uint32_t *backlog, struct error *err)
{
	uint32_t ready = 0;

	if (declare_requests(bus, config, &ready, err))
		return -1;
	if (backlog)
		*backlog = ready;
	return declare_operations(bus, config, arena, err);
}
