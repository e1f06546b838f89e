/* SPDX-License-Identifier: MIT */
/*
 * One request delivered more than once: after the worker died at any of its writes, and at the same
 * moment, at any call of the other copy.
 */
#include "common/json.h"
#include "common/str.h"
#include "worker/identity.h"

#include "tests/unit/handler_run.h"

#include <stdio.h>
#include <string.h>

/* What a second copy was told. */
static struct {
	bool redelivered; /* the first one's connection was closed, but it goes on */
	int status;
	char id[128], task[64];
} copy;

static void note_copy(int status)
{
	copy.status = status;
	snprintf(copy.id, sizeof(copy.id), "%s", json_str(last_body, "id", ""));
	snprintf(copy.task, sizeof(copy.task), "%s", reply_task());
}

static size_t running_tasks(void)
{
	size_t count = 0;

	for (size_t i = 0; i < fake.task_count; i++)
		count += !task_is_final(&fake.tasks[i]);
	return count;
}

/* As an operation's first pass does. */
static void claim_tasks(void)
{
	struct error err;

	for (size_t i = 0; i < fake.task_count; i++) {
		struct details details = details_of(&fake.tasks[i]);

		if (task_is_final(&fake.tasks[i]))
			continue;
		details.claim = (struct details_claim){.pass = 1, .nonce = "n", .worker = "w"};
		fake.tasks[i].details = details_encode(&fake.arena, &details, &err);
	}
}

static int send_create(const char *id, bool redelivered, struct error *err)
{
	return run((struct call){.handler = handle_cluster_create,
			   .id = id,
			   .body = body_new(),
			   .redelivered = redelivered},
		err);
}

/* One cluster, accepted and queued, and one task that works for it. */
static void assert_one_cluster(const char *where)
{
	struct details details;
	const struct vcd_task *task;

	if (json_object_array_length(fake.entities) != 1 || !fake.vapp || running_tasks() != 1)
		fail_msg("%s: %zu entities, vApp %d, %zu running tasks", where,
			json_object_array_length(fake.entities), fake.vapp, running_tasks());
	assert_string_equal(
		json_str(fake_entity(0), "externalId", ""), "https://vcd/api/vApp/vapp-v1");
	assert_string_equal(fake.vapp_description, json_str(fake_entity(0), "id", ""));
	task = fake_task(str_last_segment(json_str(fake_entity(0), "entity.status.task_href", "")));
	assert_non_null(task);
	assert_false(task_is_final(task));
	details = details_of(task);
	assert_string_equal(details.cluster, fake.vapp_description);
	assert_string_equal(details.vapp, "v1");
	assert_true(fake.published >= 1);
	assert_string_equal(json_str(last_body, "id", ""), fake.vapp_description);
	assert_string_equal(reply_task(), task->uuid);
}

static const char *const create_writes[] = {
	"task_create", "entity_create", "compose", "task_put", "entity_put", "publish"};

static void die_at(const char *step, bool after)
{
	fake.fail = step;
	fake.fail_code = ERR_TRANSIENT;
	fake.fail_after = after;
	fake.dies = true;
}

static void c09_a_create_that_died_is_continued(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4 * ARRAY_LEN(create_writes); i++) {
		/* 0 before the first write, 1 after it, 2 before the second one… */
		size_t point = i / 2;
		const char *step = create_writes[point / 2];
		bool after = point % 2, redelivered = i % 2;
		char where[64];
		struct error err;
		int status;

		snprintf(where, sizeof(where), "%s %s%s", after ? "after" : "before", step,
			redelivered ? " redelivered" : "");
		tear_down(NULL);
		set_up(NULL);
		die_at(step, after);
		assert_int_equal(send_create("r1", false, &err), 503);
		fake.dead = false;
		status = send_create("r1", redelivered, &err);
		if (status != 202)
			fail_msg("%s: %d %s", where, status, err.msg);
		/* Unflagged, it leaves a lone task to the resync and queueing to the other. */
		if (!redelivered && (point < 3 || point > 8))
			continue;
		assert_one_cluster(where);
		/* Once more changes nothing. */
		claim_tasks();
		assert_int_equal(send_create("r1", true, &err), 202);
		assert_int_equal(fake.writes, 0);
		assert_one_cluster(where);
	}
}

/* Died before: what the second delivery cannot do either is taken back, and said. */
static void c09_what_cannot_be_continued_is_taken_back(void **state)
{
	(void)state;
	for (size_t i = 1; i < ARRAY_LEN(create_writes); i++) {
		struct error err;

		tear_down(NULL);
		set_up(NULL);
		die_at(create_writes[i], false);
		assert_int_equal(send_create("r1", false, &err), 503);
		fake.dead = fake.dies = false;
		fake.fail = create_writes[i];
		fake.fail_code = ERR_DENIED;
		assert_int_equal(send_create("r1", true, &err), 403);
		assert_non_null(strstr(err.msg, "failed"));
		assert_int_equal(json_object_array_length(fake.entities), 0);
		assert_false(fake.vapp);
		/* The dead one may have sent for an entity: the resync waits for it. */
		assert_int_equal(running_tasks(), str_eq(create_writes[i], "entity_create"));
	}
}

/* The undo itself was cut off; whoever comes next does not say that all is well. */
static void c09_a_create_that_was_given_up_is_not_accepted(void **state)
{
	struct error err;

	(void)state;
	fake.cloning = true;
	fake.fail = "entity_put";
	fake.fail_more = 1;
	fake.fail_code = ERR_TRANSIENT;
	assert_int_equal(send_create("r1", false, &err), 503);
	assert_int_equal(send_create("r1", true, &err), 503);
	assert_non_null(strstr(err.msg, "entity_put failed"));
	assert_int_equal(fake.writes, 0);
	/* The resync has ended the task; the entity is still there. */
	tear_down(NULL);
	set_up(NULL);
	die_at("compose", false);
	assert_int_equal(send_create("r1", false, &err), 503);
	fake.dead = false;
	fake.tasks[0].status = TASK_ERROR;
	assert_int_equal(send_create("r1", true, &err), 503);
	assert_int_equal(fake.writes, 0);
}

/* VCD neither answered the entity's POST nor the question after it: the task must not end. */
static void an_entity_that_may_exist_keeps_its_task(void **state)
{
	struct error err;

	(void)state;
	die_at("entity_create", true);
	assert_int_equal(send_create("r1", false, &err), 503);
	assert_int_equal(running_tasks(), 1);
	assert_int_equal(json_object_array_length(fake.entities), 1);
	/* With an answer to the question the create goes on. */
	tear_down(NULL);
	set_up(NULL);
	fake.fail = "entity_create";
	fake.fail_code = ERR_TRANSIENT;
	fake.fail_after = true;
	fake.in_doubt = true;
	assert_int_equal(send_create("r1", false, &err), 202);
	assert_int_equal(running_tasks(), 1);
	assert_int_equal(json_object_array_length(fake.entities), 1);
}

static void meet_create(void)
{
	struct error err;

	note_copy(send_create("r1", copy.redelivered, &err));
}

static void c10_copies_of_a_create_at_one_moment_agree(void **state)
{
	struct error err;
	size_t calls;

	(void)state;
	assert_int_equal(send_create("r1", false, &err), 202);
	calls = fake.call_count;
	assert_in_range(calls, 12, 30);
	for (size_t i = 0; i < 4 * calls; i++) {
		char where[64];
		int status;

		tear_down(NULL);
		set_up(NULL);
		copy.status = 0;
		copy.redelivered = i % 2;
		fake.meet = meet_create;
		fake.meet_at = i / 4 + 1;
		fake.meet_after = i / 2 % 2;
		snprintf(where, sizeof(where), "call %zu%s%s", fake.meet_at,
			fake.meet_after ? " after" : "", copy.redelivered ? " redelivered" : "");
		status = send_create("r1", false, &err);
		if (fake.meet)
			continue; /* a read has no afterwards */
		if (status != 202 || copy.status != 202)
			fail_msg("%s: %d and %d: %s", where, status, copy.status, err.msg);
		assert_one_cluster(where);
		assert_string_equal(copy.id, json_str(last_body, "id", ""));
		assert_string_equal(copy.task, reply_task());
	}
}

/* The other copy was accepted and its operation runs: what fails here is not taken back. */
static void meet_and_run(void)
{
	meet_create();
	claim_tasks();
}

static void c10_an_accepted_create_is_not_taken_back_by_its_copy(void **state)
{
	struct error err;
	int status;

	(void)state;
	assert_int_equal(send_create("r1", false, &err), 202);
	for (size_t i = 0; i < fake.call_count; i++) {
		if (!str_eq(fake.calls[i], "entity_put"))
			continue;
		tear_down(NULL);
		set_up(NULL);
		fake.meet = meet_and_run;
		fake.meet_at = i + 1;
		/* Only our own: the copy's comes first. */
		fake.fail = "entity_put";
		fake.fail_skip = 1;
		fake.fail_code = ERR_TRANSIENT;
		status = send_create("r1", false, &err);
		assert_null(fake.fail);
		assert_int_equal(status, 202);
		assert_one_cluster("entity_put");
		assert_string_equal(copy.task, reply_task());
		return;
	}
	fail_msg("no entity_put");
}

/* The call's place among those of the last request. */
static size_t place_of(const char *call)
{
	for (size_t i = 0; i < fake.call_count; i++)
		if (str_eq(fake.calls[i], call))
			return i + 1;
	fail_msg("no %s", call);
	return 0;
}

/* Its compose ends late and it can ask nothing more, while its copy was accepted. */
static void c10_an_accepted_create_outlives_a_slow_copy(void **state)
{
	void (*const meets[])(void) = {meet_create, meet_and_run};
	struct error err;
	size_t compose;

	(void)state;
	assert_int_equal(send_create("r1", false, &err), 202);
	compose = place_of("compose");
	for (size_t i = 0; i < ARRAY_LEN(meets); i++) {
		tear_down(NULL);
		set_up(NULL);
		copy.status = 0;
		fake.meet = meets[i];
		fake.meet_at = compose;
		fake.fail = "vapp_find";
		fake.fail_skip = 1; /* the copy's */
		fake.fail_more = 20;
		fake.fail_code = ERR_TRANSIENT;
		/* The same answer once it is known that the copy's operation runs. */
		assert_int_equal(send_create("r1", false, &err), i ? 202 : 503);
		assert_true(i || strstr(err.msg, "is being created all the same"));
		assert_int_equal(copy.status, 202);
		assert_int_equal(json_object_array_length(fake.entities), 1);
		assert_true(fake.vapp);
		assert_int_equal(running_tasks(), 1);
		assert_null(details_of(fake_task(copy.task)).verdict.kind);
	}
}

/* The worker stood still so long that the resync took everything back. */
static void meet_resync(void)
{
	struct error err;
	struct details details = details_of(&fake.tasks[0]);

	details.verdict = (struct details_verdict){
		.kind = "rollback", .step = "admission", .cause = "interrupted"};
	fake.tasks[0].details = details_encode(&fake.arena, &details, &err);
	fake.tasks[0].status = TASK_ERROR;
	fake.tasks[0].error_message = "ended by the resync";
	while (json_object_array_length(fake.entities))
		json_object_array_del_idx(fake.entities, 0, 1);
	fake.vapp = false;
}

/* The copy that made entity and task has taken them back: what came after is removed as well. */
static void what_a_copy_has_given_up_leaves_no_vapp(void **state)
{
	struct error err;
	size_t compose = 0;

	(void)state;
	for (int meets = 0; meets < 2; meets++) {
		tear_down(NULL);
		set_up(NULL);
		die_at("compose", false);
		assert_int_equal(send_create("r1", false, &err), 503);
		fake.dead = fake.dies = false;
		fake.meet = meets ? meet_resync : NULL;
		fake.meet_at = compose;
		assert_int_equal(send_create("r1", false, &err), meets ? 503 : 202);
		compose = place_of("compose");
	}
	assert_false(fake.vapp);
	assert_int_equal(json_object_array_length(fake.entities), 0);
	assert_int_equal(running_tasks(), 0);
	assert_int_equal(fake.published, 0);
}

static void a_task_that_was_ended_is_not_ended_again(void **state)
{
	const char *calls[FAKE_CALLS];
	struct error err;
	size_t count, tried = 0;

	(void)state;
	assert_int_equal(send_create("r1", false, &err), 202);
	count = fake.call_count;
	memcpy(calls, fake.calls, sizeof(calls));
	for (size_t i = 0; i < count; i++) {
		if (!str_eq(calls[i], "compose") && !str_eq(calls[i], "entity_put"))
			continue;
		tear_down(NULL);
		set_up(NULL);
		tried++;
		fake.meet = meet_resync;
		fake.meet_at = i + 1;
		fake.fail = calls[i];
		fake.fail_code = ERR_TRANSIENT; /* as out of time */
		fake.fail_more = 1;
		assert_int_equal(send_create("r1", false, &err), 503);
		assert_int_equal(fake.fail_more, 0);
		assert_int_equal(fake.tasks[0].status, TASK_ERROR);
		assert_string_equal(fake.tasks[0].error_message, "ended by the resync");
		assert_int_equal(json_object_array_length(fake.entities), 0);
		assert_false(fake.vapp);
		assert_int_equal(fake.published, 0);
	}
	assert_int_equal(tried, 2);
}

/* ---- updates and deletes ---- */

static struct {
	bool update;
	const char *urn;
} change;

static int send_change(const char *id, bool redelivered, struct error *err)
{
	struct call call = {.handler = handle_cluster_delete,
		.id = id,
		.urn = change.urn,
		.redelivered = redelivered};

	if (change.update) {
		call.handler = handle_cluster_update;
		call.body = body_new();
		json_set_bool(call.body, "spec.expose", false);
	}
	return run(call, err);
}

static void begin_change(bool update)
{
	struct error err;

	tear_down(NULL);
	set_up(NULL);
	change.update = update;
	change.urn = made_cluster(&err);
	fake.published = 0;
}

static void assert_one_change(const char *where)
{
	const struct vcd_task *task = fake_task(
		str_last_segment(json_str(fake_entity(0), "entity.status.task_href", "")));

	if (running_tasks() != 1 || task_is_final(task))
		fail_msg("%s: %zu running tasks, the entity's is %d", where, running_tasks(),
			task->status);
	assert_string_equal(reply_task(), task->uuid);
	assert_string_equal(json_str(fake_entity(0), "entity.status.phase", ""),
		change.update ? "UPDATE:IN_PROGRESS" : "DELETE:IN_PROGRESS");
	assert_true(fake.published >= 1);
}

static void c09_a_change_that_died_is_continued(void **state)
{
	static const char *const writes[] = {"task_create", "entity_put", "publish"};

	(void)state;
	for (size_t i = 0; i < 4 * ARRAY_LEN(writes); i++) {
		const char *step = writes[i / 4];
		struct error err;
		int status;

		begin_change(i % 4 < 2);
		die_at(step, i % 2);
		assert_int_equal(send_change("r2", false, &err), 503);
		fake.dead = false;
		status = send_change("r2", true, &err);
		if (status != 202)
			fail_msg("%s %zu: %d %s", step, i, status, err.msg);
		assert_one_change(step);
		claim_tasks();
		assert_int_equal(send_change("r2", true, &err), 202);
		assert_int_equal(fake.writes, 0);
	}
}

/* Taken back, and then delivered again: the answer stays the same. */
static void a_change_that_was_taken_back_is_not_accepted(void **state)
{
	(void)state;
	for (int update = 0; update < 2; update++) {
		struct error err;

		begin_change(update);
		fake.fail = "publish";
		fake.fail_code = ERR_TRANSIENT;
		assert_int_equal(send_change("r2", false, &err), 503);
		assert_int_equal(running_tasks(), 0);
		assert_int_equal(send_change("r2", true, &err), 503);
		assert_non_null(strstr(err.msg, "publish failed"));
		assert_int_equal(fake.writes, 0);
	}
}

static void meet_change(void)
{
	struct error err;

	note_copy(send_change("r2", copy.redelivered, &err));
}

static void c10_copies_of_a_change_at_one_moment_agree(void **state)
{
	(void)state;
	for (int update = 0; update < 2; update++) {
		struct error err;
		size_t calls;

		begin_change(update);
		assert_int_equal(send_change("r2", false, &err), 202);
		calls = fake.call_count;
		assert_in_range(calls, 6, 20);
		for (size_t i = 0; i < 4 * calls; i++) {
			char where[64];
			int status;

			begin_change(update);
			copy.status = 0;
			copy.redelivered = i % 2;
			fake.meet = meet_change;
			fake.meet_at = i / 4 + 1;
			fake.meet_after = i / 2 % 2;
			snprintf(where, sizeof(where), "%s call %zu%s%s",
				update ? "update" : "delete", fake.meet_at,
				fake.meet_after ? " after" : "",
				copy.redelivered ? " redelivered" : "");
			status = send_change("r2", false, &err);
			if (fake.meet)
				continue;
			if (status != 202 || copy.status != 202)
				fail_msg("%s: %d and %d: %s", where, status, copy.status, err.msg);
			assert_one_change(where);
			assert_string_equal(copy.task, reply_task());
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(c09_a_create_that_died_is_continued),
		TEST(c09_what_cannot_be_continued_is_taken_back),
		TEST(c09_a_create_that_was_given_up_is_not_accepted),
		TEST(an_entity_that_may_exist_keeps_its_task),
		TEST(c10_copies_of_a_create_at_one_moment_agree),
		TEST(c10_an_accepted_create_is_not_taken_back_by_its_copy),
		TEST(a_task_that_was_ended_is_not_ended_again),
		TEST(what_a_copy_has_given_up_leaves_no_vapp),
		TEST(c10_an_accepted_create_outlives_a_slow_copy),
		TEST(c09_a_change_that_died_is_continued),
		TEST(a_change_that_was_taken_back_is_not_accepted),
		TEST(c10_copies_of_a_change_at_one_moment_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
