/* SPDX-License-Identifier: MIT */
/* The common parts of the legacy API's XML, and tasks. */
#include "tests/vcdsim/render.h"

#include "common/clock.h"
#include "common/str.h"
#include "tests/vcdsim/body.h"

static const int64_t task_life_ms = 90LL * 24 * 60 * 60 * 1000;

struct xml_writer *doc_open(const char *root)
{
	struct xml_writer *writer = xml_writer_new();

	xw_open(writer, root);
	xw_ns(writer, NULL, XML_VCLOUD);
	return writer;
}

void doc_namespaces(struct xml_writer *writer)
{
	xw_ns(writer, "ovf", XML_OVF);
	xw_ns(writer, "rasd", XML_RASD);
	xw_ns(writer, "vssd", XML_VSSD);
	xw_ns(writer, "vmw", XML_VMW);
	xw_ns(writer, "xsi", XML_XSI);
	xw_ns(writer, "vcloud", XML_VCLOUD);
}

void doc_reply(const struct sim_request *req, struct sim_reply *reply, int status, const char *type,
	struct xml_writer *writer)
{
	size_t len;

	xw_close(writer);
	char *body = xw_finish(writer, req->arena, &len);

	xml_writer_free(&writer);
	if (req->sim->options.ns_prefix)
		body = xml_with_prefix(req->arena, body, &len);
	reply_xml(req, reply, status, type, body, len);
}

void render_identity(struct xml_writer *writer, const char *name, const char *urn, const char *href,
	const char *type)
{
	xw_attr(writer, "name", name);
	xw_attr(writer, "id", urn);
	xw_attr(writer, "href", href);
	xw_attr(writer, "type", type);
}

void render_link(struct xml_writer *writer, const char *rel, const char *type, const char *href)
{
	xw_open(writer, "Link");
	xw_attr(writer, "rel", rel);
	xw_attr(writer, "type", type);
	xw_attr(writer, "href", href);
	xw_close(writer);
}

void render_ref(struct xml_writer *writer, const char *element, const char *name, const char *urn,
	const char *href, const char *type)
{
	xw_open(writer, element);
	render_identity(writer, name, urn, href, type);
	xw_close(writer);
}

const char *href_of(const struct sim_request *req, const char *kind_and_prefix, const char *uuid)
{
	return arena_printf(req->arena, "%s/api/%s%s", sim_base_url(req->sim), kind_and_prefix,
		str_or(uuid, ""));
}

const char *urn_of(const struct sim_request *req, const char *kind, const char *uuid)
{
	return arena_printf(req->arena, "urn:vcloud:%s:%s", kind, uuid);
}

void render_org_ref(const struct sim_request *req, struct xml_writer *writer, const char *element,
	const struct sim_org *org)
{
	render_ref(writer, element, org->name, urn_of(req, "org", org->uuid),
		href_of(req, "org/", org->uuid), TYPE_ORG);
}

void render_user_ref(const struct sim_request *req, struct xml_writer *writer, const char *element,
	const struct sim_user *user)
{
	render_ref(writer, element, user->name, urn_of(req, "user", user->uuid),
		href_of(req, "admin/user/", user->uuid), TYPE_USER);
}

static void render_time(
	const struct sim_request *req, struct xml_writer *writer, const char *name, int64_t wall_ms)
{
	char text[CLOCK_ISO_SIZE];

	if (wall_ms == 0)
		return;
	clock_iso(text, wall_ms);
	xw_attr(writer, name, arena_strdup(req->arena, text));
}

static void render_task_attributes(
	const struct sim_request *req, struct xml_writer *writer, const struct sim_task *task)
{
	xw_attr(writer, "status", task->status);
	xw_attr(writer, "operation", task->operation);
	xw_attr(writer, "operationName", task->operation_name);
	xw_attr(writer, "serviceNamespace", task->service_namespace);
	render_time(req, writer, "startTime", task->started_wall_ms);
	render_time(req, writer, "endTime", task->ended_wall_ms);
	render_time(req, writer, "expiryTime", task->started_wall_ms + task_life_ms);
	xw_attr(writer, "cancelRequested", task->cancel_requested ? "true" : "false");
	render_identity(writer, "task", urn_of(req, "task", task->uuid),
		href_of(req, "task/", task->uuid), TYPE_TASK);
}

static void render_task_user(
	const struct sim_request *req, struct xml_writer *writer, const struct sim_task *task)
{
	if (task->user_href[0] != '\0')
		render_ref(writer, "User", task->user_name,
			urn_of(req, "user", str_last_segment(task->user_href)), task->user_href,
			TYPE_USER);
	else if (task->user != NULL)
		render_user_ref(req, writer, "User", task->user);
}

void render_task(
	const struct sim_request *req, struct xml_writer *writer, const struct sim_task *task)
{
	render_task_attributes(req, writer, task);
	if (!task_is_final(task)) {
		render_link(writer, "task:cancel", NULL,
			arena_printf(
				req->arena, "%s/action/cancel", href_of(req, "task/", task->uuid)));
		if (task->external && session_has_right(req->session, "Task: Update"))
			render_link(writer, "edit", TYPE_TASK, href_of(req, "task/", task->uuid));
	}
	if (task->owner_href != NULL || task->owner_id != NULL)
		render_ref(writer, "Owner", task->owner_name, task->owner_id, task->owner_href,
			task->owner_type);
	if (task->error_message != NULL) {
		xw_open(writer, "Error");
		xw_attr(writer, "majorErrorCode", "500");
		xw_attr(writer, "minorErrorCode", task->error_minor);
		xw_attr(writer, "message", task->error_message);
		xw_close(writer);
	}
	render_task_user(req, writer, task);
	if (task->org != NULL)
		render_org_ref(req, writer, "Organization", task->org);
	if (task->progress >= 0)
		xw_leaf_int(writer, "Progress", task->progress);
	xw_leaf(writer, "Details", task->details);
}

void render_task_section(
	const struct sim_request *req, struct xml_writer *writer, const struct sim_task *task)
{
	if (task == NULL)
		return;
	xw_open(writer, "Tasks");
	xw_open(writer, "Task");
	render_task(req, writer, task);
	xw_close(writer);
	xw_close(writer);
}
