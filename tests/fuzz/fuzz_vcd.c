/* SPDX-License-Identifier: MIT */
/*
 * VCD's answers: every reading function of the client, on bytes instead of a connection. The first
 * byte chooses the function, the second the status; a NUL byte ends one answer and begins the next.
 */
#include "common/http.h"
#include "common/json.h"
#include "common/xml.h"
#include "tests/fuzz/fuzz.h"
#include "worker/vcd/entity.h"
#include "worker/vcd/network.h"
#include "worker/vcd/org.h"
#include "worker/vcd/task.h"
#include "worker/vcd/vapp.h"

struct http_client {
	const char *rest, *end;
	int status;
};

static struct http_client wire;

void http_startup(void)
{
}

struct http_client *http_client_new(const struct http_options *options)
{
	(void)options;
	return &wire;
}

void http_client_free(struct http_client **client)
{
	*client = NULL;
}

int http_perform(struct http_client *client, struct arena *arena,
	const struct http_request *request, struct http_response *out, struct error *err)
{
	const char *end;

	*out = (struct http_response){
		.location = "", .link = "", .request_id = "", .content_type = ""};
	if (strstr(request->url, "/cloudapi/1.0.0/sessions") && str_eq(request->method, "POST")) {
		out->status = 200;
		out->content_type = "";
		out->body = arena_strdup(arena, "");
		out->token = arena_strdup(arena, "token");
		return 0;
	}
	/* Only reads: after a write the client would wait for VCD to finish it. */
	if (client->rest >= client->end || !str_eq(request->method, "GET"))
		return error_set(err, ERR_TRANSIENT, "no more answers");
	end = memchr(client->rest, '\0', (size_t)(client->end - client->rest));
	if (!end)
		end = client->end;
	out->status = client->status;
	out->body_len = (size_t)(end - client->rest);
	out->body = arena_strndup(arena, client->rest, out->body_len);
	out->location = out->body_len < 200 ? out->body : "";
	out->link = out->location;
	out->content_type = out->body[0] == '<' ? "application/*+xml" : "application/json";
	out->date_ms = 1;
	client->rest = end + 1;
	return 0;
}

static void read_task(struct vcd *vcd, struct error *err)
{
	struct vcd_task task;

	if (vcd_task_get(vcd, "7f4dbd22-0c3f-4c47-a2b3-2f9c1a8a5b9d", &task, err) == 0)
		FUZZ_REQUIRE(task.uuid && task.details && task.operation && task.error_message);
}

static void read_vapp(struct vcd *vcd, struct error *err)
{
	struct vcd_vapp vapp = {0};

	if (vcd_vapp_get(vcd, VCD_SERVICE, "7f4dbd22", &vapp, err) == 0)
		for (size_t i = 0; i < vapp.vm_count; i++)
			FUZZ_REQUIRE(vapp.vms[i].name && vapp.vms[i].ip);
	vcd_vapp_release(&vapp);
}

static void read_names(struct vcd *vcd, struct error *err)
{
	const char *uuid;

	(void)vcd_vapp_find(vcd, VCD_SERVICE, true, "d1", "lab7", &uuid, err);
	(void)vcd_org_find(vcd, VCD_SERVICE, "tenant1", &uuid, err);
}

static void read_vdc(struct vcd *vcd, struct error *err)
{
	struct vcd_vdc vdc;

	(void)vcd_vdc_find(vcd, VCD_SERVICE, "vdc", "o1", true, &vdc, err);
}

static void read_metadata(struct vcd *vcd, struct error *err)
{
	struct vcd_metadata *entries;
	size_t count;

	(void)vcd_metadata_get(vcd, "/api/vApp/vapp-1", &entries, &count, err);
}

static void read_catalog(struct vcd *vcd, struct error *err)
{
	struct vcd_template template;
	struct vcd_ref *items;
	size_t count;

	(void)vcd_catalog_items(vcd, "cse", "cse-templates", &items, &count, err);
	(void)vcd_template_get(vcd, "/api/catalogItem/1", &template, err);
}

static void read_session(struct vcd *vcd, struct error *err)
{
	struct vcd_session session;
	const char **names;
	size_t count;

	(void)vcd_session_current(vcd, VCD_SERVICE, &session, err);
	(void)vcd_role_rights(vcd, "urn:vcloud:role:1", &names, &count, err);
}

static void read_network(struct vcd *vcd, struct error *err)
{
	struct vcd_network network;
	struct vcd_ref *policies;
	size_t count;

	(void)vcd_network_find(vcd, VCD_SERVICE, "urn:vcloud:vdc:1", "net", &network, err);
	(void)vcd_vdc_sizing_policies(vcd, VCD_SERVICE, "urn:vcloud:vdc:1", &policies, &count, err);
}

static void read_edge(struct vcd *vcd, struct error *err)
{
	struct vcd_edge edge;
	uint32_t *used;
	size_t count;

	(void)vcd_edge_get(vcd, VCD_SERVICE, "urn:vcloud:gateway:1", &edge, err);
	(void)vcd_edge_used(vcd, VCD_SERVICE, "urn:vcloud:gateway:1", &used, &count, err);
}

static void read_rules(struct vcd *vcd, struct error *err)
{
	struct vcd_nat_rule *rules;
	const char *id;
	size_t count;

	(void)vcd_nat_list(vcd, VCD_SERVICE, "urn:vcloud:gateway:1", &rules, &count, err);
	(void)vcd_port_profile(vcd, "urn:vcloud:vdc:1", "urn:vcloud:org:1", "p", 6443, &id, err);
}

static void read_entity(struct vcd *vcd, struct error *err)
{
	struct json_object *document = NULL;

	if (vcd_entity_get(vcd, VCD_SERVICE, "urn:vcloud:entity:1", &document, err) == 0)
		FUZZ_REQUIRE(document);
	json_release(&document);
	(void)vcd_entity_find(vcd, VCD_SERVICE, "name", "lab7", &document, err);
	json_release(&document);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const readers[])(struct vcd *, struct error *) = {read_task, read_vapp,
		read_names, read_vdc, read_metadata, read_catalog, read_session, read_network,
		read_edge, read_rules, read_entity};
	static const int statuses[] = {200, 200, 200, 200, 202, 400, 403, 404, 429, 500, 503};
	static const struct config config = {.vcd_host = "vcd.example.test",
		.vcd_user = "svc@System",
		.vcd_api_version = "35.0",
		.timing_vcd_call = 1000};
	static struct vcd_shared *shared;
	struct arena arena = {0};
	struct error err = {0};
	struct vcd *vcd;

	if (size < 2)
		return 0;
	if (!shared)
		shared = vcd_shared_new(&config);
	vcd = vcd_new(shared, NULL, NULL);
	vcd_begin(vcd, &arena, INT64_MAX, INT64_MAX);
	wire.status = statuses[data[1] % ARRAY_LEN(statuses)];
	wire.rest = (const char *)data + 2;
	wire.end = (const char *)data + size;
	readers[data[0] % ARRAY_LEN(readers)](vcd, &err);
	vcd_free(&vcd);
	arena_reset(&arena);
	return 0;
}
