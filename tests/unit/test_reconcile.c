/* SPDX-License-Identifier: MIT */
/* The engine, with a plan that does nothing but count. */
#include "worker/plans/plan.h"

#include "tests/unit/unit.h"

struct script {
	int looks, acts, claims;
};
static struct script script;
static int claim_answer, act_answer;

static enum condition check_scripted(const struct observed *seen, struct error *why)
{
	(void)why;
	if (!(seen->seen & SEE_ENTITY))
		return COND_UNSEEN;
	return seen->resolved ? COND_MET : COND_UNMET;
}

static int act_scripted(struct work *work, struct observed *seen, struct error *err)
{
	(void)work;
	script.acts++;
	if (act_answer < 0)
		return error_set(err, ERR_BUSY, "busy");
	seen->resolved = true;
	return act_answer;
}

static int look_scripted(
	struct work *work, struct observed *seen, unsigned needs, struct error *err)
{
	(void)work;
	(void)err;
	script.looks++;
	seen->seen |= needs;
	return 0;
}

static int claim_scripted(struct work *work, const struct step *step, struct error *err)
{
	(void)work;
	(void)step;
	(void)err;
	script.claims++;
	return claim_answer;
}

static void the_engine_claims_before_it_acts(void **state)
{
	static const struct step steps[] = {
		{"only", "", 1, 1, SEE_ENTITY, check_scripted, act_scripted}};
	static const struct plan plan = {"scripted", steps, ARRAY_LEN(steps)};
	static const struct {
		int claim, act, result, acts;
		enum outcome_kind kind;
	} rows[] = {
		{0, 0, 0, 1, OUTCOME_DONE},
		{0, 1, 0, 1, OUTCOME_AGAIN},
		{0, -1, -1, 1, OUTCOME_AGAIN},
		{1, 0, 0, 0, OUTCOME_AGAIN},
		{-1, 0, -1, 0, OUTCOME_AGAIN},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct observed seen = {0};
		const struct reconcile input = {.plan = &plan,
			.seen = &seen,
			.look = look_scripted,
			.claim = claim_scripted};
		struct outcome outcome;
		struct error err;

		script = (struct script){0};
		claim_answer = rows[i].claim;
		act_answer = rows[i].act;
		assert_int_equal(reconcile(&input, &outcome, &err), rows[i].result);
		assert_int_equal(script.looks, 1);
		assert_int_equal(script.claims, 1);
		assert_int_equal(script.acts, rows[i].acts);
		assert_int_equal(outcome.kind, rows[i].kind);
	}
}
int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_engine_claims_before_it_acts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
