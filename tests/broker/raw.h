/* SPDX-License-Identifier: MIT */
/*
 * What a test needs on the other side of the broker and common/amqp.h deliberately lacks: deleting
 * queues, and publishing with headers the way VCD does.
 */
#ifndef TESTS_BROKER_RAW_H
#define TESTS_BROKER_RAW_H

#include "common/base.h"

struct raw;

/* Aborts with a message when the broker of the environment cannot be used. */
struct raw *raw_open(const char *host, int port, const char *user, const char *password);
void raw_close(struct raw **raw);

void raw_delete_queue(struct raw *raw, const char *name);

struct raw_request {
	const char *exchange, *key, *body;
	const char *reply_to, *correlation_id;	   /* NULL: left out */
	const char *reply_exchange, *message_type; /* headers; NULL: left out */
};
void raw_publish(struct raw *raw, const struct raw_request *request);

#endif
