/* SPDX-License-Identifier: MIT */
/* Versions, login and logout of both APIs, and who is calling. */
#include "common/base64.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/str.h"
#include "tests/vcdsim/render.h"
#include "tests/vcdsim/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

enum { SESSION_HARD_MS = 24 * 60 * 60 * 1000, TOKEN_RANDOM = 512 };

static const char legacy_token_header[] = "x-vcloud-authorization";

static const struct {
	const char *version;
	bool deprecated, cloudapi;
} versions[] = {
	{"31.0", true, false},
	{"32.0", true, false},
	{"33.0", false, true},
	{"34.0", false, true},
	{"35.0", false, true},
	{"35.1", false, true},
	{"35.2", false, true},
};

static void get_versions(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct xml_writer *writer = xml_writer_new();
	size_t len;

	xw_open(writer, "SupportedVersions");
	xw_ns(writer, NULL, XML_VERSIONS);
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		xw_open(writer, "VersionInfo");
		xw_attr(writer, "deprecated", versions[i].deprecated ? "true" : "false");
		xw_leaf(writer, "Version", versions[i].version);
		xw_leaf(writer, "LoginUrl",
			arena_printf(req->arena, "%s%s", sim_base_url(sim),
				versions[i].cloudapi ? "/cloudapi/1.0.0/sessions"
						     : "/api/sessions"));
		xw_close(writer);
	}
	xw_leaf(writer, "SchemaRoot",
		arena_printf(req->arena, "%s/api/v1.5/schema/", sim_base_url(sim)));
	xw_close(writer);
	char *body = xw_finish(writer, req->arena, &len);

	xml_writer_free(&writer);
	reply_xml(req, reply, 200, "text/xml", body, len);
}

/* The user whose password the Basic header holds, NULL when it is not right. */
static struct sim_user *user_of_basic(struct sim *sim, const struct sim_request *req)
{
	const char *header = sim_header(req, "Authorization");
	size_t len;

	if (header == NULL || strncasecmp(header, "Basic ", 6) != 0)
		return NULL;
	char *text = base64_decode(req->arena, header + 6, &len);
	char *colon = text == NULL ? NULL : strchr(text, ':');

	if (colon == NULL)
		return NULL;
	*colon = '\0';
	char *at = strrchr(text, '@');

	if (at == NULL)
		return NULL;
	*at = '\0';
	for (struct sim_user *user = sim->users; user != NULL; user = user->next) {
		if (str_eq_ci(user->name, text) && str_eq_ci(user->org->name, at + 1) &&
			str_eq(user->password, colon + 1))
			return user;
	}
	return NULL;
}

struct sim_session *session_new(struct sim *sim, struct sim_user *user)
{
	struct sim_session *session = xcalloc(1, sizeof(*session));
	unsigned char random[TOKEN_RANDOM];
	char hex[2 * TOKEN_RANDOM + 1];

	/* getrandom() gives at most 256 bytes at once without being interrupted. */
	for (size_t done = 0; done < sizeof(random); done += 256) {
		if (getrandom(random + done, 256, 0) != 256)
			abort();
	}
	str_hex(hex, random, sizeof(random));
	uuid_make(session->uuid);
	snprintf(session->token, sizeof(session->token), "eyJhbGciOiJSUzI1NiJ9.%.900s.%.120s", hex,
		hex + 900);
	session->user = user;
	session->rights = json_copy(user->rights);
	session->started_ms = session->last_use_ms = clock_ms();
	session->next = sim->sessions;
	sim->sessions = session;
	return session;
}

static const char *token_of(const struct sim_request *req)
{
	const char *header = sim_header(req, "Authorization");

	if (header != NULL && strncasecmp(header, "Bearer ", 7) == 0)
		return header + 7;
	return sim_header(req, legacy_token_header);
}

struct sim_session *session_find(struct sim *sim, const struct sim_request *req)
{
	const char *token = token_of(req);
	int64_t now = clock_ms();

	if (str_empty(token))
		return NULL;
	for (struct sim_session *session = sim->sessions; session != NULL;
		session = session->next) {
		if (session->ended || !str_eq(session->token, token))
			continue;
		if (now - session->last_use_ms >= sim->options.session_idle_ms ||
			now - session->started_ms >= SESSION_HARD_MS) {
			session->ended = true;
			return NULL;
		}
		session->last_use_ms = now;
		return session;
	}
	return NULL;
}

static const char *location_of(const struct sim_session *session)
{
	return session->user->org->uuid;
}

static struct json_object *json_reference(const char *name, const char *kind, const char *uuid)
{
	struct json_object *out = json_object_new_object();
	char urn[128];

	snprintf(urn, sizeof(urn), "urn:vcloud:%s:%s", kind, uuid);
	json_set_str(out, "name", name);
	json_set_str(out, "id", urn);
	return out;
}

static void reply_session_json(const struct sim_request *req, struct sim_reply *reply,
	const struct sim *sim, const struct sim_session *session)
{
	const struct sim_user *user = session->user;
	struct json_object *body = json_object_new_object(), *roles = json_object_new_array();

	json_set_str(body, "id", urn_of(req, "session", session->uuid));
	json_set(body, "user", json_reference(user->name, "user", user->uuid));
	json_set(body, "org", json_reference(user->org->name, "org", user->org->uuid));
	json_set_str(body, "location", location_of(session));
	json_object_array_add(roles, json_object_new_string(user->role));
	json_set(body, "roles", roles);
	if (req->api_version >= 350) {
		struct json_object *refs = json_object_new_array();

		json_object_array_add(refs, json_reference(user->role, "role", user->role_uuid));
		json_set(body, "roleRefs", refs);
		json_set_int(body, "sessionIdleTimeoutMinutes",
			(sim->options.session_idle_ms + 59999) / 60000);
	}
	reply_json(req, reply, 200, body);
}

static void render_session_links(const struct sim_request *req, struct xml_writer *writer)
{
	const struct sim_org *org = req->session->user->org;
	const char *base = sim_base_url(req->sim);

	render_link(writer, "down", TYPE_VCLOUD "orgList+xml", href_of(req, "org", NULL));
	render_link(writer, "remove", NULL, href_of(req, "session", NULL));
	xw_open(writer, "Link");
	xw_attr(writer, "rel", "down");
	render_identity(writer, org->name, NULL, href_of(req, "org/", org->uuid), TYPE_ORG);
	xw_close(writer);
	if (session_is_system(req->session)) {
		render_link(writer, "down", "application/vnd.vmware.admin.vcloud+xml",
			href_of(req, "admin", NULL));
		render_link(writer, "down", "application/vnd.vmware.admin.vmwExtension+xml",
			href_of(req, "admin/extension", NULL));
	}
	render_link(writer, "down", TYPE_VCLOUD "query.queryList+xml", href_of(req, "query", NULL));
	render_link(
		writer, "entityResolver", TYPE_VCLOUD "entity+xml", href_of(req, "entity/", NULL));
	render_link(writer, "down:extensibility", TYPE_VCLOUD "apiextensibility+xml",
		href_of(req, "extensibility", NULL));
	render_link(writer, "openapi", "application/json",
		arena_printf(req->arena, "%s/cloudapi", base));
}

static void get_session(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	const struct sim_user *user = req->session->user;
	struct xml_writer *writer = doc_open("Session");

	(void)sim;
	xw_attr(writer, "user", user->name);
	xw_attr(writer, "org", user->org->name);
	xw_attr(writer, "userId", urn_of(req, "user", user->uuid));
	xw_attr(writer, "roles", user->role);
	xw_attr(writer, "locationId", location_of(req->session));
	render_identity(
		writer, NULL, NULL, href_of(req, "session", NULL), TYPE_VCLOUD "session+xml");
	render_session_links(req, writer);
	doc_reply(req, reply, 200, TYPE_VCLOUD "session+xml", writer);
	if (sim_header(req, legacy_token_header) != NULL) { /* old clients take it from here */
		reply->extra_header[0][0] = legacy_token_header;
		reply->extra_header[0][1] = req->session->token;
	}
}

static void get_current(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	reply_session_json(req, reply, sim, req->session);
}

static void log_in(
	struct sim *sim, const struct sim_request *req, struct sim_reply *reply, bool provider)
{
	struct sim_user *user = user_of_basic(sim, req);

	if (req->api_version < 330) {
		reply_error(req, reply, 406, "NOT_ACCEPTABLE",
			"The request has invalid accept header: Invalid API version requested.");
		return;
	}
	if (user == NULL || str_eq(user->org->name, "System") != provider) {
		reply->status = 401;
		return;
	}
	struct sim_session *session = session_new(sim, user);

	reply->token = session->token;
	reply_session_json(req, reply, sim, session);
}

static void post_sessions(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	log_in(sim, req, reply, false);
}

static void post_sessions_provider(
	struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	log_in(sim, req, reply, true);
}

/* The login of versions below 33: both kinds of users, and a header of its own. */
static void post_sessions_old(
	struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	struct sim_user *user = user_of_basic(sim, req);
	struct sim_request as_user = *req;

	if (req->api_version == 0 || req->api_version >= 330) {
		reply_error(req, reply, 406, "NOT_ACCEPTABLE",
			"The request has invalid accept header: Invalid API version requested.");
		return;
	}
	if (user == NULL) {
		reply->status = 401;
		return;
	}
	as_user.session = session_new(sim, user);
	get_session(sim, &as_user, reply);
	reply->extra_header[0][0] = legacy_token_header;
	reply->extra_header[0][1] = as_user.session->token;
}

static void delete_session(struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	(void)sim;
	req->session->ended = true;
	reply->status = 204;
}

static void delete_session_by_id(
	struct sim *sim, const struct sim_request *req, struct sim_reply *reply)
{
	const char *uuid = str_urn_uuid(req->tokens[0]);

	(void)sim;
	if (!str_eq(uuid, req->session->uuid)) {
		reply_no_access(req, reply, "session", uuid);
		return;
	}
	req->session->ended = true;
	reply->status = 204;
}

const struct sim_route auth_routes[] = {
	{"GET", "/api/versions", ACCESS_ANYONE, NULL, get_versions, false},
	{"POST", "/api/sessions", ACCESS_ANYONE, NULL, post_sessions_old, false},
	{"GET", "/api/session", ACCESS_SESSION, NULL, get_session, false},
	{"DELETE", "/api/session", ACCESS_SESSION, NULL, delete_session, false},
	{"POST", "/cloudapi/1.0.0/sessions", ACCESS_ANYONE, NULL, post_sessions, false},
	{"POST", "/cloudapi/1.0.0/sessions/provider", ACCESS_ANYONE, NULL, post_sessions_provider,
		false},
	{"GET", "/cloudapi/1.0.0/sessions/current", ACCESS_SESSION, NULL, get_current, false},
	{"DELETE", "/cloudapi/1.0.0/sessions/{id}", ACCESS_SESSION, NULL, delete_session_by_id,
		false},
	{0},
};
