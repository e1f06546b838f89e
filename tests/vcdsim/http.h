/* SPDX-License-Identifier: MIT */
/*
 * The simulator's HTTP face: libmicrohttpd, TLS, one thread per connection, a route table per API.
 *
 * A handler runs under the state lock unless its row says otherwise. What every handler would check
 * first stands in its row: who may call it, and with which right.
 */
#ifndef VCDSIM_HTTP_H
#define VCDSIM_HTTP_H

#include "common/arena.h"
#include "common/buf.h"
#include "common/xml.h"
#include "tests/vcdsim/state.h"

#include <json-c/json.h>

enum { SIM_TOKENS_MAX = 4 };

struct sim_request {
	const char *method, *path;
	struct MHD_Connection *connection; /* for headers: sim_header() */
	const char *body;		   /* NUL-terminated */
	size_t body_len;
	struct sim_session *session; /* NULL: not logged in */
	bool cloudapi;		     /* JSON answers and errors instead of XML */
	int api_version;	     /* of Accept, times ten: 350, 352; 0 when none was asked */
	const char *tokens[SIM_TOKENS_MAX]; /* {…} parts of the path, in order, percent-decoded */
	struct xml_doc *xml;	  /* parsed and checked body of a legacy call, else NULL */
	struct json_object *json; /* parsed body of a cloudapi call, else NULL */
	struct arena *arena;	  /* lives until the reply was sent */
	const char *uri, *query;  /* as sent: path with query, and the query alone (NULL: none) */
	const struct sim_route *route;
	const char *request_id; /* stands in brackets before every error text */
	struct sim *sim;
};

struct sim_reply {
	int status;
	char *body; /* in the request's arena */
	size_t body_len;
	const char *content_type;
	const char *location, *link;	/* NULL: not sent */
	const char *token;		/* X-VMWARE-VCLOUD-ACCESS-TOKEN of a login */
	const char *extra_header[2][2]; /* more name, value pairs */
	struct json_object *headers; /* more still: object name -> text, released after sending */
	bool drop;		     /* fault: close the connection instead of answering */
	bool stall;		     /* fault: accept and never answer */
};

typedef void sim_handler_fn(
	struct sim *sim, const struct sim_request *req, struct sim_reply *reply);

enum sim_access {
	ACCESS_ANYONE,
	ACCESS_SESSION,
	ACCESS_SYSTEM
}; /* SYSTEM: a user of the System org */

struct sim_route {
	const char *method; /* "*": any */
	/*
	 * "/api/vApp/vapp-{id}/metadata": {…} matches one segment or its end, "{*}" at the end the
	 * rest. A literal segment is preferred to a token. A slash at the end makes no difference.
	 */
	const char *path;
	enum sim_access access;
	const char *right; /* NULL: none; 403 with VCD's text when the session's role lacks it */
	sim_handler_fn *handle;
	bool unlocked; /* the handler takes the state lock itself (it waits for something) */
};

/*
 * Route tables, one per module; each ends with a row whose method is NULL. For extension_routes
 * neither Accept nor the body is checked, and no row's answer carries our content type rules.
 */
extern const struct sim_route auth_routes[], legacy_routes[], vapp_routes[], task_routes[],
	cloudapi_routes[], entity_routes[], edge_routes[], extension_routes[];

const char *sim_header(const struct sim_request *req, const char *name); /* NULL when absent */
const char *sim_query(
	const struct sim_request *req, const char *name); /* decoded; NULL when absent */
struct json_object *sim_headers(const struct sim_request *req) MUST_CHECK; /* new: name -> text */
/* Address and port of the client; the address lives in the request's arena. */
const char *sim_peer(const struct sim_request *req, int *port);

/* Answers. Content types repeat the API version, as VCD's do. Errors take the form of the API
 * asked. */
void reply_error(const struct sim_request *req, struct sim_reply *reply, int status,
	const char *minor_code, const char *fmt, ...) PRINTF_LIKE(5, 6);
void reply_no_access(const struct sim_request *req, struct sim_reply *reply, const char *type,
	const char *id); /* 403: forbidden or not there, VCD does not tell which */
void reply_json(const struct sim_request *req, struct sim_reply *reply, int status,
	struct json_object *body); /* takes body */
/* type is the media type without version, "application/vnd.vmware.vcloud.vApp+xml". */
void reply_xml(const struct sim_request *req, struct sim_reply *reply, int status, const char *type,
	char *body, size_t len);
void reply_task(
	const struct sim_request *req, struct sim_reply *reply, const struct sim_task *task);
/* legacy: 202 with the Task; cloudapi: 202, empty, Location */
/* A cloudapi page {resultTotal, pageCount, page, pageSize, values} of an array; takes values. */
void reply_page(const struct sim_request *req, struct sim_reply *reply, struct json_object *values,
	int default_size, int max_size);

/* https://host:port of this simulator. */
const char *sim_base_url(const struct sim *sim);

/* Starts serving; stops and joins all connections. */
int http_start(struct sim *sim, const char *listen, struct error *err) MUST_CHECK;
void http_stop(struct sim *sim);

/* Parses "127.0.0.1:PORT"; INVALID unless it is a loopback address. */
struct sockaddr_in;
int http_address(const char *listen, struct sockaddr_in *out, struct error *err) MUST_CHECK;

#endif
