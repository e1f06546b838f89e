/* SPDX-License-Identifier: MIT */
#include "worker/reconcile.h"

/* More acts than any plan needs within one pass: a step whose act never meets its check ends here.
 */
enum { ACTS_MAX = 500 };

const struct step *plan_first_open(const struct plan *plan, const struct observed *seen,
	enum condition *condition, struct error *why)
{
	for (size_t i = 0; i < plan->count; i++) {
		*condition = plan->steps[i].check(seen, why);
		if (*condition != COND_MET)
			return &plan->steps[i];
	}
	*condition = COND_MET;
	return NULL;
}

int reconcile_look(const struct reconcile *input, const struct step **open,
	enum condition *condition, struct error *err)
{
	const struct step *looked = NULL;

	for (;;) {
		*open = plan_first_open(input->plan, input->seen, condition, err);
		if (*condition != COND_UNSEEN)
			return 0;
		if (*open == looked)
			return error_set(err, ERR_INTERNAL,
				"Step %s asks for more than it declares", looked->name);
		looked = *open;
		if (input->look(input->work, input->seen, looked->needs, err))
			return -1;
	}
}

int reconcile(const struct reconcile *input, struct outcome *out, struct error *err)
{
	*out = (struct outcome){.kind = OUTCOME_AGAIN};
	for (int acts = 0; acts < ACTS_MAX; acts++) {
		enum condition condition;
		int done;

		if (reconcile_look(input, &out->step, &condition, err))
			return -1;
		if (condition == COND_MET) {
			out->kind = OUTCOME_DONE;
			return 0;
		}
		if (condition == COND_FAILED) {
			out->kind = OUTCOME_FAILED;
			return 0;
		}
		if (condition == COND_PENDING || !out->step->act)
			return 0;
		done = input->claim(input->work, out->step, err);
		if (done)
			return done < 0 ? -1 : 0;
		out->acted = true;
		done = out->step->act(input->work, input->seen, err);
		if (done)
			return done < 0 ? -1 : 0;
	}
	return error_set(err, ERR_INTERNAL, "Step %s is never met", out->step->name);
}
