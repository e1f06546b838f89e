/* SPDX-License-Identifier: MIT */
/* The legacy API's calls on tasks, and tasks that a service keeps itself. */
#include "common/str.h"
#include "tests/vcdsim/body.h"
#include "tests/vcdsim/objects.h"
#include "tests/vcdsim/render.h"

#include <stdio.h>

static struct sim_task *task_for(
	struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct sim_task *task = find_task(sim, req->tokens[0]);

	if (task != NULL && (task->org == NULL ? session_is_system(req->session)
					       : session_sees_org(req->session, task->org)))
		return task;
	reply_no_access(req, reply, "task", req->tokens[0]);
	return NULL;
}

static void reply_task_body(
	const struct sim_request *req, struct sim_reply *reply, const struct sim_task *task)
{
	struct xml_writer *writer = doc_open("Task");

	render_task(req, writer, task);
	doc_reply(req, reply, 200, TYPE_TASK, writer);
}

static bool status_is_known(const char *status)
{
	static const char *const known[] = {
		"queued", "preRunning", "running", "success", "error", "aborted", "canceled"};

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (str_eq(known[i], status))
			return true;
	}
	return false;
}

static void take_reference(struct sim *sim, struct sim_task *task, const struct xml_node *owner)
{
	struct arena *kept = &sim->kept;

	if (owner == NULL)
		return;
	task->owner_href = xml_attr(kept, owner, "href");
	task->owner_type = xml_attr(kept, owner, "type");
	task->owner_name = xml_attr(kept, owner, "name");
	task->owner_id = xml_attr(kept, owner, "id");
}

static void take_user(struct arena *arena, struct sim_task *task, const struct xml_node *user)
{
	if (user == NULL)
		return;
	snprintf(task->user_href, sizeof(task->user_href), "%s",
		str_or(xml_attr(arena, user, "href"), ""));
	snprintf(task->user_name, sizeof(task->user_name), "%s",
		str_or(xml_attr(arena, user, "name"), ""));
}

/* Everything a service may change; what the body leaves out is gone, as with every PUT. */
static void take_content(struct sim *sim, const struct sim_request *req, struct sim_task *task,
	struct xml_node *root)
{
	struct arena *kept = &sim->kept;
	struct xml_node *error = xml_child(root, XML_VCLOUD, "Error");
	const char *progress = xml_text(req->arena, xml_child(root, XML_VCLOUD, "Progress"));
	int64_t number;

	task->status = xml_attr(kept, root, "status");
	task->operation = xml_attr(kept, root, "operation");
	task->details = xml_text(kept, xml_child(root, XML_VCLOUD, "Details"));
	task->progress =
		progress != NULL && str_to_int(progress, 0, 100, &number) ? (int)number : -1;
	task->error_message = xml_attr(kept, error, "message");
	task->error_minor = xml_attr(kept, error, "minorErrorCode");
	take_reference(sim, task, xml_child(root, XML_VCLOUD, "Owner"));
	take_user(req->arena, task, xml_child(root, XML_VCLOUD, "User"));
	if (task_is_final(task))
		task->ended_wall_ms = sim_wall_ms(sim);
}

/* The body's Task element when it is one VCD would take. */
static struct xml_node *need_task_body(const struct sim_request *req, struct sim_reply *reply)
{
	struct xml_node *root = body_root(req, reply, "Task");

	if (root == NULL)
		return NULL;
	const char *status = xml_attr(req->arena, root, "status");
	const char *details =
		str_or(xml_text(req->arena, xml_child(root, XML_VCLOUD, "Details")), "");

	if (!status_is_known(status)) {
		reply_error(req, reply, 400, "BAD_REQUEST", "Invalid task status '%s'.", status);
		return NULL;
	}
	if (!str_is_utf8(details, __builtin_strlen(details))) {
		reply_error(req, reply, 400, "BAD_REQUEST", "Details are not text.");
		return NULL;
	}
	return root;
}

static void post_task(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct sim_org *org = find_org(sim, req->tokens[0]);
	struct xml_node *root = need_task_body(req, reply);

	if (root == NULL)
		return;
	const char *space = xml_attr(req->arena, root, "serviceNamespace");

	if (org == NULL) {
		reply_no_access(req, reply, "org", req->tokens[0]);
		return;
	}
	if (str_empty(space) || str_starts(space, "com.vmware.vcloud")) {
		reply_error(req, reply, 400, "BAD_REQUEST",
			"The serviceNamespace of a task must be given and be a service's own.");
		return;
	}
	struct sim_task *task = task_start(sim, req->session,
		str_or(xml_attr(&sim->kept, root, "operationName"), ""), "", -1, NULL, NULL);

	task->external = true;
	task->org = org;
	task->service_namespace = keep(sim, space);
	take_content(sim, req, task, root);
	reply_task_body(req, reply, task);
}

static void put_task(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct sim_task *task = task_for(sim, req, reply);
	struct xml_node *root = task == NULL ? NULL : need_task_body(req, reply);

	if (root == NULL)
		return;
	if (!task->external) {
		reply_error(req, reply, 403, "ACCESS_TO_RESOURCE_IS_FORBIDDEN",
			"This operation is denied.");
		return;
	}
	if (task_is_final(task)) {
		reply_error(req, reply, 400, "BAD_REQUEST",
			"The task %s is complete and cannot be updated.", task->uuid);
		return;
	}
	take_content(sim, req, task, root);
	reply_task_body(req, reply, task);
}

static void get_task(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct sim_task *task = task_for(sim, req, reply);

	if (task != NULL)
		reply_task_body(req, reply, task);
}

static void cancel_task(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct sim_task *task = task_for(sim, req, reply);

	if (task == NULL)
		return;
	if (task_is_final(task)) {
		reply_error(req, reply, 400, "BAD_REQUEST", "The task %s is already complete.",
			task->uuid);
		return;
	}
	task->cancel_requested = true;
	reply->status = 204;
}

static void get_tasks(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct sim_org *org = find_org(sim, req->tokens[0]);

	if (org == NULL || !session_sees_org(req->session, org)) {
		reply_no_access(req, reply, "org", req->tokens[0]);
		return;
	}
	struct xml_writer *writer = doc_open("TasksList");

	render_identity(writer, "Tasks Lists", NULL, href_of(req, "tasksList/", org->uuid),
		TYPE_VCLOUD "tasksList+xml");
	for (struct sim_task *task = sim->tasks; task != NULL; task = task->next) {
		if (task->org != org)
			continue;
		xw_open(writer, "Task");
		render_task(req, writer, task);
		xw_close(writer);
	}
	doc_reply(req, reply, 200, TYPE_VCLOUD "tasksList+xml", writer);
}

const struct sim_route task_routes[] = {
	{"GET", "/api/tasksList/{org}", ACCESS_SESSION, "Task: View Tasks", get_tasks, false},
	{"POST", "/api/tasksList/{org}", ACCESS_SYSTEM, "Task: Update", post_task, false},
	{"GET", "/api/task/{id}", ACCESS_SESSION, "Task: View Tasks", get_task, false},
	{"PUT", "/api/task/{id}", ACCESS_SYSTEM, "Task: Update", put_task, false},
	{"POST", "/api/task/{id}/action/cancel", ACCESS_SESSION, "Task: View Tasks", cancel_task,
		false},
	{0},
};
