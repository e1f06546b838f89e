/* SPDX-License-Identifier: MIT */
/*
 * The only engine of operations: a plan is a table of steps, each with a pure check over what was
 * seen in VCD and a small act. The engine looks until the checks have what they need, acts on the
 * first step that is not met, and goes on in the same pass with whatever VCD finishes meanwhile.
 */
#ifndef WORKER_RECONCILE_H
#define WORKER_RECONCILE_H

#include "common/error.h"

struct observed; /* facts; made by the plans */
struct work;	 /* what acts need; made by the pass */

enum condition {
	COND_UNMET,
	COND_PENDING, /* VCD or a guest works on it: come back */
	COND_MET,
	COND_UNSEEN, /* cannot be told before the step's `needs` were read */
	COND_FAILED, /* will never be met; the check says why */
};

/*
 * Beside the needs of a step: what its act does is right whatever becomes of the operation, so
 * nobody need ask before it whether the operation is still wanted.
 */
enum { STEP_HARMLESS = 1 << 30 };

struct step {
	const char *name; /* one word, for records and logs */
	const char *text; /* the task's text while the operation stands here, see text_expand() */
	int percent;
	int wait_s;	/* what VCD or the guests usually need here; 0: another pass at once */
	unsigned needs; /* SEE_ bits the check may want, and STEP_HARMLESS */
	enum condition (*check)(const struct observed *seen, struct error *why);
	/*
	 * 0: done or under way, look again now (it cleared the SEE_ bits of what it changed); 1:
	 * started, come back in a later pass after wait_s; -1: failed. NULL: a step that only
	 * waits.
	 */
	int (*act)(struct work *work, struct observed *seen, struct error *err);
};

struct plan {
	const char *name;
	const struct step *steps;
	size_t count;
};

struct reconcile {
	const struct plan *plan;
	struct work *work;
	struct observed *seen;
	/* Reads what is not seen yet of `needs`. */
	int (*look)(struct work *work, struct observed *seen, unsigned needs, struct error *err);
	/* Before each act: 0 go on, 1 not in this pass any more, -1 failed. */
	int (*claim)(struct work *work, const struct step *step, struct error *err);
};

enum outcome_kind {
	OUTCOME_DONE,	/* every step is met */
	OUTCOME_AGAIN,	/* stands at `step`; another pass */
	OUTCOME_FAILED, /* `step` cannot be met; *err says why */
};

struct outcome {
	enum outcome_kind kind;
	const struct step *step; /* where it stands; NULL when done */
	bool acted;
};

/*
 * Looks at what the checks ask for, without acting. *open is the first step that is not met, NULL
 * when each is; *condition is its condition, never COND_UNSEEN, and *err says why for COND_FAILED.
 * -1: a look failed, or *open asks for more than it declares (INTERNAL).
 */
int reconcile_look(const struct reconcile *input, const struct step **open,
	enum condition *condition, struct error *err) MUST_CHECK;

/* Walks the plan. -1: a look, a claim or an act of out->step failed; the class says what that
 * means. */
int reconcile(const struct reconcile *input, struct outcome *out, struct error *err) MUST_CHECK;

/* The check of one step with its facts read: used by the engine, and by tests as they are. */
const struct step *plan_first_open(const struct plan *plan, const struct observed *seen,
	enum condition *condition, struct error *why);

#endif
