/* SPDX-License-Identifier: MIT */
#include "worker/vcd/client.h"

#include "common/json.h"
#include "common/str.h"

#include <string.h>

enum { FAULT_MAX_BYTES = 64 * 1024, FAULT_JSON_DEPTH = 32, SHOWN_MAX = 360 };

enum kind { MINOR_IS, MESSAGE_HAS };

/* The first row that fits decides; status 0 fits all. */
static const struct {
	int status;
	enum kind kind;
	const char *text; /* "" fits all */
	enum err_code code;
} rows[] = {
	{0, MINOR_IS, "BUSY_ENTITY", ERR_BUSY},
	{400, MESSAGE_HAS, "is busy", ERR_BUSY},
	{400, MESSAGE_HAS, "is currently busy", ERR_BUSY},
	{0, MINOR_IS, "DUPLICATE_NAME", ERR_CONFLICT},
	{401, MESSAGE_HAS, "", ERR_EXPIRED},
	{403, MESSAGE_HAS, "No access to entity", ERR_GONE},
	{403, MESSAGE_HAS, "", ERR_DENIED},
	{404, MESSAGE_HAS, "", ERR_GONE},
	{408, MESSAGE_HAS, "", ERR_TRANSIENT},
	{409, MESSAGE_HAS, "", ERR_CONFLICT},
	{412, MESSAGE_HAS, "", ERR_CONFLICT},
	{429, MESSAGE_HAS, "", ERR_TRANSIENT},
};

enum err_code fault_class(int status, const char *minor, const char *message)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].status && rows[i].status != status)
			continue;
		if (rows[i].kind == MINOR_IS ? str_eq(minor, rows[i].text)
					     : strstr(message, rows[i].text) != NULL)
			return rows[i].code;
	}
	if (status >= 500)
		return ERR_TRANSIENT;
	/* Redirections and the like: whoever answered was not VCD. */
	return status >= 400 ? ERR_INVALID : ERR_TRANSIENT;
}

static void read_json(struct vcd *vcd, const struct http_response *response)
{
	struct error ignored;
	CLEANUP(json_release)
	struct json_object *body =
		json_parse(response->body, response->body_len, FAULT_JSON_DEPTH, &ignored);

	if (!body)
		return;
	vcd->fault.minor = arena_strdup(vcd->arena, json_str(body, "minorErrorCode", ""));
	vcd->fault.message = arena_strdup(vcd->arena, json_str(body, "message", ""));
}

static void read_xml(struct vcd *vcd, const struct http_response *response)
{
	struct error ignored;
	CLEANUP(xml_free)
	struct xml_doc *doc = xml_parse(response->body, response->body_len, &ignored);
	struct xml_node *root = doc ? xml_root(doc) : NULL;

	if (!xml_is(root, XML_VCLOUD, "Error"))
		return;
	vcd->fault.minor = str_or(xml_attr(vcd->arena, root, "minorErrorCode"), "");
	vcd->fault.message = str_or(xml_attr(vcd->arena, root, "message"), "");
}

/* VCD starts its messages with "[ <request id> ] ", which the log has already. */
static const char *without_id(const char *message)
{
	const char *end = str_starts(message, "[ ") ? strstr(message, " ] ") : NULL;

	return end ? end + 3 : message;
}

void fault_read(struct vcd *vcd, const struct http_response *response)
{
	struct vcd_fault *fault = &vcd->fault;

	*fault = (struct vcd_fault){.minor = "", .message = ""};
	if (response->status >= 200 && response->status <= 299)
		return;
	fault->status = response->status;
	if (response->body_len > 0 && response->body_len <= FAULT_MAX_BYTES) {
		if (strstr(response->content_type, "json"))
			read_json(vcd, response);
		else
			read_xml(vcd, response);
	}
	fault->message = without_id(fault->message);
	fault->code = fault_class(fault->status, fault->minor, fault->message);
}

int fault_set(const struct vcd *vcd, const char *what, struct error *err)
{
	const struct vcd_fault *fault = &vcd->fault;
	const char *shown = *fault->message ? fault->message : "no explanation";

	return error_set(err, fault->code, "%s: VCD answered %d%s%s: %.*s", what, fault->status,
		*fault->minor ? " " : "", fault->minor, SHOWN_MAX, shown);
}
