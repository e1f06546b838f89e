/* SPDX-License-Identifier: MIT */
#include "common/amqp_look.h"
#include "common/buf.h"
#include "common/str.h"
#include "worker/check/row.h"
#include "worker/topology.h"

#include <arpa/inet.h>
#include <string.h>

enum { CONNECT_LIMIT_MS = 5000, DIFFERENCES_MAX_BYTES = 1024 };
/* Quorum queues with dead letters at least once. */
enum { VERSION_MAJOR = 3, VERSION_MINOR = 10 };

/* One good node is enough to work with; all must be good to be without warnings. */
static enum check_result of_one_host(const struct config *config)
{
	return config->broker_hosts.count > 1 ? CHECK_WARN : CHECK_FAIL;
}

static bool is_address(struct arena *arena, const char *host)
{
	unsigned char number[sizeof(struct in6_addr)];
	const char *name = arena_strndup(arena, host, strcspn(host, ":"));

	return host[0] == '[' || inet_pton(AF_INET, name, number) == 1;
}

static bool look_at_node(struct check *check, const char *host)
{
	const struct config *config = &check->state->config;
	enum check_result worst = of_one_host(config);

	if (is_address(&check->arena, host)) {
		check_add(check, worst, host, "give the node by its name",
			"the AMQP library compares certificates with names only");
		return false;
	}
	return check_certificate(check, host, config->broker_tls_ca_file, worst);
}

void check_broker_tls(struct check *check)
{
	const struct config *config = &check->state->config;
	size_t bad = 0;

	if (!config->broker_tls_enabled) {
		check_add(check, CHECK_WARN, "", "set broker.tls.enabled",
			"requests, and the bearer tokens in them, cross the network in the clear");
		return;
	}
	for (size_t i = 0; i < config->broker_hosts.count; i++)
		bad += !look_at_node(check, config->broker_hosts.items[i]);
	if (bad > 1 && bad == config->broker_hosts.count)
		check_add(check, CHECK_FAIL, "", "mend one of them at least: a worker needs one",
			"no node's certificate is trusted");
}

static int connect_to(
	struct check *check, const char *const *host, struct bus **out, struct error *err)
{
	const struct config *config = &check->state->config;
	struct bus_options options = {.hosts = host,
		.host_count = 1,
		.vhost = config->broker_vhost,
		.user = config->broker_user,
		.password = &config->broker_password,
		.heartbeat_s = (int)config->broker_heartbeat_s,
		.tls = config->broker_tls_enabled,
		.ca_file = config->broker_tls_ca_file,
		.cert_file = config->broker_tls_cert_file,
		.key_file = config->broker_tls_key_file,
		.name = "cse-worker check",
		.timeout_ms = CONNECT_LIMIT_MS};

	return bus_connect(out, &options, err);
}

static bool is_old(const char *version)
{
	const char *rest = version;
	int64_t numbers[2] = {0, 0};
	const char *part;
	size_t len;

	for (size_t i = 0; i < ARRAY_LEN(numbers) && (part = str_next(&rest, '.', &len)); i++) {
		char text[8] = "";

		if (len < sizeof(text))
			memcpy(text, part, len);
		if (!str_to_int(text, 0, 9999, &numbers[i]))
			return false;
	}
	return numbers[0] < VERSION_MAJOR ||
	       (numbers[0] == VERSION_MAJOR && numbers[1] < VERSION_MINOR);
}

static bool log_in(struct check *check, const char *const *host)
{
	const struct config *config = &check->state->config;
	struct bus *bus = NULL;
	struct error err;
	const char *version;

	if (connect_to(check, host, &bus, &err)) {
		check_add(check, of_one_host(config), *host,
			err.code == ERR_DENIED
				? "check broker.user, broker.password_file and broker.vhost, and "
				  "the user's permissions on it"
				: "check host and port, and that the broker runs",
			"%s", err.msg);
		return false;
	}
	version = bus_server_version(bus, &check->arena);
	if (is_old(version))
		check_add(check, CHECK_FAIL, *host, "upgrade it to 3.10 or newer",
			"RabbitMQ %s has no quorum queues as they are needed", version);
	else
		check_add(check, CHECK_OK, *host, "", "RabbitMQ %s, user %s, virtual host %s",
			version, config->broker_user, config->broker_vhost);
	if (check->state->bus)
		bus_free(&bus);
	else
		check->state->bus = bus;
	return true;
}

void check_broker_login(struct check *check)
{
	const struct config_strings *hosts = &check->state->config.broker_hosts;
	size_t good = 0;

	for (size_t i = 0; i < hosts->count; i++)
		good += log_in(check, &hosts->items[i]);
	if (good == 0 && hosts->count > 1)
		check_add(check, CHECK_FAIL, "", "mend one of them at least: a worker needs one",
			"no node takes the login");
}

/* "x-message-ttl is '5000', wanted '4000'; …" */
static const char *differences_text(struct arena *arena, const struct bus_look *look)
{
	CLEANUP(buf_release)
	struct buf text = {.max = DIFFERENCES_MAX_BYTES};

	for (size_t i = 0; i < look->count; i++) {
		const struct bus_difference *at = &look->differences[i];

		buf_printf(&text, "%s%s is %s, wanted %s", i ? "; " : "", at->argument,
			*at->found ? at->found : "different", *at->wanted ? at->wanted : "ours");
	}
	if (look->partial)
		buf_add_str(&text, "; perhaps more");
	return arena_strdup(arena, buf_str(&text));
}

/* What a broker says when it is asked for an object; true when it exists. */
static bool judge_answer(
	struct check *check, const char *name, const char *absent, const struct error *err)
{
	if (err->code == ERR_GONE && !*absent)
		check_add(check, CHECK_OK, name, "",
			"not there yet; the worker makes it when it starts");
	else if (err->code == ERR_GONE)
		check_add(check, CHECK_FAIL, name, absent, "does not exist");
	else if (err->code == ERR_DENIED)
		check_add(check, CHECK_FAIL, name,
			"give broker.user the permission to configure it", "%s", err->msg);
	else
		check_add(check, CHECK_FAIL, name,
			"run it again; if it stays, the broker's own log says why", "%s", err->msg);
	return false;
}

/* VCD's exchange is used as it is; ours is declared, so it must be equal. */
static void look_at_exchange(struct check *check, const char *name, const char *type, bool ours)
{
	struct bus_look look;
	struct error err;

	if (bus_look_at_exchange(check->state->bus, &check->arena, name, type, &look, &err)) {
		if (!ours && err.code == ERR_DENIED)
			check_add(check, CHECK_OK, name, "",
				"exists; this user may not see its type");
		else
			judge_answer(check, name,
				ours ? ""
				     : "run `cse install`, or check queues.exchange: VCD publishes "
				       "requests there",
				&err);
		return;
	}
	if (look.count == 0)
		check_add(check, CHECK_OK, name, "", "%s, durable", type);
	else
		check_add(check, ours ? CHECK_FAIL : CHECK_WARN, name,
			ours ? "delete it while no worker runs; the worker makes it again"
			     : "make it again as a direct, durable exchange",
			"%s", differences_text(&check->arena, &look));
}

void check_exchanges(struct check *check)
{
	const struct config *config = &check->state->config;

	look_at_exchange(check, config->queues_exchange, "direct", false);
	look_at_exchange(check, topology_events_exchange(&check->arena, config), "topic", true);
}

static bool is_parked(struct check *check, const struct queue_spec *spec)
{
	return str_eq(spec->name, topology_parked_queue(&check->arena, &check->state->config));
}

static void look_at_queue(struct check *check, const struct queue_spec *spec, bool passive)
{
	struct bus_look look;
	struct error err;

	if (bus_look_at_queue(check->state->bus, &check->arena, spec, &look, &err)) {
		judge_answer(check, spec->name,
			passive ? "make it, or set queues.declare to active" : "", &err);
		return;
	}
	if (look.count == 0 && look.messages > 0 && is_parked(check, spec))
		check_add(check, CHECK_WARN, spec->name, "look at them: cse-worker parked list",
			"%u messages that could not be run or read", look.messages);
	else if (look.count == 0)
		check_add(check, CHECK_OK, spec->name, "", "%u messages, %u consumers",
			look.messages, look.consumers);
	else
		check_add(check, passive ? CHECK_WARN : CHECK_FAIL, spec->name,
			passive ? "it is used as it is; make it again with these arguments when "
				  "you can"
				: "delete it while no worker runs; the worker makes it again",
			"%s (%u messages, %u consumers)", differences_text(&check->arena, &look),
			look.messages, look.consumers);
}

void check_queues(struct check *check)
{
	const struct config *config = &check->state->config;
	struct queue_spec specs[TOPOLOGY_QUEUES];
	size_t count = topology_queues(specs, &check->arena, config);

	for (size_t i = 0; i < count; i++)
		look_at_queue(
			check, &specs[i], i == 0 && str_eq(config->queues_declare, "passive"));
	bus_free(&check->state->bus);
}
