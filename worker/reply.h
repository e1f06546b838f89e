/* SPDX-License-Identifier: MIT */
/* The reply message VCD turns into the client's HTTP response. */
#ifndef WORKER_REPLY_H
#define WORKER_REPLY_H

#include "common/arena.h"
#include "worker/request.h"

void reply_release(struct reply *reply);

/* Makes *reply the error's status and body; keeps a minor code the handler has set. */
void reply_set_error(struct reply *reply, const struct error *err);

/* 429 with the body that says so: no thread may be given to this request now. */
void reply_set_busy(struct reply *reply);

/* A message that could not be read at all: 400 with its reason as a plain text. */
void reply_set_malformed(struct reply *reply, const char *reason);

/* The message's JSON text, in the arena. id "" becomes null; no body becomes {}. */
char *reply_encode(struct arena *arena, const char *id, const struct reply *reply) MUST_CHECK;

#endif
