/* SPDX-License-Identifier: MIT */
/*
 * API extension: a request under the extension's paths is authenticated here and then answered by
 * whoever consumes the extension's queue.
 */
#include "common/base64.h"
#include "common/json.h"
#include "common/str.h"
#include "tests/vcdsim/bridge.h"
#include "tests/vcdsim/http.h"

#include <regex.h>
#include <string.h>

/* What one call needs of the state, copied while it was locked. */
struct forward {
	const char *name;
	int64_t timeout_ms;
	struct bridge_request request;
	struct json_object *context; /* second object of the message */
};

static bool session_lives(struct sim *sim, const struct sim_session *session)
{
	const struct sim_session *other = sim->sessions;

	while (other && other != session)
		other = other->next;
	return other != NULL && !other->ended;
}

static struct json_object *security_context(
	const struct sim_request *req, const struct sim_session *session)
{
	struct json_object *context = json_object_new_object(), *rights = json_object_new_array();
	const struct sim_user *user = session->user;

	json_set_str(context, "user", arena_printf(req->arena, "urn:vcloud:user:%s", user->uuid));
	json_set_str(
		context, "org", arena_printf(req->arena, "urn:vcloud:org:%s", user->org->uuid));
	for (size_t i = 0; i < json_object_array_length(session->rights); i++) {
		char urn[64];

		right_id(
			json_object_get_string(json_object_array_get_idx(session->rights, i)), urn);
		json_object_array_add(rights, json_object_new_string(urn));
	}
	json_set(context, "rights", rights);
	return context;
}

/* URL patterns are matched against the whole path; those that are used are the same in POSIX. */
static bool pattern_matches(struct arena *arena, const char *pattern, const char *path)
{
	regex_t compiled;

	if (regcomp(&compiled, arena_printf(arena, "^(%s)$", pattern), REG_EXTENDED | REG_NOSUB) !=
		0)
		return false;
	bool matches = regexec(&compiled, path, 0, NULL, 0) == 0;

	regfree(&compiled);
	return matches;
}

static bool path_is_taken(const struct sim_request *req, struct json_object *extension)
{
	struct json_object *filters = json_at(extension, "filters");

	for (size_t i = 0; filters && i < json_object_array_length(filters); i++) {
		const char *pattern = json_object_get_string(json_object_array_get_idx(filters, i));

		if (pattern_matches(req->arena, pattern, req->path))
			return true;
	}
	return false;
}

/* False after an answer: the extension is switched off or has no filter for the path, or the
 * session ended just now. */
static bool prepare(struct sim *sim, const struct sim_request *req, struct sim_reply *reply,
	struct forward *out)
{
	struct arena *arena = req->arena;
	struct json_object *extension;
	bool ready = false;

	pthread_mutex_lock(&sim->lock);
	extension = sim->extension;
	if (!json_flag(extension, "enabled", false) || !path_is_taken(req, extension)) {
		reply_error(req, reply, 404, "NOT_FOUND", "No resource at this path.");
	} else if (!session_lives(sim, req->session)) {
		reply->status = 401;
	} else {
		out->name = arena_strdup(arena, json_str(extension, "name", "cse"));
		out->timeout_ms = sim->options.reply_timeout_ms;
		out->request.exchange =
			arena_strdup(arena, json_str(extension, "exchange", "cse-ext"));
		out->request.routing_key =
			arena_strdup(arena, json_str(extension, "routingKey", "cse"));
		out->request.copies = 1 + (int)sim->options.duplicate_requests;
		out->context = security_context(req, req->session);
		ready = true;
	}
	pthread_mutex_unlock(&sim->lock);
	return ready;
}

/* The array [request, security context] as VCD sends it. */
static const char *compose(const struct sim_request *req, struct json_object *context)
{
	CLEANUP(json_release)
	struct json_object *message = json_object_new_array();
	struct json_object *request = json_object_new_object();
	const char *port = strrchr(sim_base_url(req->sim), ':');
	int64_t local_port;
	int peer_port;
	char uuid[SIM_ID];

	json_object_array_add(message, request);
	json_object_array_add(message, context);
	uuid_make(uuid);
	json_set_str(request, "id", uuid);
	json_set_str(request, "method", req->method);
	json_set_str(request, "requestUri", req->path);
	json_object_object_add(
		request, "queryString", req->query ? json_object_new_string(req->query) : NULL);
	json_set_str(request, "protocol", "HTTP/1.1");
	json_set_str(request, "scheme", "https");
	json_set_str(request, "remoteAddr", sim_peer(req, &peer_port));
	json_set_int(request, "remotePort", peer_port);
	json_set_str(request, "localAddr", "127.0.0.1");
	if (port && str_to_int(port + 1, 1, 65535, &local_port))
		json_set_int(request, "localPort", local_port);
	json_set(request, "headers", sim_headers(req));
	json_set_str(request, "body",
		req->body_len ? base64_encode(req->arena, req->body, req->body_len) : "");
	json_set_bool(request, "isSecure", true);
	json_set_bool(request, "request", true);
	return json_text(req->arena, message);
}

/* Copies the extension's headers; those of the connection are the server's own business. */
static void take_headers(
	const struct sim_request *req, struct sim_reply *reply, struct json_object *headers)
{
	static const char *const own[] = {
		"Content-Length", "Transfer-Encoding", "Connection", "Date", NULL};

	if (!json_object_is_type(headers, json_type_object))
		return;
	reply->headers = json_object_new_object();
	json_object_object_foreach(headers, name, value)
	{
		bool skip = !value;

		for (size_t i = 0; own[i]; i++)
			skip = skip || str_eq_ci(name, own[i]);
		if (skip)
			continue;
		if (str_eq_ci(name, "Content-Type"))
			reply->content_type =
				arena_strdup(req->arena, json_object_get_string(value));
		else
			json_object_object_add(reply->headers, name, json_object_get(value));
	}
}

/* False when the text is no reply: VCD then goes on waiting, which ends as a time-out. */
static bool take_reply(const struct sim_request *req, struct sim_reply *reply, const char *text)
{
	struct error err = {0};
	CLEANUP(json_release)
	struct json_object *message = json_parse(text, strlen(text), 32, &err);
	int64_t status = json_int(message, "statusCode", 0);
	const char *body = json_str(message, "body", "");

	if (status < 100 || status > 599)
		return false;
	reply->body = base64_decode(req->arena, body, &reply->body_len);
	if (!reply->body)
		return false;
	reply->status = (int)status;
	take_headers(req, reply, json_at(message, "headers"));
	return true;
}

static void forward(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct forward call = {0};
	enum bridge_result result;
	char *text = NULL;

	if (!prepare(sim, req, reply, &call))
		return;
	call.request.text = compose(req, call.context);
	result = bridge_call(sim, &call.request, call.timeout_ms, req->arena, &text);
	if (result == BRIDGE_REPLIED && take_reply(req, reply, text))
		return;
	if (result == BRIDGE_FAILED)
		reply_error(req, reply, 500, "INTERNAL_SERVER_ERROR",
			"Unable to perform this action. Contact your cloud administrator.");
	else
		reply_error(req, reply, 504, "GATEWAY_TIMEOUT",
			"External service '%s' failed to respond in the specified timeout (%lld "
			"SECONDS)",
			call.name, (long long)((call.timeout_ms + 999) / 1000));
}

const struct sim_route extension_routes[] = {
	{"*", "/api/cse", ACCESS_SESSION, NULL, forward, true},
	{"*", "/api/cse/{*}", ACCESS_SESSION, NULL, forward, true},
	{"*", "/api/pks", ACCESS_SESSION, NULL, forward, true},
	{"*", "/api/pks/{*}", ACCESS_SESSION, NULL, forward, true},
	{0},
};
