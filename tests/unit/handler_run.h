/* SPDX-License-Identifier: MIT */
/* Runs cluster handlers as the request loop does, on the VCD in memory. */
#ifndef TESTS_UNIT_HANDLER_RUN_H
#define TESTS_UNIT_HANDLER_RUN_H

#include "worker/details.h"
#include "worker/request.h"

#include "tests/unit/fake_vcd.h"
#include "tests/unit/unit.h"

extern struct config test_config;
extern struct shared test_shared;
extern struct thread_ctx test_ctx;
extern struct json_object *last_body; /* of the last reply */

int set_up(void **state);
int tear_down(void **state);
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

struct call {
	handler_fn *handler;
	const char *id, *urn;
	struct json_object *body; /* taken */
	int64_t age_ms;
	bool redelivered;
};

/* Runs a handler; the status it gave, or that of its error. */
int run(struct call call, struct error *err);

struct json_object *body_new(void); /* a good create of cluster "lab7" */
int create(const char *id, struct error *err);
const char *made_cluster(struct error *err); /* a cluster as the operations leave it; its URN */

const char *reply_task(void); /* uuid in the last reply */
struct details details_of(const struct vcd_task *task);
void assert_calls(const char *expected); /* names of all calls of the last run */

/* One refusal. */
struct wrong {
	const char *path, *value;
	int status;
	const char *expected;
};

#endif
