/* SPDX-License-Identifier: MIT */
#include "tests/bench/bench_bus.h"

#include <amqp_tcp_socket.h>
#include <stdio.h>
#include <stdlib.h>

void bench_need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bench: %s failed\n", what);
	exit(1);
}

static const char *need_env(const char *name)
{
	const char *value = getenv(name);

	bench_need(value != NULL, name);
	return value;
}

struct bench_broker bench_broker(void)
{
	return (struct bench_broker){.host = need_env("CSE_BENCH_HOST"),
		.port = (int)strtol(need_env("CSE_BENCH_PORT"), NULL, 10),
		.user = need_env("CSE_BENCH_USER"),
		.password = need_env("CSE_BENCH_PASSWORD")};
}

void bench_rpc_ok(amqp_connection_state_t conn, const char *what)
{
	bench_need(amqp_get_rpc_reply(conn).reply_type == AMQP_RESPONSE_NORMAL, what);
}

amqp_connection_state_t bench_connect(const struct bench_broker *broker, int channels)
{
	amqp_connection_state_t conn = amqp_new_connection();
	amqp_socket_t *sock = amqp_tcp_socket_new(conn);

	bench_need(amqp_socket_open(sock, broker->host, broker->port) == AMQP_STATUS_OK, "connect");
	bench_need(amqp_login(conn, "/", 0, 32768, 0, AMQP_SASL_METHOD_PLAIN, broker->user,
			   broker->password)
				   .reply_type == AMQP_RESPONSE_NORMAL,
		"login");
	for (int channel = 1; channel <= channels; channel++) {
		amqp_channel_open(conn, (amqp_channel_t)channel);
		bench_rpc_ok(conn, "open channel");
	}
	return conn;
}

void bench_disconnect(amqp_connection_state_t conn)
{
	amqp_connection_close(conn, AMQP_REPLY_SUCCESS);
	amqp_destroy_connection(conn);
}
