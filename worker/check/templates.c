/* SPDX-License-Identifier: MIT */
#include "common/str.h"
#include "worker/catalog.h"
#include "worker/check/row.h"

void check_catalog(struct check *check)
{
	struct check_state *state = check->state;
	const struct config *config = &state->config;
	struct error err;

	if (vcd_catalog_items(check_vcd(check), config->catalog_org, config->catalog_name,
		    &state->items, &state->item_count, &err)) {
		check_add(check, CHECK_FAIL, config->catalog_name,
			err.code == ERR_GONE ? "check catalog.org and catalog.name, or run `cse "
					       "install`"
					     : check_vcd_remedy(&err),
			"%s", err.msg);
		return;
	}
	if (state->item_count == 0)
		check_add(check, CHECK_FAIL, config->catalog_name,
			"run `cse template install` and prepare a template", "it is empty");
	else
		check_add(check, CHECK_OK, config->catalog_name, "", "%zu items in org %s",
			state->item_count, config->catalog_org);
}

/* Metadata, then the VM that is cloned: whatever a create will read. */
static void check_item(struct check *check, const struct vcd_ref *item)
{
	struct check_state *state = check->state;
	struct vcd *vcd = check_vcd(check);
	struct cluster_template *template = &state->templates[state->template_count];
	struct vcd_metadata *entries;
	struct vcd_template source;
	const char *missing;
	struct error err;
	size_t count;

	if (vcd_metadata_get(vcd, item->href, &entries, &count, &err)) {
		check_add(check, CHECK_FAIL, item->name, check_vcd_remedy(&err), "%s", err.msg);
		return;
	}
	if (!catalog_entry_read(template, item, entries, count)) {
		missing = catalog_entry_missing(&check->arena, entries, count);
		check_add(check, CHECK_WARN, item->name,
			"if it is a template, run `cse template install` again",
			"not shown to tenants: metadata without %s", missing);
		return;
	}
	if (vcd_template_get(vcd, item->href, &source, &err)) {
		check_add(check, CHECK_FAIL, item->name,
			err.code == ERR_DENIED || error_may_retry(err.code) ? check_vcd_remedy(&err)
									    : "upload it again",
			"%s", err.msg);
		return;
	}
	state->template_count++;
	if (str_empty(template->prepared))
		check_add(check, CHECK_WARN, item->name,
			"prepare it, or take it out of the catalog: clusters of it fail",
			"%s revision %lld is not prepared (no cse_prepared)", template->name,
			(long long)template->revision);
	else
		check_add(check, CHECK_OK, item->name, "", "%s revision %lld, prepared for %s",
			template->name, (long long)template->revision, template->prepared);
}

static size_t count_prepared(const struct check_state *state)
{
	size_t count = 0;

	for (size_t i = 0; i < state->template_count; i++)
		count += !str_empty(state->templates[i].prepared);
	return count;
}

void check_templates(struct check *check)
{
	struct check_state *state = check->state;

	state->templates =
		arena_alloc(&check->arena, (state->item_count + 1) * sizeof(*state->templates));
	for (size_t i = 0; i < state->item_count; i++)
		check_item(check, &state->items[i]);
	if (count_prepared(state) == 0)
		check_add(check, CHECK_FAIL, "", "prepare one: nothing is downloaded later",
			"no template is ready for clusters");
}

void check_default_template(struct check *check)
{
	const struct check_state *state = check->state;
	const char *name = state->config.catalog_default_template;
	int64_t revision = state->config.catalog_default_revision;

	if (str_empty(name)) {
		check_add(check, CHECK_OK, "", "",
			"none: each `vcd cse cluster apply` has to name its template");
		return;
	}
	for (size_t i = 0; i < state->template_count; i++) {
		const struct cluster_template *template = &state->templates[i];

		if (!str_eq(template->name, name) || template->revision != revision)
			continue;
		if (str_empty(template->prepared))
			check_add(check, CHECK_FAIL, name, "prepare it, or choose another",
				"revision %lld is not prepared", (long long)revision);
		else
			check_add(check, CHECK_OK, name, "", "revision %lld is in the catalog",
				(long long)revision);
		return;
	}
	check_add(check, CHECK_FAIL, name,
		"check catalog.default_template and catalog.default_revision",
		"revision %lld is not among the templates", (long long)revision);
}
