/* SPDX-License-Identifier: MIT */
/* What a thread's slot shows from one delivery to the next. */
#include "common/clock.h"
#include "tests/unit/unit.h"
#include "worker/slot.h"

static struct thread_ctx ctx = {.name = "operation-3"};
static struct slot *slots;

static struct slot_view look(void)
{
	struct slot_view view;

	slot_read(&slots[0], &view);
	return view;
}

static void a_pass_shows_until_it_ends(void **state)
{
	struct slot_view view = look();

	(void)state;
	assert_string_equal(view.thread, "operation-3");
	assert_false(view.busy);
	slot_begin(&ctx, 45000);
	slot_set_pass(&ctx, "create", "t-1", "urn:x", 7);
	slot_set_step(&ctx, "boot");
	view = look();
	assert_true(view.busy);
	assert_string_equal(view.operation, "create");
	assert_string_equal(view.task, "t-1");
	assert_string_equal(view.cluster, "urn:x");
	assert_string_equal(view.step, "boot");
	assert_int_equal(view.pass, 7);
	slot_end(&ctx, "again");
	view = look();
	assert_false(view.busy);
	assert_string_equal(view.task, "");
	assert_string_equal(view.step, "");
	assert_int_equal(view.pass, 0);
	assert_string_equal(view.last_outcome, "again");
}

static void only_work_has_a_deadline(void **state)
{
	(void)state;
	assert_int_equal(look().deadline_ms, 0);
	slot_begin(&ctx, 45000);
	assert_true(look().deadline_ms >= clock_ms() + 45000);
	assert_true(look().deadline_ms < clock_ms() + 60000);
	slot_set_publishing(&ctx);
	assert_true(look().deadline_ms < clock_ms() + 40000);
	/* A broker that blocks may take any time. */
	ctx.blocked = true;
	slot_note_blocked(&ctx);
	assert_int_equal(look().deadline_ms, 0);
	assert_true(look().busy);
	ctx.blocked = false;
	slot_note_blocked(&ctx);
	assert_true(look().deadline_ms > clock_ms());
	/* An undo after a publish that failed. */
	slot_allow(&ctx, 300000);
	assert_true(look().deadline_ms >= clock_ms() + 290000);
	slot_end(&ctx, "last");
	assert_int_equal(look().deadline_ms, 0);
	slot_allow(&ctx, 300000);
	assert_int_equal(look().deadline_ms, 0);
}

static void what_is_too_long_is_left_out(void **state)
{
	static const char forty[] = "1234567890123456789012345678901234567890";

	(void)state;
	slot_begin(&ctx, 1000);
	slot_set_pass(&ctx, "create", forty, forty, 1);
	assert_string_equal(look().task, "");
	assert_string_equal(look().cluster, forty);
	slot_set_pass(&ctx, "create", forty + 1, NULL, 1);
	assert_string_equal(look().task, forty + 1);
	assert_string_equal(look().cluster, "");
	slot_end(&ctx, "last");
}

static void a_thread_without_a_slot_is_fine(void **state)
{
	struct thread_ctx bare = {.name = "test"};

	(void)state;
	slot_set_consuming(&bare, true);
	slot_begin(&bare, 1);
	slot_set_pass(&bare, "create", "t", "c", 1);
	slot_set_step(&bare, "boot");
	slot_allow(&bare, 1);
	slot_set_publishing(&bare);
	slot_note_blocked(&bare);
	slot_end(&bare, "last");
	assert_null(bare.slot);
}

static int start(void **state)
{
	(void)state;
	slots = slots_new(1);
	slot_assign(&ctx, &slots[0], SLOT_OPERATION);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	slots_free(&slots, 1);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pass_shows_until_it_ends),
		cmocka_unit_test(only_work_has_a_deadline),
		cmocka_unit_test(what_is_too_long_is_left_out),
		cmocka_unit_test(a_thread_without_a_slot_is_fine),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
