/* SPDX-License-Identifier: MIT */
/* The DNAT relay: which connections it makes, from where, and when it stops. */
#include "tests/unit/unit.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/str.h"
#include "tests/vcdsim/guest.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define GATEWAY "127.54.0.1"
#define GUEST "127.54.0.10"
#define OUTSIDE "127.64.0.10"

enum { INNER_PORT = 16443 };

static struct sim sim;
static struct sim_guests guests;
static int server;

struct json_object *find_doc(struct json_object *array, const char *id)
{
	struct json_object *first = json_object_array_get_idx(array, 0);

	return str_eq(json_str(first, "id", ""), id) ? first : NULL;
}

static struct sockaddr_in address(const char *text, uint16_t port)
{
	struct sockaddr_in out = {.sin_family = AF_INET, .sin_port = htons(port)};

	assert_int_equal(inet_pton(AF_INET, text, &out.sin_addr), 1);
	return out;
}

static int bound(const char *text, uint16_t port)
{
	struct sockaddr_in own = address(text, port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&own, sizeof(own)), 0);
	return fd;
}

static int setup(void **state)
{
	struct error err;

	(void)state;
	memset(&sim, 0, sizeof(sim));
	sim.guests = &guests;
	sim.networks =
		json_tokener_parse("[{\"id\": \"n\", \"subnets\": {\"values\": "
				   "[{\"gateway\": \"" GATEWAY "\", \"prefixLength\": 24}]}}]");
	sim.port_profiles = json_tokener_parse(
		"[{\"id\": \"p\", \"applicationPorts\": [{\"destinationPorts\": [\"16443\"]}]}]");
	sim.nat_rules = json_tokener_parse(
		"[{\"ruleType\": \"DNAT\", \"enabled\": true, \"externalAddresses\": \"" OUTSIDE
		"\", \"internalAddresses\": \"" GUEST "\", \"dnatExternalPort\": \"6443\","
		"\"applicationPortProfile\": {\"id\": \"p\"}}]");
	guests.relay = relay_new(&err);
	assert_non_null(guests.relay);
	server = bound(GUEST, INNER_PORT);
	assert_int_equal(listen(server, 8), 0);
	relay_sync(&sim);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	relay_free(&guests.relay);
	(void)close(server);
	json_release(&sim.networks);
	json_release(&sim.port_profiles);
	json_release(&sim.nat_rules);
	return 0;
}

/* Connects to the external side; -1 when nobody listens. */
static int dial(const char *from)
{
	struct sockaddr_in peer = address(OUTSIDE, 6443);
	int fd = bound(from, 0);

	if (connect(fd, (const struct sockaddr *)&peer, sizeof(peer)) == 0)
		return fd;
	(void)close(fd);
	return -1;
}

static bool readable(int fd, int timeout_ms)
{
	struct pollfd one = {.fd = fd, .events = POLLIN};

	return poll(&one, 1, timeout_ms) == 1;
}

static int accepted(struct sockaddr_in *peer)
{
	socklen_t len = sizeof(*peer);

	assert_true(readable(server, 2000));
	return accept(server, (struct sockaddr *)peer, &len);
}

static void test_bytes_go_both_ways_from_the_gateway(void **state)
{
	struct sockaddr_in peer;
	char buffer[8] = "";
	int client = dial("127.0.0.1"), inner = accepted(&peer);

	(void)state;
	assert_int_equal(peer.sin_addr.s_addr, address(GATEWAY, 0).sin_addr.s_addr);
	assert_int_equal(send(client, "ping", 4, MSG_NOSIGNAL), 4);
	assert_int_equal(recv(inner, buffer, sizeof(buffer), 0), 4);
	assert_int_equal(send(inner, "pong!", 5, MSG_NOSIGNAL), 5);
	assert_int_equal(recv(client, buffer, sizeof(buffer), 0), 5);
	assert_memory_equal(buffer, "pong!", 5);
	assert_int_equal(relay_socket_count(&sim), 3);
	/* One side may end its half before the other. */
	assert_int_equal(shutdown(client, SHUT_WR), 0);
	assert_int_equal(recv(inner, buffer, sizeof(buffer), 0), 0);
	assert_int_equal(send(inner, "late", 4, MSG_NOSIGNAL), 4);
	assert_int_equal(recv(client, buffer, sizeof(buffer), 0), 4);
	(void)close(inner);
	assert_int_equal(recv(client, buffer, sizeof(buffer), 0), 0);
	(void)close(client);
	for (int i = 0; i < 100 && relay_socket_count(&sim) != 1; i++)
		clock_sleep_ms(10);
	assert_int_equal(relay_socket_count(&sim), 1);
}

/* More than any buffer on the way holds, with a receiver that starts late. */
static void test_a_slow_reader_loses_nothing(void **state)
{
	enum { TOTAL = 8 * 1024 * 1024, CHUNK = 65536 };
	struct sockaddr_in peer;
	int client = dial("127.0.0.1"), inner = accepted(&peer);
	char *chunk = calloc(1, CHUNK);
	size_t sent = 0, got = 0;

	(void)state;
	assert_non_null(chunk);
	while (sent < TOTAL || got < sent) {
		ssize_t put =
			sent < TOTAL ? send(inner, chunk, CHUNK, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
		sent += put > 0 ? (size_t)put : 0;
		if (put <= 0) {
			assert_true(readable(client, 2000));
			ssize_t len = recv(client, chunk, CHUNK, 0);
			assert_true(len > 0);
			got += (size_t)len;
		}
	}
	assert_int_equal(got, sent);
	free(chunk);
	(void)close(client);
	(void)close(inner);
}

static void test_a_guest_is_refused(void **state)
{
	char byte;
	int client = dial("127.54.0.11");

	(void)state;
	assert_true(client >= 0);
	assert_true(readable(client, 2000));
	assert_true(recv(client, &byte, 1, 0) <= 0);
	assert_false(readable(server, 50));
	(void)close(client);
}

static void test_a_rule_that_goes_closes_what_it_made(void **state)
{
	struct sockaddr_in peer;
	char byte;
	int client = dial("127.0.0.1"), inner = accepted(&peer);

	(void)state;
	json_set_bool(json_object_array_get_idx(sim.nat_rules, 0), "enabled", false);
	relay_sync(&sim);
	assert_true(readable(client, 2000));
	assert_true(recv(client, &byte, 1, 0) <= 0);
	assert_int_equal(dial("127.0.0.1"), -1);
	(void)close(client);
	(void)close(inner);
}

static void test_a_changed_rule_listens_elsewhere(void **state)
{
	struct json_object *rule = json_object_array_get_idx(sim.nat_rules, 0);

	(void)state;
	json_set_str(rule, "dnatExternalPort", "6444");
	relay_sync(&sim);
	assert_int_equal(dial("127.0.0.1"), -1);
	json_set_str(rule, "dnatExternalPort", "6443");
	/* The same listener address with another inside is taken over at once. */
	relay_sync(&sim);
	json_set_str(rule, "internalAddresses", "127.54.0.12");
	relay_sync(&sim);
	int client = dial("127.0.0.1");
	assert_true(client >= 0);
	assert_false(readable(server, 50));
	(void)close(client);
}

static void test_a_dropping_firewall_stays_silent(void **state)
{
	int client;

	(void)state;
	sim.options.firewall_drop = 1;
	relay_sync(&sim);
	client = dial("127.0.0.1");
	assert_true(client >= 0);
	assert_int_equal(send(client, "x", 1, MSG_NOSIGNAL), 1);
	assert_false(readable(client, 100));
	assert_false(readable(server, 0));
	(void)close(client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_bytes_go_both_ways_from_the_gateway, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_slow_reader_loses_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_guest_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_rule_that_goes_closes_what_it_made, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_changed_rule_listens_elsewhere, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_dropping_firewall_stays_silent, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
