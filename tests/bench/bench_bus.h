/* SPDX-License-Identifier: MIT */
/* What the two bench programs share: a connection straight on librabbitmq, dying on any error. */
#ifndef TESTS_BENCH_BUS_H
#define TESTS_BENCH_BUS_H

#include "common/base.h"

#include <amqp.h>
#include <amqp_framing.h>

struct bench_broker {
	const char *host;
	int port;
	const char *user, *password;
};

/* From CSE_BENCH_HOST, _PORT, _USER and _PASSWORD. */
struct bench_broker bench_broker(void);

/* Prints and exits with 1 unless ok. */
void bench_need(bool ok, const char *what);

/* A connection with channels 1 to `channels` open. */
amqp_connection_state_t bench_connect(const struct bench_broker *broker, int channels);
void bench_disconnect(amqp_connection_state_t conn);

void bench_rpc_ok(amqp_connection_state_t conn, const char *what);

#endif
