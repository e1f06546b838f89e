/* SPDX-License-Identifier: MIT */
/* GET /api/cse/templates: the same list for every caller. */
#include "common/json.h"
#include "common/str.h"
#include "worker/caller.h"
#include "worker/catalog.h"

#include <stdio.h>

static struct json_object *template_object(
	const struct config *config, const struct cluster_template *template)
{
	struct json_object *object = json_object_new_object();
	bool is_default = str_eq(template->name, config->catalog_default_template) &&
			  template->revision == config->catalog_default_revision;
	char revision[24];

	snprintf(revision, sizeof(revision), "%lld", (long long)template->revision);
	json_set_str(object, "catalog", config->catalog_name);
	json_set_str(object, "catalog_item", template->item_name);
	json_set_str(object, "cni", template->cni);
	json_set_str(object, "cni_version", template->cni_version);
	json_set_str(object, "deprecated", template->deprecated);
	json_set_str(object, "description", template->description);
	json_set_str(object, "docker_version", template->docker_version);
	json_set_str(object, "is_default", is_default ? "Yes" : "No");
	json_set_str(object, "kind", template->kind);
	json_set_str(object, "kubernetes", template->kubernetes);
	json_set_str(object, "kubernetes_version", template->kubernetes_version);
	json_set_str(object, "name", template->name);
	json_set_str(object, "os", template->os);
	json_set_str(object, "revision", revision);
	return object;
}

int handle_templates(
	struct thread_ctx *ctx, const struct request *req, struct reply *reply, struct error *err)
{
	struct cluster_template *templates;
	struct caller caller;
	size_t count;

	if (caller_begin(&caller, ctx, req, err))
		return -1;
	if (catalog_templates(ctx, &templates, &count, err))
		return -1;
	reply->status = 200;
	reply->body = json_object_new_array();
	for (size_t i = 0; i < count; i++)
		json_object_array_add(
			reply->body, template_object(ctx->shared->config, &templates[i]));
	return 0;
}
