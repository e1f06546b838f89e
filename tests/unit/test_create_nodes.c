/* SPDX-License-Identifier: MIT */
/* A node that was switched off in the middle of a create is powered on again, not given up. */
#include "worker/plans/create_steps.h"

#include "common/str.h"
#include "tests/unit/unit.h"

#define HASH "sha256:aa"

enum { NODES = 3 };

/* A cluster whose nodes have taken their secrets: what is left of them in VCD are blanks. */
struct fixture {
	struct observed seen;
	struct node workers[NODES - 1];
	struct node *nodes[NODES];
	struct error why;
};

static void start(struct fixture *f)
{
	static const char *const names[] = {"mstr-1", "node-1", "node-2"};
	static const char *const addresses[] = {"10.0.0.1", "10.0.0.2", "10.0.0.3"};

	*f = (struct fixture){0};
	f->seen.seen = SEE_VAPP;
	f->seen.vapp = VAPP_READY;
	f->seen.has_ca = true;
	f->seen.ca_hash = HASH;
	f->seen.workers = f->workers;
	f->seen.worker_count = NODES - 1;
	f->nodes[0] = &f->seen.control_plane;
	f->nodes[1] = &f->workers[0];
	f->nodes[2] = &f->workers[1];
	for (size_t i = 0; i < NODES; i++)
		*f->nodes[i] = (struct node){.name = names[i],
			.ip = addresses[i],
			.role = i ? ROLE_WORKER : ROLE_CONTROL_PLANE,
			.on = true,
			.has_data = true,
			.ca_hash = HASH,
			.external = "",
			.secret_left = true};
}

static void a_node_switched_off_is_powered_on_again(void **state)
{
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < NODES; i++) {
		start(&f);
		assert_int_equal(check_power(&f.seen, &f.why), COND_MET);
		f.nodes[i]->on = false;
		assert_int_equal(check_control_plane(&f.seen, &f.why), COND_MET);
		assert_int_equal(check_workers(&f.seen, &f.why), COND_MET);
		assert_int_equal(check_read_back(&f.seen, &f.why), COND_MET);
		assert_int_equal(check_power(&f.seen, &f.why), COND_UNMET);
	}
}

static void what_any_node_was_given_is_read_back_first(void **state)
{
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < NODES; i++) {
		start(&f);
		f.seen.data_written = true;
		assert_int_equal(check_read_back(&f.seen, &f.why), COND_MET);
		f.nodes[i]->on = false;
		assert_int_equal(check_read_back(&f.seen, &f.why), COND_PENDING);
	}
}

static void what_cannot_be_given_any_more_is_said(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	f.workers[1].on = f.workers[1].has_data = false;
	assert_int_equal(check_workers(&f.seen, &f.why), COND_FAILED);
	assert_string_equal(f.why.msg,
		"VM node-2 lacks its data, and the cluster's secrets are no longer in VM mstr-1");
	start(&f);
	f.seen.control_plane.on = false;
	f.seen.control_plane.ca_hash = "sha256:bb";
	assert_int_equal(check_control_plane(&f.seen, &f.why), COND_FAILED);
	assert_string_equal(f.why.msg, "The cluster's secrets in VM mstr-1 are lost");
	/* While they are there, a worker that lost its own is given them again. */
	start(&f);
	f.seen.control_plane.has_secret = true;
	f.workers[0].on = false;
	assert_int_equal(check_workers(&f.seen, &f.why), COND_UNMET);
}

/* What it got cannot be taken back, so it is switched off; then its data is written again. */
static void a_node_that_runs_with_another_ca_is_rebuilt(void **state)
{
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < NODES; i++) {
		start(&f);
		for (size_t j = 0; j < NODES; j++)
			f.nodes[j]->has_secret = true;
		assert_int_equal(check_astray(&f.seen, &f.why), COND_MET);
		f.nodes[i]->ca_hash = "sha256:bb";
		assert_int_equal(check_astray(&f.seen, &f.why), COND_UNMET);
		f.seen.vapp = VAPP_BUSY;
		assert_int_equal(check_astray(&f.seen, &f.why), COND_PENDING);
		f.seen.vapp = VAPP_READY;
		f.nodes[i]->on = false;
		assert_int_equal(check_astray(&f.seen, &f.why), COND_MET);
		assert_int_equal(
			i ? check_workers(&f.seen, &f.why) : check_control_plane(&f.seen, &f.why),
			COND_UNMET);
	}
	/* Nobody could write it again. */
	start(&f);
	f.workers[1].ca_hash = "sha256:bb";
	assert_int_equal(check_astray(&f.seen, &f.why), COND_FAILED);
	assert_string_equal(f.why.msg, "VM node-2 runs with another cluster CA");
	/* The guest would not take it. */
	for (size_t i = 0; i < NODES; i++) {
		start(&f);
		f.seen.control_plane.has_secret = true;
		f.workers[1].ca_hash = "sha256:bb";
		assert_int_equal(check_astray(&f.seen, &f.why), COND_UNMET);
		f.nodes[i]->report.says_made = true;
		assert_int_equal(check_astray(&f.seen, &f.why), COND_FAILED);
	}
	/* An address that VCD does not show at the moment is no other CA. */
	start(&f);
	f.workers[1].has_data = false;
	assert_int_equal(check_astray(&f.seen, &f.why), COND_MET);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_node_switched_off_is_powered_on_again),
		cmocka_unit_test(what_any_node_was_given_is_read_back_first),
		cmocka_unit_test(what_cannot_be_given_any_more_is_said),
		cmocka_unit_test(a_node_that_runs_with_another_ca_is_rebuilt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
