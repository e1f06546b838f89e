/* SPDX-License-Identifier: MIT */
/*
 * What each thread does now, for people and for the question whether one is stuck. A thread writes
 * its own slot; others take copies. All functions but slots_new() accept a thread without a slot,
 * as in tests.
 */
#ifndef WORKER_SLOT_H
#define WORKER_SLOT_H

#include "worker/thread.h"

#include <pthread.h>

enum slot_kind { SLOT_REQUEST, SLOT_OPERATION, SLOT_RESYNC };

/* A text that is too long for its place is left out. */
struct slot_view {
	enum slot_kind kind;
	char thread[32];
	bool consuming;	     /* connected, objects declared, consumer (if it has one) started */
	bool busy;	     /* works on a delivery */
	int64_t since_ms;    /* clock_ms() of the delivery, or of the end of the last one */
	int64_t deadline_ms; /* clock_ms() after which the thread counts as stuck; 0: none */
	char operation[16];  /* "create"; "" for requests */
	char task[40];	     /* uuid */
	char cluster[96];    /* URN */
	int64_t pass;
	char step[32];	       /* "" before the first one */
	char last_outcome[32]; /* "" before the first delivery ended */
	bool publishing;       /* only a confirm of the broker is waited for */
};

struct slot {
	pthread_mutex_t lock; /* protects view; nothing is called while it is held */
	struct slot_view view;
};

struct slot *slots_new(size_t count) MUST_CHECK;
void slots_free(struct slot **slots, size_t count);

/* Names the slot after its thread; before the thread starts. */
void slot_assign(struct thread_ctx *ctx, struct slot *slot, enum slot_kind kind);

void slot_set_consuming(struct thread_ctx *ctx, bool consuming);

/* A delivery is worked on, for at most allowed_ms: a little more, and the thread counts as stuck.
 */
void slot_begin(struct thread_ctx *ctx, int64_t allowed_ms);
/* What is worked on may take so much longer from now on, as an undo does. */
void slot_allow(struct thread_ctx *ctx, int64_t allowed_ms);
/* Says which pass it is; texts are copied. */
void slot_set_pass(struct thread_ctx *ctx, const char *operation, const char *task,
	const char *cluster, int64_t pass);
void slot_set_step(struct thread_ctx *ctx, const char *step);
/*
 * From now on, and until slot_allow(), only the broker is waited for: that ends soon unless it
 * blocks publishing, and then it may take any time.
 */
void slot_set_publishing(struct thread_ctx *ctx);
/* ctx->blocked has changed. */
void slot_note_blocked(struct thread_ctx *ctx);
/* Ends what slot_begin() began. outcome is one of this program's words. */
void slot_end(struct thread_ctx *ctx, const char *outcome);

void slot_read(struct slot *slot, struct slot_view *out);

#endif
