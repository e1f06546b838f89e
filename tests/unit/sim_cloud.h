/* SPDX-License-Identifier: MIT */
/* Calls handlers of the simulator's cloudapi without a network, on the state of the shipped seed.
 */
#ifndef TESTS_UNIT_SIM_CLOUD_H
#define TESTS_UNIT_SIM_CLOUD_H

#include "common/json.h"
#include "common/str.h"
#include "tests/vcdsim/options.h"
#include "tests/vcdsim/route.h"
#include "tests/vcdsim/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct cloud {
	struct sim sim;
	struct sim_session *session;
	struct arena arena;
	struct sim_reply reply;	  /* of the last call */
	struct json_object *body; /* of the last answer, NULL when it had none */
};

static void cloud_login(struct cloud *cloud, const char *name)
{
	struct sim_user *user = cloud->sim.users;

	while (user && !str_eq(user->name, name))
		user = user->next;
	assert_non_null(user);
	cloud->session = session_new(&cloud->sim, user);
}

static int cloud_setup(void **state)
{
	static struct cloud cloud;
	struct error err = {0};

	memset(&cloud, 0, sizeof(cloud));
	assert_int_equal(state_load(&cloud.sim, CSE_SOURCE_DIR "/tests/vcdsim/seed.json", &err), 0);
	cloud.sim.options.task_ms = 0;
	cloud.sim.base_url = "https://127.0.0.1:1";
	cloud_login(&cloud, "alice");
	*state = &cloud;
	return 0;
}

static int cloud_teardown(void **state)
{
	struct cloud *cloud = *state;

	json_release(&cloud->body);
	arena_reset(&cloud->arena);
	state_free(&cloud->sim);
	return 0;
}

/* Calls the handler that the tables name; returns the status. The body is JSON text or NULL. */
static int cloud_call(struct cloud *cloud, const char *method, const char *uri, const char *body)
{
	static const struct sim_route *const tables[] = {
		cloudapi_routes, entity_routes, edge_routes, NULL};
	struct error err = {0};
	const char *mark = strchr(uri, '?');
	struct sim_request req = {.method = method,
		.uri = uri,
		.query = mark ? mark + 1 : NULL,
		.session = cloud->session,
		.cloudapi = true,
		.api_version = 350,
		.arena = &cloud->arena,
		.sim = &cloud->sim};
	const struct sim_route *route;
	int status;

	req.path = arena_strndup(&cloud->arena, uri, strcspn(uri, "?"));
	req.json = body ? json_parse(body, strlen(body), 32, &err) : NULL;
	assert_true(!body || req.json);
	cloud->reply = (struct sim_reply){0};
	json_release(&cloud->body);
	route = route_find(tables, method, req.path, &cloud->arena, req.tokens, &status);
	assert_non_null(route);
	if (route->right && !session_has_right(cloud->session, route->right))
		cloud->reply.status = 403;
	else
		route->handle(&cloud->sim, &req, &cloud->reply);
	json_object_put(req.json);
	if (cloud->reply.body_len > 0)
		cloud->body = json_parse(cloud->reply.body, cloud->reply.body_len, 64, &err);
	return cloud->reply.status;
}

/* The task that the last answer names, after all due tasks have ended. */
static struct sim_task *cloud_task_of_reply(struct cloud *cloud)
{
	state_tick(&cloud->sim);
	assert_non_null(cloud->reply.location);
	return find_task(&cloud->sim, str_last_segment(cloud->reply.location));
}

#endif
