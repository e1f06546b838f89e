/* SPDX-License-Identifier: MIT */
/* What a pass knows while it runs, and how it reads and writes its task's record. */
#ifndef WORKER_PASS_STATE_H
#define WORKER_PASS_STATE_H

#include "worker/pass.h"
#include "worker/plans/plan.h"

struct pass {
	struct work work; /* first: the engine hands back only this */
	struct details details;
	struct observed seen;
	const struct operation_message *message;
	bool redelivered;
	int64_t own_claimed; /* the last claim that this chain has written, or has tried to */
	bool claimed;	     /* our claim was written… */
	int64_t claimed_ms;  /* …then, by clock_ms() */
	bool confirmed;	     /* the entity was asked since, see claim_confirm() */
	bool lost; /* another delivery goes on with this operation: nothing more from here */
	int64_t lag_ms;
	struct pass_result *out;
};

/* A step's or an end's text with name, id and number of workers; of the pass's arena. */
const char *pass_text(const struct pass *pass, const char *text);

/* Reads the record again. 1: lost, or ended by somebody else. One GET. */
int pass_read(struct pass *pass, struct error *err) MUST_CHECK;

/* Writes the record with this pass's claim. 1: lost, and nothing was written. One PUT, one GET
 * before it when the last one is old. */
int pass_write(
	struct pass *pass, bool ended, const char *text, int percent, struct error *err) MUST_CHECK;

/*
 * A rule that this pass has sent for, or one that never ended: when it cannot be seen now, whoever
 * removes the cluster has to wait for it.
 */
void pass_note_doubt(struct pass *pass);

#endif
