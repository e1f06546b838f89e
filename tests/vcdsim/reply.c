/* SPDX-License-Identifier: MIT */
/* The forms of VCD's answers. Nothing here knows how they are sent. */
#include "common/json.h"
#include "common/str.h"
#include "tests/vcdsim/http.h"
#include "tests/vcdsim/render.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *with_version(const struct sim_request *req, const char *type)
{
	if (req->api_version == 0)
		return type;
	return arena_printf(
		req->arena, "%s;version=%d.%d", type, req->api_version / 10, req->api_version % 10);
}

void reply_xml(const struct sim_request *req, struct sim_reply *reply, int status, const char *type,
	char *body, size_t len)
{
	reply->status = status;
	reply->body = body;
	reply->body_len = len;
	reply->content_type = with_version(req, type);
}

void reply_json(const struct sim_request *req, struct sim_reply *reply, int status,
	struct json_object *body)
{
	reply->status = status;
	reply->body = json_text(req->arena, body);
	reply->body_len = strlen(reply->body);
	reply->content_type = with_version(req, "application/json");
	json_object_put(body);
}

static void reply_error_json(const struct sim_request *req, struct sim_reply *reply, int status,
	const char *minor_code, const char *message)
{
	struct json_object *body = json_object_new_object();

	json_set_str(body, "minorErrorCode", minor_code);
	json_set_str(body, "message", message);
	json_object_object_add(body, "stackTrace", NULL);
	reply_json(req, reply, status, body);
}

static void reply_error_xml(const struct sim_request *req, struct sim_reply *reply, int status,
	const char *minor_code, const char *message)
{
	struct xml_writer *writer = doc_open("Error");

	xw_attr(writer, "minorErrorCode", minor_code);
	xw_attr(writer, "message", message);
	xw_attr_int(writer, "majorErrorCode", status);
	doc_reply(req, reply, status, "application/vnd.vmware.vcloud.error+xml", writer);
}

void reply_error(const struct sim_request *req, struct sim_reply *reply, int status,
	const char *minor_code, const char *fmt, ...)
{
	char text[2048];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	const char *message =
		arena_printf(req->arena, "[ %s ] %s", str_or(req->request_id, "-"), text);

	if (req->cloudapi)
		reply_error_json(req, reply, status, minor_code, message);
	else
		reply_error_xml(req, reply, status, minor_code, message);
}

void reply_no_access(
	const struct sim_request *req, struct sim_reply *reply, const char *type, const char *id)
{
	reply_error(req, reply, 403, "ACCESS_TO_RESOURCE_IS_FORBIDDEN",
		"No access to entity \"com.vmware.vcloud.entity.%s:%s\".", type, id);
}

void reply_task(const struct sim_request *req, struct sim_reply *reply, const struct sim_task *task)
{
	const char *href =
		arena_printf(req->arena, "%s/api/task/%s", sim_base_url(req->sim), task->uuid);

	if (req->cloudapi) {
		reply->status = 202;
		reply->body = NULL;
		reply->body_len = 0;
		reply->content_type = NULL;
	} else {
		struct xml_writer *writer = doc_open("Task");

		render_task(req, writer, task);
		doc_reply(req, reply, 202, "application/vnd.vmware.vcloud.task+xml", writer);
	}
	reply->location = href;
}

static int page_number(const struct sim_request *req, const char *name, int otherwise, int max)
{
	const char *text = sim_query(req, name);
	int64_t number;

	if (text == NULL || !str_to_int(text, 1, INT32_MAX, &number))
		return otherwise;
	return number > max ? max : (int)number;
}

/* The path with its query, in which page is another one. */
static const char *page_link(const struct sim_request *req, int page, int size)
{
	struct arena *arena = req->arena;
	const char *filter = sim_query(req, "filter"), *sort = sim_query(req, "sortAsc");

	return arena_printf(arena,
		"<%s%s?%s%s%s%s%spage=%d&pageSize=%d>;rel=\"nextPage\";type=\"application/json\"",
		sim_base_url(req->sim), req->path, filter == NULL ? "" : "filter=",
		filter == NULL ? "" : str_percent_encode(arena, filter), filter == NULL ? "" : "&",
		sort == NULL ? "" : "sortAsc=",
		sort == NULL ? "" : arena_printf(arena, "%s&", str_percent_encode(arena, sort)),
		page, size);
}

void reply_page(const struct sim_request *req, struct sim_reply *reply, struct json_object *values,
	int default_size, int max_size)
{
	size_t total = json_object_array_length(values);
	int size = page_number(req, "pageSize", default_size, max_size);
	int page = page_number(req, "page", 1, INT32_MAX);
	struct json_object *body = json_object_new_object(), *shown = json_object_new_array();
	size_t from = (size_t)(page - 1) * (size_t)size;

	for (size_t i = from; i < total && i < from + (size_t)size; i++)
		json_object_array_add(shown, json_object_get(json_object_array_get_idx(values, i)));
	json_set_int(body, "resultTotal", (int64_t)total);
	json_set_int(body, "pageCount", ((int64_t)total + size - 1) / size);
	json_set_int(body, "page", page);
	json_set_int(body, "pageSize", size);
	json_object_object_add(body, "associations", NULL);
	json_set(body, "values", shown);
	json_object_put(values);
	if (from + (size_t)size < total)
		reply->link = page_link(req, page + 1, size);
	reply_json(req, reply, 200, body);
}
