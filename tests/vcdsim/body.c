/* SPDX-License-Identifier: MIT */
#include "tests/vcdsim/body.h"

#include "common/json.h"
#include "common/str.h"

#include <string.h>
#include <strings.h>

/* The media type without parameters. */
static const char *body_media_type(const struct sim_request *req)
{
	const char *type = str_or(sim_header(req, "Content-Type"), "");

	return arena_strndup(req->arena, type, strcspn(type, "; "));
}

static bool refuse_jaxb(const struct sim_request *req, struct sim_reply *reply, const char *why)
{
	reply_error(req, reply, 400, "BAD_REQUEST", "Bad request - Unexpected JAXB Exception - %s",
		why);
	return false;
}

static bool refuse_type(const struct sim_request *req, struct sim_reply *reply, const char *type)
{
	reply_error(
		req, reply, 415, "UNSUPPORTED_MEDIA_TYPE", "Content type '%s' not supported", type);
	return false;
}

static bool check_structure(struct sim_request *req, struct sim_reply *reply)
{
	struct xml_node *root = xml_root(req->xml);
	struct error err;

	if (xml_count(root) > BODY_ELEMENTS_MAX)
		return refuse_jaxb(req, reply, "the document has more than 4096 elements");
	if (order_check(req->arena, root, &err) != 0)
		return refuse_jaxb(req, reply, err.msg);
	if (xsd_check(req->body, req->body_len, &err) != 0)
		return refuse_jaxb(req, reply, err.msg);
	return true;
}

bool body_check_xml(struct sim_request *req, struct sim_reply *reply)
{
	const char *type = body_media_type(req);
	struct error err;

	if (req->body_len > BODY_BYTES_MAX) {
		reply_error(req, reply, 400, "BAD_REQUEST",
			"The request body is larger than the limit of %d bytes.", BODY_BYTES_MAX);
		return false;
	}
	if (!str_starts(type, "application/") || !str_ends(type, "+xml"))
		return refuse_type(req, reply, type);
	req->xml = xml_parse(req->body, req->body_len, &err);
	if (req->xml == NULL)
		return refuse_jaxb(req, reply, err.msg);
	const char *wanted = order_media_type(xml_name(xml_root(req->xml)));

	if (wanted != NULL && strcasecmp(wanted, type) != 0)
		return refuse_type(req, reply, type);
	return check_structure(req, reply);
}

bool body_check_json(struct sim_request *req, struct sim_reply *reply)
{
	const char *type = body_media_type(req);
	struct error err;

	if (strcasecmp(type, "application/json") != 0)
		return refuse_type(req, reply, type);
	req->json = json_parse(req->body, req->body_len, 64, &err);
	if (req->json == NULL) {
		reply_error(req, reply, 400, "BAD_REQUEST", "Malformed JSON: %s", err.msg);
		return false;
	}
	return true;
}

struct xml_node *body_root(const struct sim_request *req, struct sim_reply *reply, const char *name)
{
	struct xml_node *root = req->xml == NULL ? NULL : xml_root(req->xml);

	if (xml_is(root, XML_VCLOUD, name))
		return root;
	reply_error(req, reply, 400, "BAD_REQUEST",
		"Bad request - Unexpected JAXB Exception - the root element must be '%s'.", name);
	return NULL;
}
