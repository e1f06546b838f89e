/* SPDX-License-Identifier: MIT */
#include "tests/vcdsim/http.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/str.h"
#include "tests/vcdsim/body.h"
#include "tests/vcdsim/calls.h"
#include "tests/vcdsim/objects.h"
#include "tests/vcdsim/route.h"
#include "tests/vcdsim/session.h"
#include "tests/vcdsim/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { RECEIVE_MAX = 2 * 1024 * 1024, STALL_MAX_MS = 120 * 1000, DATE_SIZE = 64 };

struct sim_http {
	struct MHD_Daemon *daemon;
	struct arena arena; /* certificate and key */
};

/* One request and its answer; made when the request line was read, freed when all was sent. */
struct exchange {
	struct arena arena;
	struct buf body;
	struct sim_request req;
	struct sim_reply reply;
	const char *user;	/* for the call log */
	const char *task_error; /* a test's order for the task that is started, "" or NULL: none */
	bool begun;
};

static const struct sim_route *const tables[] = {auth_routes, legacy_routes, vapp_routes,
	task_routes, cloudapi_routes, entity_routes, edge_routes, extension_routes, NULL};

const char *sim_base_url(const struct sim *sim)
{
	return sim->base_url;
}

const char *sim_header(const struct sim_request *req, const char *name)
{
	return MHD_lookup_connection_value(req->connection, MHD_HEADER_KIND, name);
}

const char *sim_query(const struct sim_request *req, const char *name)
{
	const char *rest = req->query, *pair;
	size_t len, name_len = strlen(name);

	while ((pair = str_next(&rest, '&', &len)) != NULL) {
		if (len <= name_len || pair[name_len] != '=' || memcmp(pair, name, name_len) != 0)
			continue;
		char *value = arena_strndup(req->arena, pair + name_len + 1, len - name_len - 1);

		for (char *c = value; *c != '\0'; c++) {
			if (*c == '+')
				*c = ' ';
		}
		return str_percent_decode(req->arena, value, strlen(value));
	}
	return NULL;
}

static enum MHD_Result collect_header(
	void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
	(void)kind;
	json_object_object_add(context, name, json_object_new_string(str_or(value, "")));
	return MHD_YES;
}

struct json_object *sim_headers(const struct sim_request *req)
{
	struct json_object *headers = json_object_new_object();

	MHD_get_connection_values(req->connection, MHD_HEADER_KIND, collect_header, headers);
	return headers;
}

const char *sim_peer(const struct sim_request *req, int *port)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(req->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	struct sockaddr_in address;
	char text[INET_ADDRSTRLEN];

	memcpy(&address, info->client_addr, sizeof(address));
	*port = ntohs(address.sin_port);
	inet_ntop(AF_INET, &address.sin_addr, text, sizeof(text));
	return arena_strdup(req->arena, text);
}

/* 352 for "version=35.2" in an Accept header, 0 when it names none. */
static int accept_version(const char *accept)
{
	const char *version = accept == NULL ? NULL : strstr(accept, "version=");
	int major = 0, minor = 0;

	if (version == NULL || sscanf(version, "version=%2d.%1d", &major, &minor) != 2)
		return 0;
	return major * 10 + minor;
}

static bool version_is_supported(int version)
{
	return version == 310 || version == 320 || version == 330 || version == 340 ||
	       version == 350 || version == 351 || version == 352;
}

static const char *make_request_id(const struct sim_request *req)
{
	const char *given = sim_header(req, "X-VMWARE-VCLOUD-CLIENT-REQUEST-ID");
	char uuid[SIM_ID];

	uuid_make(uuid);
	return given == NULL ? arena_strdup(req->arena, uuid)
			     : arena_printf(req->arena, "%s-%s", given, uuid);
}

static bool is_extension_row(const struct sim_route *route)
{
	for (const struct sim_route *row = extension_routes; row->method != NULL; row++) {
		if (row == route)
			return true;
	}
	return false;
}

/* Who may call: VCD says 401 before it looks at anything else, then 406, then 403. */
static bool check_access(struct sim *sim, struct sim_request *req, struct sim_reply *reply)
{
	const struct sim_route *route = req->route;
	const char *tenant = sim_header(req, "X-VMWARE-VCLOUD-TENANT-CONTEXT");

	req->session = session_find(sim, req);
	if (route->access != ACCESS_ANYONE && req->session == NULL) {
		reply->status = 401;
		return false;
	}
	if (tenant != NULL && str_starts(tenant, "urn:")) {
		reply->status = 401; /* VCD 10.2 wants the bare UUID and answers a URN like this */
		return false;
	}
	if (route->access != ACCESS_ANYONE && !is_extension_row(route) &&
		!version_is_supported(req->api_version)) {
		reply_error(req, reply, 406, "NOT_ACCEPTABLE",
			"The request has invalid accept header: Invalid API version requested.");
		return false;
	}
	if (route->access == ACCESS_SYSTEM && !session_is_system(req->session)) {
		reply_error(req, reply, 403, "ACCESS_TO_RESOURCE_IS_FORBIDDEN",
			"This operation is denied.");
		return false;
	}
	if (route->right != NULL && !session_has_right(req->session, route->right)) {
		reply_error(req, reply, 403, "ACCESS_TO_RESOURCE_IS_FORBIDDEN",
			"Either you need some or all of the following rights [%s] to perform "
			"operations [%s] for %s or the target entity is invalid.",
			route->right, route->right, str_or(req->tokens[0], "-"));
		return false;
	}
	return true;
}

static bool check_body(struct sim_request *req, struct sim_reply *reply)
{
	if (req->body_len == 0 || is_extension_row(req->route))
		return true;
	return req->cloudapi ? body_check_json(req, reply) : body_check_xml(req, reply);
}

/* The native tasks that this call has started shall fail. */
static void fail_tasks(struct sim *sim, const struct sim_task *before, const char *text)
{
	for (struct sim_task *task = sim->tasks; task != before && !str_empty(text);
		task = task->next) {
		if (!task->external)
			task->ordered_error = keep(sim, text);
	}
}

static void call_handler(struct sim *sim, struct exchange *exchange)
{
	struct sim_request *req = &exchange->req;

	pthread_mutex_lock(&sim->lock);
	/* Whoever comes when a task is due must not find it running until the next tick. */
	tasks_end_due(sim);
	const struct sim_task *newest = sim->tasks;
	bool allowed = check_access(sim, req, &exchange->reply);

	if (req->session != NULL)
		exchange->user = arena_printf(&exchange->arena, "%s@%s", req->session->user->name,
			req->session->user->org->name);
	if (allowed && check_body(req, &exchange->reply)) {
		if (req->route->unlocked)
			pthread_mutex_unlock(&sim->lock);
		req->route->handle(sim, req, &exchange->reply);
		if (req->route->unlocked)
			pthread_mutex_lock(&sim->lock);
		fail_tasks(sim, newest, exchange->task_error);
	}
	pthread_mutex_unlock(&sim->lock);
}

static void answer(struct sim *sim, struct exchange *exchange)
{
	struct sim_request *req = &exchange->req;
	int status;

	if (exchange->body.overflow) {
		exchange->reply.status = 413;
		return;
	}
	req->route = route_find(tables, req->method, req->path, req->arena, req->tokens, &status);
	if (req->route != NULL) {
		call_handler(sim, exchange);
		return;
	}
	reply_error(req, &exchange->reply, status,
		status == 404 ? "NOT_FOUND" : "METHOD_NOT_ALLOWED",
		status == 404 ? "No resource at this path." : "This method is not allowed here.");
}

/* Carries out a fault that a test ordered. Returns true when the call itself must not be handled.
 */
static bool apply_fault(struct exchange *exchange, const struct sim_fault_hit *hit)
{
	struct sim_reply *reply = &exchange->reply;

	if (hit->reset)
		reply->drop = true;
	if (hit->stall)
		reply->stall = true;
	if (hit->status != 0) {
		json_release(&reply->headers);
		*reply = (struct sim_reply){0};
		reply_error(&exchange->req, reply, hit->status,
			hit->minor[0] != '\0' ? hit->minor : "INTERNAL_SERVER_ERROR", "%s",
			hit->message[0] != '\0' ? hit->message
						: "Unable to perform this action. Contact your "
						  "cloud administrator.");
	}
	return reply->drop || reply->stall || hit->status != 0;
}

static void handle(struct sim *sim, struct exchange *exchange)
{
	struct sim_request *req = &exchange->req;
	struct sim_fault_hit hit = {0};
	const char *agent = str_or(sim_header(req, "User-Agent"), "");
	const struct sim_call call = {req->method, req->path, agent, req->body,
		sim_header(req, "X-VMWARE-VCLOUD-CLIENT-REQUEST-ID")};
	bool faulty = calls_fault(sim, &call, &hit);

	exchange->task_error = hit.task_error;

	if (faulty && hit.delay_ms > 0)
		clock_sleep_ms(hit.delay_ms);
	if (hit.hold_before && !calls_hold(sim, &hit, &call))
		exchange->reply.drop = true;
	else if (!faulty || hit.after_effect || !apply_fault(exchange, &hit))
		answer(sim, exchange);
	if (hit.hold_after && !calls_hold(sim, &hit, &call))
		exchange->reply.drop = true;
	if (faulty && hit.after_effect)
		apply_fault(exchange, &hit);
	calls_log(sim, req->method, req->uri, exchange->reply.drop ? 0 : exchange->reply.status,
		agent, str_or(exchange->user, ""));
}

static void add_header(struct MHD_Response *response, const char *name, const char *value)
{
	if (name != NULL && value != NULL)
		MHD_add_response_header(response, name, value);
}

/* VCD's own clock as an HTTP date. */
static const char *date_text(struct sim *sim, char out[DATE_SIZE])
{
	struct tm parts;

	pthread_mutex_lock(&sim->lock);
	time_t now = (time_t)(sim_wall_ms(sim) / 1000);

	pthread_mutex_unlock(&sim->lock);
	gmtime_r(&now, &parts);
	strftime(out, DATE_SIZE, "%a, %d %b %Y %H:%M:%S GMT", &parts);
	return out;
}

static enum MHD_Result send_reply(
	struct sim *sim, struct MHD_Connection *connection, struct exchange *exchange)
{
	struct sim_reply *reply = &exchange->reply;
	char date[DATE_SIZE];
	struct MHD_Response *response = MHD_create_response_from_buffer(
		reply->body_len, reply->body, MHD_RESPMEM_MUST_COPY);

	add_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply->content_type);
	add_header(response, MHD_HTTP_HEADER_LOCATION, reply->location);
	add_header(response, MHD_HTTP_HEADER_DATE, date_text(sim, date));
	add_header(response, "Link", reply->link);
	add_header(response, "X-VMWARE-VCLOUD-REQUEST-ID", exchange->req.request_id);
	if (reply->token != NULL) {
		add_header(response, "X-VMWARE-VCLOUD-ACCESS-TOKEN", reply->token);
		add_header(response, "X-VMWARE-VCLOUD-TOKEN-TYPE", "Bearer");
	}
	for (size_t i = 0; i < ARRAY_LEN(reply->extra_header); i++)
		add_header(response, reply->extra_header[i][0], reply->extra_header[i][1]);
	if (reply->headers != NULL) {
		json_object_object_foreach(reply->headers, name, value)
			add_header(response, name, json_object_get_string(value));
	}
	enum MHD_Result result =
		MHD_queue_response(connection, (unsigned int)reply->status, response);

	MHD_destroy_response(response);
	return result;
}

static void stall(struct sim *sim)
{
	for (int64_t end = clock_ms() + STALL_MAX_MS; clock_ms() < end; clock_sleep_ms(50)) {
		pthread_mutex_lock(&sim->lock);
		bool stopping = sim->stopping;

		pthread_mutex_unlock(&sim->lock);
		if (stopping)
			break;
	}
}

static void begin(struct sim *sim, struct exchange *exchange, struct MHD_Connection *connection,
	const char *method)
{
	struct sim_request *req = &exchange->req;
	const char *mark = strchr(req->uri, '?');

	exchange->begun = true;
	req->sim = sim;
	req->connection = connection;
	req->arena = &exchange->arena;
	req->method = arena_strdup(&exchange->arena, method);
	req->path = arena_strndup(&exchange->arena, req->uri, strcspn(req->uri, "?"));
	req->query = mark == NULL ? NULL : mark + 1;
	req->cloudapi = str_starts(req->path, "/cloudapi");
	req->api_version = accept_version(sim_header(req, "Accept"));
	req->request_id = make_request_id(req);
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *upload, size_t *upload_len,
	void **state)
{
	struct sim *sim = context;
	struct exchange *exchange = *state;

	(void)url;
	(void)version;
	if (!exchange->begun) {
		begin(sim, exchange, connection, method);
		return MHD_YES;
	}
	if (*upload_len > 0) {
		buf_add(&exchange->body, upload, *upload_len);
		*upload_len = 0;
		return MHD_YES;
	}
	exchange->req.body = buf_str(&exchange->body);
	exchange->req.body_len = exchange->body.len;
	handle(sim, exchange);
	if (exchange->reply.stall)
		stall(sim);
	if (exchange->reply.drop || exchange->reply.stall)
		return MHD_NO;
	return send_reply(sim, connection, exchange);
}

static void *on_uri(void *context, const char *uri, struct MHD_Connection *connection)
{
	struct exchange *exchange = xcalloc(1, sizeof(*exchange));

	(void)context;
	(void)connection;
	buf_init(&exchange->body, RECEIVE_MAX);
	exchange->req.uri = arena_strdup(&exchange->arena, uri);
	return exchange;
}

static void on_completed(void *context, struct MHD_Connection *connection, void **state,
	enum MHD_RequestTerminationCode code)
{
	struct exchange *exchange = *state;

	(void)context;
	(void)connection;
	(void)code;
	if (exchange == NULL)
		return;
	xml_free(&exchange->req.xml);
	json_release(&exchange->req.json);
	json_release(&exchange->reply.headers);
	buf_release(&exchange->body);
	arena_reset(&exchange->arena);
	free(exchange);
	*state = NULL;
}

/* The path is decoded segment by segment later; decoding it here would lose "%2F". */
static size_t keep_escapes(void *context, struct MHD_Connection *connection, char *text)
{
	(void)context;
	(void)connection;
	return strlen(text);
}

int http_address(const char *listen, struct sockaddr_in *out, struct error *err)
{
	const char *colon = strrchr(listen, ':');
	char host[INET_ADDRSTRLEN];
	int64_t port;

	*out = (struct sockaddr_in){.sin_family = AF_INET};
	if (colon == NULL || (size_t)(colon - listen) >= sizeof(host) ||
		!str_to_int(colon + 1, 0, 65535, &port))
		return error_set(err, ERR_INVALID, "'%s' is not ADDRESS:PORT", listen);
	snprintf(host, sizeof(host), "%.*s", (int)(colon - listen), listen);
	if (inet_pton(AF_INET, host, &out->sin_addr) != 1 || !str_starts(host, "127."))
		return error_set(err, ERR_INVALID, "'%s' is not a loopback address", host);
	out->sin_port = htons((uint16_t)port);
	return 0;
}

int http_start(struct sim *sim, const char *listen, struct error *err)
{
	struct sockaddr_in address;
	char *cert, *key, host[INET_ADDRSTRLEN];

	if (http_address(listen, &address, err) != 0)
		return -1;
	sim->http = xcalloc(1, sizeof(*sim->http));
	if (tls_make(sim->dir, &sim->http->arena, &cert, &key, err) != 0)
		return -1;
	sim->http->daemon = MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION |
						     MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_TLS |
						     MHD_USE_SUPPRESS_DATE_NO_CLOCK,
		0, NULL, NULL, on_request, sim, MHD_OPTION_SOCK_ADDR, &address,
		MHD_OPTION_HTTPS_MEM_CERT, cert, MHD_OPTION_HTTPS_MEM_KEY, key,
		MHD_OPTION_URI_LOG_CALLBACK, on_uri, sim, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
		sim, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, sim, MHD_OPTION_CONNECTION_LIMIT,
		1024U, MHD_OPTION_LISTENING_ADDRESS_REUSE, 1U, MHD_OPTION_END);
	if (sim->http->daemon == NULL)
		return error_set(
			err, ERR_INTERNAL, "cannot serve on %s: %s", listen, strerror(errno));
	inet_ntop(AF_INET, &address.sin_addr, host, sizeof(host));
	/* A first client may be there already: its handler waits until the URL is known. */
	pthread_mutex_lock(&sim->lock);
	sim->own_url = keepf(sim, "https://%s:%d", host,
		MHD_get_daemon_info(sim->http->daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
	sim->base_url =
		sim->public_address ? keepf(sim, "https://%s", sim->public_address) : sim->own_url;
	pthread_mutex_unlock(&sim->lock);
	return 0;
}

void http_stop(struct sim *sim)
{
	if (sim->http == NULL)
		return;
	if (sim->http->daemon != NULL)
		MHD_stop_daemon(sim->http->daemon);
	arena_reset(&sim->http->arena);
	free(sim->http);
	sim->http = NULL;
}
