/* SPDX-License-Identifier: MIT */
/* Who may run a pass, and what the search for unfinished work does about a task. */
#include "worker/claim.h"
#include "worker/plans/observed.h"
#include "worker/revival.h"
#include "worker/task_record.h"

#include "common/clock.h"
#include "common/str.h"
#include "tests/unit/unit.h"

enum { SECOND = 1000 };

static const struct config config = {
	.timing_takeover = 300 * SECOND, .timing_orphan_request = 60 * SECOND};

struct fixture {
	struct vcd_task task;
	struct details details;
	char at[CLOCK_ISO_SIZE];
};

/* An accepted operation, claimed by pass 37 at the start. */
static void start(struct fixture *f, enum operation op)
{
	f->task = (struct vcd_task){.status = TASK_RUNNING, .start_ms = 1606122000000};
	f->details = details_new("lab", op, "req");
	f->details.cluster = "urn:vcloud:entity:cse:nativeCluster:1.0.0:1";
	f->details.vapp = "v";
	clock_iso(f->at, f->task.start_ms);
	f->details.claim = (struct details_claim){.pass = 37, .nonce = "aa", .at = f->at};
}

static enum revival judge(const struct fixture *f, int64_t age_s, int64_t lag_s)
{
	return revival_judge(
		&config, &f->task, &f->details, f->task.start_ms + age_s * SECOND, lag_s * SECOND);
}

static void only_an_old_claim_is_taken_over(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, OPERATION_CREATE);
	assert_int_equal(judge(&f, 299, 0), REVIVAL_NONE);
	assert_int_equal(judge(&f, 300, 0), REVIVAL_PASS);
	assert_int_equal(judge(&f, 300, 101), REVIVAL_NONE); /* it may just wait in the queue */
	assert_int_equal(judge(&f, 303, 101), REVIVAL_PASS);
	f.task.status = TASK_ERROR;
	assert_int_equal(judge(&f, 3000, 0), REVIVAL_NONE);
	/* The age is the claim's, not the task's. */
	start(&f, OPERATION_CREATE);
	f.task.start_ms -= 3600 * SECOND;
	assert_int_equal(
		revival_judge(&config, &f.task, &f.details, f.task.start_ms + 3601 * SECOND, 0),
		REVIVAL_NONE);
}

/* C9: what admission did not finish is not finished by a pass. */
static void what_was_never_accepted_is_an_orphan(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, OPERATION_CREATE);
	f.details.claim = (struct details_claim){0};
	assert_int_equal(judge(&f, 299, 0), REVIVAL_NONE);
	assert_int_equal(judge(&f, 300, 0), REVIVAL_PASS); /* its first message was lost */
	f.details.vapp = NULL;
	assert_int_equal(judge(&f, 59, 0), REVIVAL_NONE);
	assert_int_equal(judge(&f, 60, 0), REVIVAL_ORPHAN);
	f.details.cluster = NULL;
	assert_int_equal(judge(&f, 60, 0), REVIVAL_ORPHAN);
	f.details.verdict.kind = "rollback"; /* handed over to passes */
	assert_int_equal(judge(&f, 60, 0), REVIVAL_NONE);
	assert_int_equal(judge(&f, 300, 0), REVIVAL_PASS);
	start(&f, OPERATION_DELETE);
	f.details.claim = (struct details_claim){0};
	assert_int_equal(judge(&f, 299, 0), REVIVAL_NONE);
	assert_int_equal(judge(&f, 300, 0), REVIVAL_ORPHAN);
}

static void c13_the_third_revival_without_an_ended_pass_ends_the_task(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, OPERATION_CREATE);
	for (int64_t revivals = 0; revivals < 2; revivals++) {
		f.details.revivals = revivals;
		assert_int_equal(judge(&f, 300, 0), REVIVAL_PASS);
	}
	f.details.revivals = 2;
	assert_int_equal(judge(&f, 299, 0), REVIVAL_NONE);
	assert_int_equal(judge(&f, 300, 0), REVIVAL_END);
	f.details.claim.ended = true; /* a pass has ended since: no poison */
	assert_int_equal(judge(&f, 300, 0), REVIVAL_PASS);
}

static void a_claim_tells_twins_from_redeliveries(void **state)
{
	static const struct details_claim none = {0};
	static const struct details_claim taken = {.pass = 37, .nonce = "aa"};
	static const struct details_claim revived = {.pass = 38};

	(void)state;
	assert_true(claim_allows(&none, 1, 0, false));
	assert_false(claim_allows(&taken, 36, 36, true));
	assert_false(claim_allows(&taken, 37, 37, false));
	assert_true(claim_allows(&taken, 37, 36, true));
	assert_true(claim_allows(&taken, 38, 37, false));
	assert_true(claim_allows(&taken, 40, 38, false));
	assert_false(claim_allows(&taken, 38, 36, false));
	assert_true(claim_allows(&revived, 38, 38, false));
	assert_false(claim_allows(&revived, 37, 37, false));
	assert_false(claim_allows(&revived, 39, 37, false));
}

static void a_claim_is_lost_to_whoever_wrote_later(void **state)
{
	struct arena arena = {0};
	struct details_claim own = {.pass = 36, .nonce = "zz", .at = "then"};
	struct details_claim other = {.pass = 37, .nonce = "bb"};

	(void)state;
	claim_take(&own, &arena, 37, "worker-1");
	assert_int_equal(own.pass, 37);
	assert_string_equal(own.at, "then"); /* nobody has seen it yet */
	assert_true(claim_is_lost(&own, &other));
	other.nonce = own.nonce;
	assert_false(claim_is_lost(&own, &other));
	other.nonce = NULL; /* left by the resync for this pass */
	assert_false(claim_is_lost(&own, &other));
	other = (struct details_claim){.pass = 36, .nonce = "bb"};
	assert_false(claim_is_lost(&own, &other));
	other.pass = 38;
	assert_true(claim_is_lost(&own, &other));
	/* A redelivery replaces the claim of the delivery that died, and no other one. */
	own = (struct details_claim){.pass = 37, .nonce = "dead"};
	claim_take(&own, &arena, 37, "worker-2");
	other = (struct details_claim){.pass = 37, .nonce = "dead"};
	assert_false(claim_is_lost(&own, &other));
	other.nonce = "twin";
	assert_true(claim_is_lost(&own, &other));
	arena_reset(&arena);
}

/* C4: no later write of another pass removes a verdict; a revival is counted by its claim. */
static void what_others_recorded_is_carried_forward(void **state)
{
	struct details mine = details_new("lab", OPERATION_CREATE, "req");
	struct details fresher = mine;

	(void)state;
	mine.claim.pass = fresher.claim.pass = 3;
	fresher.verdict = (struct details_verdict){"rollback", "join", "x"};
	fresher.revivals = 1;
	details_carry(&mine, &fresher);
	assert_string_equal(mine.verdict.kind, "rollback");
	assert_int_equal(mine.revivals, 1);
	fresher.verdict.kind = NULL; /* a stale write wiped it */
	details_carry(&mine, &fresher);
	assert_string_equal(mine.verdict.kind, "rollback");
	mine.claim.pass = 4; /* the resync's own count, for the pass it sends */
	mine.revivals = 2;
	details_carry(&mine, &fresher);
	assert_int_equal(mine.revivals, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_an_old_claim_is_taken_over),
		cmocka_unit_test(what_was_never_accepted_is_an_orphan),
		cmocka_unit_test(c13_the_third_revival_without_an_ended_pass_ends_the_task),
		cmocka_unit_test(a_claim_tells_twins_from_redeliveries),
		cmocka_unit_test(a_claim_is_lost_to_whoever_wrote_later),
		cmocka_unit_test(what_others_recorded_is_carried_forward),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
