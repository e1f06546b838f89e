/* SPDX-License-Identifier: MIT */
#include "worker/vcd/client.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/str.h"

#include <string.h>

enum { JSON_DEPTH = 64, HEADERS_MAX = 3, CLIENT_ID_MAX = 128 };
/* A read that failed sooner than this is sent once more, after a pause. */
enum { QUICK_FAILURE_MS = 2000, AGAIN_PAUSE_MS = 200 };

static const char id_characters[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-";

/* Puts our request's id before VCD's own in its log and answer. */
static const char *client_id_header(struct vcd *vcd)
{
	const char *id = log_context()->request_id;

	if (!str_is_made_of(id, id_characters, CLIENT_ID_MAX))
		return NULL;
	return arena_printf(vcd->arena, "X-VMWARE-VCLOUD-CLIENT-REQUEST-ID: %s", id);
}

static int send_with(struct vcd *vcd, const struct vcd_call *call, const struct secret *token,
	struct http_response *out, struct error *err)
{
	const char *headers[HEADERS_MAX] = {NULL};
	size_t count = 0;
	struct http_request request = {
		.method = call->method,
		.accept = call->accept,
		.content_type = call->content_type,
		.headers = headers,
		.bearer = token,
		.body = call->body,
		.body_len = call->body_len,
	};

	headers[count] = client_id_header(vcd);
	if (headers[count])
		count++;
	if (call->as.tenant_context)
		headers[count] = arena_printf(
			vcd->arena, "X-VMWARE-VCLOUD-TENANT-CONTEXT: %s", call->as.tenant_context);
	return vcd_exchange(vcd, call->path, &request, call->what, out, err);
}

/* With the service session; once more after a new login when VCD no longer knows the old one. */
static int send_as_service(
	struct vcd *vcd, const struct vcd_call *call, struct http_response *out, struct error *err)
{
	for (int attempt = 0; attempt < 2; attempt++) {
		CLEANUP(secret_release)
		struct secret token = {0};
		unsigned generation = 0;

		if (session_token(vcd, &token, &generation, err) < 0)
			return error_wrap(err, "%s", call->what);
		if (send_with(vcd, call, &token, out, err) < 0)
			return -1;
		if (out->status != 401)
			return 0;
		session_forget(vcd->shared, generation);
	}
	/* Not EXPIRED: that would be the caller's token. */
	return error_set(
		err, ERR_TRANSIENT, "%s: VCD does not accept the service session", call->what);
}

static int call_once(
	struct vcd *vcd, const struct vcd_call *call, struct http_response *out, struct error *err)
{
	int failed = call->as.token ? send_with(vcd, call, call->as.token, out, err)
				    : send_as_service(vcd, call, out, err);

	if (failed)
		return -1;
	return vcd->fault.status ? fault_set(vcd, call->what, err) : 0;
}

/* Nothing can happen twice; VCD neither refused the session nor asked for fewer calls. */
static bool may_again(const struct vcd *vcd, const struct vcd_call *call, const struct error *err)
{
	return str_eq(call->method, "GET") && err->code == ERR_TRANSIENT &&
	       vcd->fault.status != 401 && vcd->fault.status != 429;
}

int vcd_call(
	struct vcd *vcd, const struct vcd_call *call, struct http_response *out, struct error *err)
{
	int64_t start_ms = clock_ms();
	int failed = call_once(vcd, call, out, err);

	if (!failed || !may_again(vcd, call, err) || clock_ms() - start_ms > QUICK_FAILURE_MS ||
		!vcd_sleep(vcd, AGAIN_PAUSE_MS))
		return failed;
	return call_once(vcd, call, out, err);
}

/* An answer that cannot be read comes from something between us and VCD. */
static int set_unreadable(struct error *err, const char *what)
{
	err->code = ERR_TRANSIENT;
	return error_wrap(err, "%s: the answer cannot be read", what);
}

static int take_xml(const struct http_response *response, const char *what, struct xml_doc **out,
	struct error *err)
{
	if (!out)
		return 0;
	*out = NULL;
	if (response->body_len == 0)
		return 0;
	*out = xml_parse(response->body, response->body_len, err);
	return *out ? 0 : set_unreadable(err, what);
}

int vcd_get_xml(struct vcd *vcd, struct vcd_as as, const char *path, const char *what,
	struct xml_doc **out, struct error *err)
{
	struct vcd_call call = {
		.as = as,
		.method = "GET",
		.path = path,
		.accept = vcd_accept_xml(vcd),
		.what = what,
	};
	struct http_response response;

	*out = NULL;
	if (vcd_call(vcd, &call, &response, err) < 0 || take_xml(&response, what, out, err) < 0)
		return -1;
	if (!*out)
		return error_set(err, ERR_TRANSIENT, "%s: the answer is empty", what);
	return 0;
}

int vcd_send_xml(struct vcd *vcd, struct vcd_as as, const char *method, const char *path,
	const char *content_type, const char *body, const char *what, struct xml_doc **out,
	struct error *err)
{
	struct vcd_call call = {
		.as = as,
		.method = method,
		.path = path,
		.accept = vcd_accept_xml(vcd),
		.content_type = body ? content_type : NULL,
		.body = body,
		.body_len = body ? strlen(body) : 0,
		.what = what,
	};
	struct http_response response;

	if (out)
		*out = NULL;
	if (vcd_call(vcd, &call, &response, err) < 0)
		return -1;
	return take_xml(&response, what, out, err);
}

static int take_json(const struct http_response *response, const char *what,
	struct json_object **out, struct error *err)
{
	if (!out)
		return 0;
	*out = NULL;
	if (response->body_len == 0)
		return 0;
	*out = json_parse(response->body, response->body_len, JSON_DEPTH, err);
	return *out ? 0 : set_unreadable(err, what);
}

int vcd_json(struct vcd *vcd, struct vcd_as as, const char *method, const char *path,
	struct json_object *body, const char *what, struct vcd_answer *answer,
	struct json_object **out, struct error *err)
{
	const char *text = body ? json_text(vcd->arena, body) : NULL;
	struct vcd_call call = {
		.as = as,
		.method = method,
		.path = path,
		.accept = vcd_accept_json(vcd),
		.content_type = body ? "application/json" : NULL,
		.body = text,
		.body_len = text ? strlen(text) : 0,
		.what = what,
	};
	struct http_response response;

	if (out)
		*out = NULL;
	if (vcd_call(vcd, &call, &response, err) < 0)
		return -1;
	if (answer)
		*answer = (struct vcd_answer){
			.status = response.status,
			.location = response.location,
			.link = response.link,
			.request_id = response.request_id,
			.body = response.body,
			.body_len = response.body_len,
		};
	return take_json(&response, what, out, err);
}
