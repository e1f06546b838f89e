/* SPDX-License-Identifier: MIT */
#include "tests/vcdsim/admin.h"

#include "common/buf.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/str.h"
#include "tests/vcdsim/calls.h"
#include "tests/vcdsim/guests.h"
#include "tests/vcdsim/http.h"
#include "tests/vcdsim/options.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

enum { ADMIN_BODY_MAX = 65536 };

struct sim_admin {
	struct MHD_Daemon *daemon;
};

/* Each returns a new object for the answer, or NULL with the error for a 400. */
typedef struct json_object *admin_fn(struct sim *sim, struct json_object *body, struct error *err);

static struct json_object *done(void)
{
	struct json_object *out = json_object_new_object();

	json_set_bool(out, "ok", true);
	return out;
}

static struct json_object *get_state(struct sim *sim, struct json_object *body, struct error *err)
{
	(void)body;
	(void)err;
	pthread_mutex_lock(&sim->lock);
	struct json_object *out = state_view(sim);

	pthread_mutex_unlock(&sim->lock);
	return out;
}

static struct json_object *get_tasks(struct sim *sim, struct json_object *body, struct error *err)
{
	(void)body;
	(void)err;
	pthread_mutex_lock(&sim->lock);
	struct json_object *out = tasks_view(sim);

	pthread_mutex_unlock(&sim->lock);
	return out;
}

static struct json_object *get_guests(struct sim *sim, struct json_object *body, struct error *err)
{
	(void)body;
	(void)err;
	pthread_mutex_lock(&sim->lock);
	struct json_object *out = guests_json(sim);

	pthread_mutex_unlock(&sim->lock);
	return out;
}

static struct json_object *get_calls(struct sim *sim, struct json_object *body, struct error *err)
{
	(void)body;
	(void)err;
	return calls_json(sim);
}

static struct json_object *post_reset(struct sim *sim, struct json_object *body, struct error *err)
{
	(void)body;
	(void)err;
	calls_reset(sim);
	return done();
}

static struct json_object *get_path(struct sim *sim, struct json_object *body, struct error *err)
{
	(void)body;
	(void)err;
	return path_json(sim);
}

static struct json_object *get_faults(struct sim *sim, struct json_object *body, struct error *err)
{
	(void)body;
	(void)err;
	return faults_json(sim);
}

static struct json_object *post_faults(struct sim *sim, struct json_object *body, struct error *err)
{
	return faults_add(sim, body, err) == 0 ? done() : NULL;
}

static struct json_object *delete_faults(
	struct sim *sim, struct json_object *body, struct error *err)
{
	(void)body;
	(void)err;
	faults_clear(sim);
	return done();
}

static struct json_object *post_release(
	struct sim *sim, struct json_object *body, struct error *err)
{
	struct json_object *out = json_object_new_object();

	(void)err;
	json_set_int(out, "released", faults_release(sim, body));
	return out;
}

static struct json_object *get_options(struct sim *sim, struct json_object *body, struct error *err)
{
	(void)body;
	(void)err;
	pthread_mutex_lock(&sim->lock);
	struct json_object *out = options_json(&sim->options);

	pthread_mutex_unlock(&sim->lock);
	return out;
}

static struct json_object *post_options(
	struct sim *sim, struct json_object *body, struct error *err)
{
	int result = 0;

	if (!json_object_is_type(body, json_type_object)) {
		error_set(err, ERR_INVALID, "options are a JSON object");
		return NULL;
	}
	pthread_mutex_lock(&sim->lock);
	json_object_object_foreach(body, name, value)
	{
		if (result == 0)
			result =
				options_set(&sim->options, name, json_object_get_int64(value), err);
	}
	pthread_mutex_unlock(&sim->lock);
	return result == 0 ? get_options(sim, NULL, err) : NULL;
}

static const struct admin_row {
	const char *method, *path;
	admin_fn *handle;
} admin_rows[] = {
	{"GET", "/state", get_state},
	{"GET", "/tasks", get_tasks},
	{"GET", "/guests", get_guests},
	{"GET", "/calls", get_calls},
	{"POST", "/calls/reset", post_reset},
	{"GET", "/path", get_path},
	{"GET", "/faults", get_faults},
	{"POST", "/faults", post_faults},
	{"POST", "/faults/release", post_release},
	{"DELETE", "/faults", delete_faults},
	{"GET", "/options", get_options},
	{"POST", "/options", post_options},
};

static enum MHD_Result send_json(
	struct MHD_Connection *connection, unsigned int status, struct json_object *body)
{
	const char *text = json_object_to_json_string_ext(body,
		JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE);
	struct MHD_Response *response = MHD_create_response_from_buffer(
		strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);

	json_object_put(body);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
	enum MHD_Result result = MHD_queue_response(connection, status, response);

	MHD_destroy_response(response);
	return result;
}

static struct json_object *problem(const char *text)
{
	struct json_object *out = json_object_new_object();

	json_set_str(out, "error", text);
	return out;
}

static enum MHD_Result answer(struct sim *sim, struct MHD_Connection *connection, const char *url,
	const char *method, const struct buf *content)
{
	for (size_t i = 0; i < ARRAY_LEN(admin_rows); i++) {
		const struct admin_row *row = &admin_rows[i];
		CLEANUP(json_release)
		struct json_object *body = NULL;
		struct error err;

		if (!str_eq(row->method, method) || !str_eq(row->path, url))
			continue;
		if (content->len > 0)
			body = json_parse(buf_str(content), content->len, 8, &err);
		if (content->len > 0 && body == NULL)
			return send_json(connection, 400, problem(err.msg));
		struct json_object *out = row->handle(sim, body, &err);

		return out == NULL ? send_json(connection, 400, problem(err.msg))
				   : send_json(connection, 200, out);
	}
	return send_json(connection, 404, problem("there is no such page"));
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *upload, size_t *upload_len,
	void **state)
{
	struct buf *content = *state;

	(void)version;
	if (content == NULL) {
		content = xcalloc(1, sizeof(*content));
		buf_init(content, ADMIN_BODY_MAX);
		*state = content;
		return MHD_YES;
	}
	if (*upload_len > 0) {
		buf_add(content, upload, *upload_len);
		*upload_len = 0;
		return MHD_YES;
	}
	return answer(context, connection, url, method, content);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **state,
	enum MHD_RequestTerminationCode code)
{
	struct buf *content = *state;

	(void)context;
	(void)connection;
	(void)code;
	if (content != NULL)
		buf_release(content);
	free(content);
	*state = NULL;
}

int admin_start(struct sim *sim, const char *listen, struct error *err)
{
	struct sockaddr_in address;

	if (http_address(listen, &address, err) != 0)
		return -1;
	sim->admin = xcalloc(1, sizeof(*sim->admin));
	sim->admin->daemon = MHD_start_daemon(
		MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL,
		on_request, sim, MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_NOTIFY_COMPLETED,
		on_completed, NULL, MHD_OPTION_LISTENING_ADDRESS_REUSE, 1U, MHD_OPTION_END);
	if (sim->admin->daemon == NULL)
		return error_set(err, ERR_INTERNAL, "cannot serve on %s", listen);
	return 0;
}

int admin_port(const struct sim *sim)
{
	return MHD_get_daemon_info(sim->admin->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
}

void admin_stop(struct sim *sim)
{
	if (sim->admin == NULL)
		return;
	if (sim->admin->daemon != NULL)
		MHD_stop_daemon(sim->admin->daemon);
	free(sim->admin);
	sim->admin = NULL;
}
