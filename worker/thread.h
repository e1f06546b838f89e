/* SPDX-License-Identifier: MIT */
/*
 * What one worker thread owns: an AMQP connection, a VCD client (one curl handle) and an arena.
 * Passed down, never global. Shared between threads, and nothing else: constant configuration,
 * caches (each with its mutex), counters and the stop flag (atomics).
 */
#ifndef WORKER_THREAD_H
#define WORKER_THREAD_H

#include "common/arena.h"
#include "config/config.h"
#include "worker/counters.h"
#include "worker/schedule.h"

#include <stdatomic.h>

struct bus;
struct vcd;
struct vcd_shared;
struct identity_cache;
struct template_cache;
struct slot;

enum { ORG_SLOTS = 64 };

struct shared {
	const struct config *config;
	struct vcd_shared *vcd;		   /* service session (mutex inside) */
	struct identity_cache *identities; /* who a token is (mutex inside) */
	struct template_cache *templates;  /* the catalog (mutex inside) */
	_Atomic bool stop;		   /* SIGTERM: finish what is held, take nothing new */
	_Atomic int slow_requests; /* threads now in handlers that call VCD more than once */
	_Atomic int slow_by_org[ORG_SLOTS]; /* the same, by hash of the org */
	_Atomic int64_t failure_logged_ms;  /* clock_ms() of the last word about the broker… */
	_Atomic int64_t loss_logged_ms;	    /* …and about a connection that was lost */
	_Atomic int request_connections;    /* request threads that are connected now */
	_Atomic int64_t backlog;	    /* requests left that stood in the queue at connect */
	_Atomic unsigned backlogs;	    /* how often such were counted */
	struct lag lag;			    /* how late messages of operations arrive */
	struct counters counters;
	struct slot *slots; /* one of each thread (mutex inside); NULL: none */
	size_t slot_count;
	char worker_id[64]; /* "<host>-<pid>", for claims and logs */
};

struct thread_ctx {
	struct shared *shared;
	char name[32];	    /* "request-3", for logs */
	struct slot *slot;  /* what it does now, for others to read; NULL: untold */
	struct bus *bus;    /* NULL while not connected */
	bool was_connected; /* so the next connection is a reconnect */
	bool blocked;	    /* the broker's block was counted */
	unsigned emptied;   /* the backlog after which the queue was seen empty… */
	unsigned past;	    /* …and nothing of it can reach this thread any more */
	struct vcd *vcd;    /* made on first use */
	struct arena arena; /* reset after each message */
};

#endif
