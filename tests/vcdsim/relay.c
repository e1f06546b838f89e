/* SPDX-License-Identifier: MIT */
/*
 * The edge's DNAT as a TCP relay: one listener per enabled rule, one thread for all. Towards the
 * guest a connection comes from the network's gateway, as the edge's would. Connections of guests
 * are refused: the edge does no hairpin.
 *
 * relay_sync changes the list of rules; only the thread closes sockets and frees.
 */
#include "tests/vcdsim/guest.h"

#include "common/json.h"
#include "common/mem.h"
#include "common/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PIPE_BYTES = 16 * 1024, NETWORKS_MAX = 64, KEY_SIZE = 128 };

struct relay_rule {
	struct relay_rule *next;
	char key[KEY_SIZE]; /* "external:port>internal:port@gateway" */
	struct sockaddr_in inside, gateway;
	int fd;
	bool drop;   /* the firewall swallows everything */
	bool wanted; /* false: the thread closes it and its connections */
};

/* Two sockets, [0] of the client and [1] towards the guest, and what waits to be written to each
 * other. */
struct relay_pair {
	struct relay_pair *next;
	struct relay_rule *rule;
	int fd[2];
	char data[2][PIPE_BYTES]; /* data[0] came from fd[0] */
	size_t begin[2], end[2];
	bool ended[2];	/* no more bytes come from fd[i] */
	bool shut[2];	/* fd[i] was told that no more bytes come */
	size_t slot[2]; /* in this round's poll set */
};

struct relay_network {
	uint32_t gateway, mask; /* host byte order */
};

struct relay {
	pthread_t thread;
	pthread_mutex_t lock; /* protects all below */
	struct relay_rule *rules;
	struct relay_pair *pairs;
	struct relay_network networks[NETWORKS_MAX];
	size_t network_count;
	char failed[KEY_SIZE]; /* the last rule whose listener could not be made */
	int wake;	       /* eventfd */
	bool stop;
};

static void close_open(int fd)
{
	if (fd >= 0)
		(void)close(fd);
}

static bool is_guest(const struct relay *relay, uint32_t address)
{
	for (size_t i = 0; i < relay->network_count; i++)
		if (((address ^ relay->networks[i].gateway) & relay->networks[i].mask) == 0)
			return true;
	return false;
}

/* A connection in progress to the guest, from the gateway's address; -1 when refused at once. */
static int connect_inside(const struct relay_rule *rule)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (bind(fd, (const struct sockaddr *)&rule->gateway, sizeof(rule->gateway)) != 0 ||
		(connect(fd, (const struct sockaddr *)&rule->inside, sizeof(rule->inside)) != 0 &&
			errno != EINPROGRESS)) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

static void rule_accept(struct relay *relay, struct relay_rule *rule)
{
	struct sockaddr_in peer = {0};
	socklen_t len = sizeof(peer);
	int fd = accept4(rule->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	int inside = -1;
	if (!rule->drop) {
		inside = is_guest(relay, ntohl(peer.sin_addr.s_addr)) ? -1 : connect_inside(rule);
		if (inside < 0) {
			(void)close(fd);
			return;
		}
	}
	struct relay_pair *pair = xcalloc(1, sizeof(*pair));
	pair->rule = rule;
	pair->fd[0] = fd;
	pair->fd[1] = inside;
	pair->next = relay->pairs;
	relay->pairs = pair;
}

/* Moves bytes one way; false when the pair is to be closed. */
static bool pair_move(struct relay_pair *pair, int from, short ready_from, short ready_to)
{
	int to = !from;

	if (pair->begin[from] == pair->end[from] && !pair->ended[from] &&
		(ready_from & (POLLIN | POLLHUP | POLLERR))) {
		ssize_t got = read(pair->fd[from], pair->data[from], PIPE_BYTES);
		if (got < 0 && errno != EAGAIN)
			return false;
		pair->ended[from] = got == 0;
		pair->begin[from] = 0;
		pair->end[from] = got > 0 ? (size_t)got : 0;
		ready_to |= POLLOUT;
	}
	if (pair->begin[from] < pair->end[from] && (ready_to & (POLLOUT | POLLERR))) {
		ssize_t put = send(pair->fd[to], pair->data[from] + pair->begin[from],
			pair->end[from] - pair->begin[from], MSG_NOSIGNAL);
		if (put < 0 && errno != EAGAIN)
			return false;
		pair->begin[from] += put > 0 ? (size_t)put : 0;
	}
	if (pair->ended[from] && pair->begin[from] == pair->end[from] && !pair->shut[to]) {
		pair->shut[to] = true;
		(void)shutdown(pair->fd[to], SHUT_WR);
	}
	return true;
}

/* A round's events of one pair; false when it is over. */
static bool pair_run(struct relay_pair *pair, const struct pollfd *set)
{
	short ready[2] = {set[pair->slot[0]].revents, 0};

	if (pair->fd[1] < 0) /* swallowed: only the client's leaving counts */
		return !(ready[0] & (POLLHUP | POLLRDHUP | POLLERR));
	ready[1] = set[pair->slot[1]].revents;
	return pair_move(pair, 0, ready[0], ready[1]) && pair_move(pair, 1, ready[1], ready[0]) &&
	       !(pair->shut[0] && pair->shut[1]);
}

static void pair_free(struct relay_pair *pair)
{
	close_open(pair->fd[0]);
	close_open(pair->fd[1]);
	free(pair);
}

static short pair_events(const struct relay_pair *pair, int side)
{
	short events = 0;

	if (pair->fd[1] < 0)
		return POLLRDHUP;
	if (pair->begin[side] == pair->end[side] && !pair->ended[side])
		events |= POLLIN;
	if (pair->begin[!side] < pair->end[!side])
		events |= POLLOUT;
	return events;
}

/* The poll set of a round: slot 0 is the wake-up, then rules, then pairs. */
static struct pollfd *poll_set(struct relay *relay, size_t *count)
{
	size_t size = 1;

	for (const struct relay_rule *rule = relay->rules; rule; rule = rule->next)
		size++;
	for (const struct relay_pair *pair = relay->pairs; pair; pair = pair->next)
		size += 2;
	struct pollfd *set = xcalloc(size, sizeof(*set));
	set[0] = (struct pollfd){.fd = relay->wake, .events = POLLIN};
	*count = 1;
	for (const struct relay_rule *rule = relay->rules; rule; rule = rule->next)
		set[(*count)++] = (struct pollfd){.fd = rule->fd, .events = POLLIN};
	for (struct relay_pair *pair = relay->pairs; pair; pair = pair->next) {
		for (int side = 0; side < 2; side++) {
			short events = pair_events(pair, side);
			pair->slot[side] = *count;
			/* Without an interest the descriptor stays out: a hang-up would spin. */
			set[(*count)++] = (struct pollfd){
				.fd = events ? pair->fd[side] : -1, .events = events};
		}
	}
	return set;
}

/* Handles a round. New rules and pairs are in front of the lists; `known` were in the poll set. */
static void events_handle(struct relay *relay, const struct pollfd *set, struct relay_rule *known)
{
	size_t slot = 1;
	struct relay_pair **link = &relay->pairs;

	while (*link) {
		struct relay_pair *pair = *link;
		if (pair->rule->wanted && pair_run(pair, set)) {
			link = &pair->next;
		} else {
			*link = pair->next;
			pair_free(pair);
		}
	}
	for (struct relay_rule *rule = known; rule; rule = rule->next)
		if (set[slot++].revents & POLLIN)
			rule_accept(relay, rule);
}

static void rules_clean(struct relay *relay)
{
	struct relay_rule **link = &relay->rules;

	while (*link) {
		struct relay_rule *rule = *link;
		if (rule->wanted) {
			link = &rule->next;
			continue;
		}
		*link = rule->next;
		close_open(rule->fd);
		free(rule);
	}
}

static void *relay_run(void *data)
{
	struct relay *relay = data;

	pthread_mutex_lock(&relay->lock);
	while (!relay->stop) {
		size_t count;
		struct pollfd *set = poll_set(relay, &count);
		struct relay_rule *known = relay->rules;
		uint64_t woken;

		pthread_mutex_unlock(&relay->lock);
		(void)poll(set, count, -1);
		pthread_mutex_lock(&relay->lock);
		if (set[0].revents)
			(void)!read(relay->wake, &woken, sizeof(woken));
		events_handle(relay, set, known);
		rules_clean(relay);
		free(set);
	}
	pthread_mutex_unlock(&relay->lock);
	return NULL;
}

static void relay_wake(const struct relay *relay)
{
	uint64_t one = 1;

	(void)!write(relay->wake, &one, sizeof(one));
}

struct relay *relay_new(struct error *err)
{
	struct relay *relay = xcalloc(1, sizeof(*relay));

	relay->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	(void)pthread_mutex_init(&relay->lock, NULL);
	int failed =
		relay->wake < 0 ? errno : pthread_create(&relay->thread, NULL, relay_run, relay);
	if (failed) {
		close_open(relay->wake);
		free(relay);
		(void)error_sys(err, ERR_INTERNAL, failed, "start the DNAT relay");
		return NULL;
	}
	return relay;
}

void relay_free(struct relay **out)
{
	struct relay *relay = STEAL(*out);

	if (!relay)
		return;
	pthread_mutex_lock(&relay->lock);
	relay->stop = true;
	pthread_mutex_unlock(&relay->lock);
	relay_wake(relay);
	(void)pthread_join(relay->thread, NULL);
	for (struct relay_rule *rule = relay->rules; rule; rule = rule->next)
		rule->wanted = false;
	while (relay->pairs) {
		struct relay_pair *pair = relay->pairs;
		relay->pairs = pair->next;
		pair_free(pair);
	}
	rules_clean(relay);
	(void)close(relay->wake);
	(void)pthread_mutex_destroy(&relay->lock);
	free(relay);
}

static bool parse_address(const char *text, int64_t port, struct sockaddr_in *out)
{
	*out = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	return inet_pton(AF_INET, text, &out->sin_addr) == 1;
}

/* Reads gateway and mask of every subnet. */
static void networks_read(struct sim *sim, struct relay *relay)
{
	relay->network_count = 0;
	for (size_t i = 0; sim->networks && i < json_object_array_length(sim->networks); i++) {
		struct json_object *values =
			json_at(json_object_array_get_idx(sim->networks, i), "subnets.values");
		for (size_t j = 0; values && j < json_object_array_length(values) &&
				   relay->network_count < NETWORKS_MAX;
			j++) {
			struct json_object *subnet = json_object_array_get_idx(values, j);
			struct sockaddr_in gateway;
			int64_t bits = json_int(subnet, "prefixLength", 24);
			if (!parse_address(json_str(subnet, "gateway", ""), 0, &gateway) ||
				bits < 1 || bits > 32)
				continue;
			relay->networks[relay->network_count++] =
				(struct relay_network){.gateway = ntohl(gateway.sin_addr.s_addr),
					.mask = (uint32_t)(UINT32_MAX << (32 - bits))};
		}
	}
}

/* The port behind the rule: its application port profile's, else the one in front. */
static int64_t inside_port(struct sim *sim, struct json_object *rule, int64_t outside)
{
	const char *id = json_str(rule, "applicationPortProfile.id", NULL);
	struct json_object *profile =
		id && sim->port_profiles ? find_doc(sim->port_profiles, id) : NULL;
	struct json_object *ports = json_at(profile, "applicationPorts");
	struct json_object *first =
		ports ? json_at(json_object_array_get_idx(ports, 0), "destinationPorts") : NULL;
	const char *text =
		first ? json_object_get_string(json_object_array_get_idx(first, 0)) : NULL;
	int64_t port = outside;

	if (text && !str_to_int(text, 1, 65535, &port))
		return outside;
	return port;
}

/* What a rule document asks of the relay; false when nothing. */
static bool rule_read(struct sim *sim, const struct relay *relay, struct json_object *doc,
	struct relay_rule *out, struct sockaddr_in *outside)
{
	int64_t port = 0;
	const char *kind = json_str(doc, "ruleType", json_str(doc, "type", ""));
	const char *external = json_str(doc, "externalAddresses", "");
	const char *internal = json_str(doc, "internalAddresses", "");

	if (!str_eq(kind, "DNAT") || !json_flag(doc, "enabled", true) ||
		!str_to_int(json_str(doc, "dnatExternalPort", ""), 1, 65535, &port))
		return false;
	int64_t behind = inside_port(sim, doc, port);
	if (!parse_address(external, port, outside) ||
		!parse_address(internal, behind, &out->inside))
		return false;
	uint32_t address = ntohl(out->inside.sin_addr.s_addr);
	out->gateway = (struct sockaddr_in){.sin_family = AF_INET};
	for (size_t i = 0; i < relay->network_count; i++) {
		const struct relay_network *network = &relay->networks[i];
		if (((address ^ network->gateway) & network->mask) == 0)
			out->gateway.sin_addr.s_addr = htonl(network->gateway);
	}
	(void)snprintf(out->key, sizeof(out->key), "%s:%d>%s:%d", external, (int)port, internal,
		(int)behind);
	return true;
}

/* A failure is told once, although every tick tries again. */
static int listen_outside(struct relay *relay, const struct sockaddr_in *outside, const char *key)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
		bind(fd, (const struct sockaddr *)outside, sizeof(*outside)) != 0 ||
		listen(fd, 64) != 0) {
		if (!str_eq(relay->failed, key)) {
			(void)snprintf(relay->failed, sizeof(relay->failed), "%s", key);
			(void)fprintf(stderr, "vcdsim: DNAT %s: %s\n", key, strerror(errno));
		}
		close_open(fd);
		return -1;
	}
	return fd;
}

static struct relay_rule *rule_find(
	const struct relay *relay, const struct relay_rule *like, bool drop)
{
	for (struct relay_rule *rule = relay->rules; rule; rule = rule->next)
		if (str_eq(rule->key, like->key) && rule->drop == drop && rule->fd >= 0)
			return rule;
	return NULL;
}

static void rule_open(struct relay *relay, const struct relay_rule *wanted,
	const struct sockaddr_in *outside, bool drop)
{
	int fd = listen_outside(relay, outside, wanted->key);

	if (fd < 0)
		return;
	struct relay_rule *rule = xcalloc(1, sizeof(*rule));
	*rule = *wanted;
	rule->fd = fd;
	rule->drop = drop;
	rule->wanted = true;
	rule->next = relay->rules;
	relay->rules = rule;
}

/* Marks the rules that have a listener, or makes the listeners that are missing. */
static void rules_match(struct sim *sim, struct relay *relay, bool make)
{
	bool drop = sim->options.firewall_drop != 0;

	for (size_t i = 0; sim->nat_rules && i < json_object_array_length(sim->nat_rules); i++) {
		struct relay_rule wanted = {.fd = -1};
		struct sockaddr_in outside;
		if (!rule_read(sim, relay, json_object_array_get_idx(sim->nat_rules, i), &wanted,
			    &outside))
			continue;
		struct relay_rule *rule = rule_find(relay, &wanted, drop);
		if (rule)
			rule->wanted = true;
		else if (make)
			rule_open(relay, &wanted, &outside, drop);
	}
}

void relay_sync(struct sim *sim)
{
	struct relay *relay = sim->guests ? sim->guests->relay : NULL;
	bool gone = false;

	if (!relay)
		return;
	pthread_mutex_lock(&relay->lock);
	const struct relay_rule *before = relay->rules;
	networks_read(sim, relay);
	for (struct relay_rule *rule = relay->rules; rule; rule = rule->next)
		rule->wanted = false;
	rules_match(sim, relay, false);
	for (struct relay_rule *rule = relay->rules; rule; rule = rule->next) {
		/*
		 * The address must be free at once, also while the thread's poll still holds the
		 * socket; the thread does the rest.
		 */
		if (!rule->wanted) {
			gone = true;
			(void)shutdown(rule->fd, SHUT_RDWR);
			close_open(rule->fd);
			rule->fd = -1;
		}
	}
	rules_match(sim, relay, true);
	bool changed = gone || relay->rules != before;
	pthread_mutex_unlock(&relay->lock);
	if (changed)
		relay_wake(relay);
}

int relay_socket_count(struct sim *sim)
{
	struct relay *relay = sim->guests ? sim->guests->relay : NULL;
	int count = 0;

	if (!relay)
		return 0;
	pthread_mutex_lock(&relay->lock);
	for (const struct relay_rule *rule = relay->rules; rule; rule = rule->next)
		count += rule->wanted;
	for (const struct relay_pair *pair = relay->pairs; pair; pair = pair->next)
		count += (pair->fd[0] >= 0) + (pair->fd[1] >= 0);
	pthread_mutex_unlock(&relay->lock);
	return count;
}
