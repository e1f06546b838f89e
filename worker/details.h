/* SPDX-License-Identifier: MIT */
/*
 * The record an operation keeps in its task's Details, one line of at most 1 KB:
 *
 *	cse-worker/1 <deployment> {"op":"create","request":"…","wanted":{…},"claim":{…},…}
 *
 * It is the only thing an operation remembers that cannot be read from VCD again. `wanted` never
 * changes after the task was made; verdict, revivals, doubt and twin are carried forward by every
 * write.
 * If you add a member: extend the table in details.c, keep the line under the limit, keep older
 * lines readable.
 */
#ifndef WORKER_DETAILS_H
#define WORKER_DETAILS_H

#include "common/arena.h"
#include "common/error.h"

enum operation { OPERATION_CREATE, OPERATION_UPDATE, OPERATION_DELETE };

enum { DETAILS_MAX_BYTES = 1024 };

struct details_wanted {
	int64_t workers;      /* -1: not part of this operation */
	int64_t expose;	      /* 0, 1; -1: not part of this operation */
	const char *template; /* NULL: as above, for each string */
	int64_t revision;     /* 0: unset */
	int64_t rollback;     /* 0, 1; -1: unset */
	const char *ssh_sha256;
};

/* Who runs a pass now. A hint that saves work, never a lock. */
struct details_claim {
	int64_t pass; /* 0: never claimed */
	const char *nonce, *worker;
	const char *at;	      /* ISO, VCD's clock */
	bool ended;	      /* the pass is over; the chain sleeps on a rung */
	const char *replaces; /* the nonce found, until the own one was written; not stored */
};

/* The step of a verdict on a request that was not accepted. */
#define ADMISSION_STEP "admission"

struct details_verdict {
	const char *kind; /* "rollback" or "fail"; NULL: none yet */
	const char *step, *cause;
};

struct details {
	const char *deployment;
	enum operation op;
	const char *request;		  /* id of VCD's request, the key against duplicates */
	const char *cluster, *vapp;	  /* URN, uuid; NULL until known */
	const char *vdc, *network, *edge; /* URNs resolved with the caller's token at admission */
	const char *supersedes;		  /* task uuid, for delete */
	struct details_wanted wanted;
	struct details_claim claim;
	int64_t revivals;
	int64_t doubt; /* ms since 1970, VCD's clock: what was sent for then may still appear; 0 */
	/* A create whose entity VCD may have made twice, by its request, see plans/twin.h; NULL:
	 * none. */
	const char *twin;
	struct details_verdict verdict;
};

/* A record with nothing set: wanted members -1. */
struct details details_new(const char *deployment, enum operation op, const char *request);

/*
 * A call of that time (VCD's clock) may take effect later, when nobody looks for it any more: it
 * had no answer, or VCD's own task for it was not seen to end. Who removes things waits until the
 * youngest doubt is timing.delete_wait old.
 */
void details_doubt(struct details *details, int64_t at_ms);

/* The line, in the arena. INTERNAL when it would exceed the limit (the cause is cut first). */
char *details_encode(
	struct arena *arena, const struct details *details, struct error *err) MUST_CHECK;

/*
 * 1 and *out filled (strings in the arena) when the text is a record of ours for this deployment, 0
 * when it is somebody else's or empty, -1 INVALID when it is ours but cannot be read, FORMAT when a
 * newer program wrote it.
 */
int details_decode(struct details *out, struct arena *arena, const char *deployment,
	const char *text, struct error *err) MUST_CHECK;

/* The deployment that a record names, in the arena; NULL when the text is no record. */
const char *details_deployment(struct arena *arena, const char *text);

const char *operation_name(enum operation op); /* "create", "update", "delete" */
bool operation_parse(const char *name, enum operation *out) MUST_CHECK;

#endif
