/* SPDX-License-Identifier: MIT */
/*
 * One set of templates, replaced as a whole when it is older than timing.cache. VCD is read outside
 * the mutex; what callers get is copied into their arena under it.
 */
#include "worker/catalog.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/str.h"
#include "worker/vdc_cache.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct entry {
	struct cluster_template template;
	struct vcd_template source; /* vm.href NULL until it was asked for */
};

struct template_cache {
	struct vdc_cache *vdcs; /* has its own mutex */
	pthread_mutex_t mutex;	/* protects everything below */
	struct arena arena;	/* owns the strings of entries */
	struct entry *entries;
	size_t count;
	int64_t loaded_ms; /* clock_ms(); 0: never */
};

struct template_cache *template_cache_new(void)
{
	struct template_cache *cache = xcalloc(1, sizeof(*cache));

	cache->vdcs = vdc_cache_new();
	pthread_mutex_init(&cache->mutex, NULL);
	return cache;
}

struct vdc_cache *template_cache_vdcs(struct template_cache *cache)
{
	return cache->vdcs;
}

void template_cache_free(struct template_cache **cache)
{
	if (!*cache)
		return;
	vdc_cache_free(&(*cache)->vdcs);
	arena_reset(&(*cache)->arena);
	free((*cache)->entries);
	pthread_mutex_destroy(&(*cache)->mutex);
	free(*cache);
	*cache = NULL;
}

/* The metadata keys of a catalog item and where they go; without a required one it is no template.
 */
struct key {
	const char *name;
	size_t offset;
	bool required;
};
#define KEY(name_, member, required_)                                                              \
	{                                                                                          \
		name_, offsetof(struct cluster_template, member), required_                        \
	}
static const struct key keys[] = {
	KEY("name", name, true),
	KEY("kind", kind, true),
	KEY("os", os, true),
	KEY("kubernetes", kubernetes, true),
	KEY("kubernetes_version", kubernetes_version, true),
	KEY("cni", cni, true),
	KEY("cni_version", cni_version, true),
	KEY("docker_version", docker_version, false),
	KEY("description", description, false),
	KEY("deprecated", deprecated, false),
	KEY("cse_prepared", prepared, false),
};

static const char **text_place(struct cluster_template *template, const struct key *key)
{
	return (const char **)(void *)((char *)template + key->offset);
}

/* Only the provider can write SYSTEM entries. */
static const char *metadata_value(
	const struct vcd_metadata *entries, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (str_eq(entries[i].domain, "SYSTEM") && str_eq(entries[i].key, name))
			return entries[i].value;
	return NULL;
}

static bool revision_read(const struct vcd_metadata *entries, size_t count, int64_t *out)
{
	enum { REVISION_MAX = 1000000000 };
	const char *revision = metadata_value(entries, count, "revision");

	return revision && str_to_int(revision, 1, REVISION_MAX, out);
}

bool catalog_entry_read(struct cluster_template *out, const struct vcd_ref *item,
	const struct vcd_metadata *entries, size_t count)
{
	*out = (struct cluster_template){.item_href = item->href, .item_name = item->name};
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const char *value = metadata_value(entries, count, keys[i].name);

		if (keys[i].required && str_empty(value))
			return false;
		*text_place(out, &keys[i]) = str_or(value, "");
	}
	return revision_read(entries, count, &out->revision);
}

const char *catalog_entry_missing(
	struct arena *arena, const struct vcd_metadata *entries, size_t count)
{
	int64_t revision;
	const char *missing = revision_read(entries, count, &revision) ? "" : "a revision";

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		if (!keys[i].required || !str_empty(metadata_value(entries, count, keys[i].name)))
			continue;
		missing =
			arena_printf(arena, "%s%s%s", missing, *missing ? ", " : "", keys[i].name);
	}
	return missing;
}

/* Clients show the newest first: by name, then by the revision's text, both falling. */
static int compare_templates(const void *a, const void *b)
{
	const struct cluster_template *left = a, *right = b;
	int order = strcmp(right->name, left->name);
	char revisions[2][24];

	if (order)
		return order;
	snprintf(revisions[0], sizeof(revisions[0]), "%lld", (long long)left->revision);
	snprintf(revisions[1], sizeof(revisions[1]), "%lld", (long long)right->revision);
	return strcmp(revisions[1], revisions[0]);
}

static int load(
	struct thread_ctx *ctx, struct cluster_template **out, size_t *count, struct error *err)
{
	const struct config *config = ctx->shared->config;
	struct vcd_ref *items;
	size_t item_count;

	if (vcd_catalog_items(
		    ctx->vcd, config->catalog_org, config->catalog_name, &items, &item_count, err))
		return error_wrap(err, "catalog '%s'", config->catalog_name);
	*out = arena_alloc(&ctx->arena, (item_count + 1) * sizeof(**out));
	*count = 0;
	for (size_t i = 0; i < item_count; i++) {
		struct vcd_metadata *entries;
		size_t entry_count;

		if (vcd_metadata_get(ctx->vcd, items[i].href, &entries, &entry_count, err))
			return error_wrap(err, "catalog item '%s'", items[i].name);
		if (catalog_entry_read(&(*out)[*count], &items[i], entries, entry_count))
			(*count)++;
	}
	qsort(*out, *count, sizeof(**out), compare_templates);
	log_event(LOG_INFO, "catalog.read", LOG_INT("items", item_count),
		LOG_INT("templates", *count));
	return 0;
}

static void copy_template(
	struct arena *arena, struct cluster_template *out, const struct cluster_template *from)
{
	*out = *from;
	out->item_href = arena_strdup(arena, from->item_href);
	out->item_name = arena_strdup(arena, from->item_name);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		*text_place(out, &keys[i]) = arena_strdup(arena, *text_place(out, &keys[i]));
}

static void store(
	struct template_cache *cache, const struct cluster_template *templates, size_t count)
{
	pthread_mutex_lock(&cache->mutex);
	arena_reset(&cache->arena);
	free(cache->entries);
	cache->entries = xcalloc(count + 1, sizeof(*cache->entries));
	cache->count = count;
	for (size_t i = 0; i < count; i++)
		copy_template(&cache->arena, &cache->entries[i].template, &templates[i]);
	cache->loaded_ms = clock_ms();
	pthread_mutex_unlock(&cache->mutex);
}

int catalog_templates(
	struct thread_ctx *ctx, struct cluster_template **out, size_t *count, struct error *err)
{
	struct template_cache *cache = ctx->shared->templates;
	bool fresh;

	pthread_mutex_lock(&cache->mutex);
	fresh = cache->loaded_ms &&
		clock_ms() - cache->loaded_ms < ctx->shared->config->timing_cache;
	if (fresh) {
		*count = cache->count;
		*out = arena_alloc(&ctx->arena, (*count + 1) * sizeof(**out));
		for (size_t i = 0; i < *count; i++)
			copy_template(&ctx->arena, &(*out)[i], &cache->entries[i].template);
	}
	pthread_mutex_unlock(&cache->mutex);
	if (fresh)
		return 0;
	if (load(ctx, out, count, err))
		return -1;
	store(cache, *out, *count);
	return 0;
}

int catalog_find(struct thread_ctx *ctx, const char *name, int64_t revision,
	struct cluster_template *out, struct error *err)
{
	struct cluster_template *templates;
	size_t count;

	if (!name) {
		name = ctx->shared->config->catalog_default_template;
		revision = ctx->shared->config->catalog_default_revision;
	}
	if (catalog_templates(ctx, &templates, &count, err))
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (str_eq(templates[i].name, name) && templates[i].revision == revision) {
			*out = templates[i];
			return 0;
		}
	}
	return error_set(err, ERR_INVALID, "Template '%s' at revision %lld not found.",
		str_or(name, ""), (long long)revision);
}

static struct entry *find_entry(
	struct template_cache *cache, const struct cluster_template *template)
{
	for (size_t i = 0; i < cache->count; i++)
		if (str_eq(cache->entries[i].template.item_href, template->item_href))
			return &cache->entries[i];
	return NULL;
}

static void copy_source(
	struct arena *arena, struct vcd_template *out, const struct vcd_template *from)
{
	out->nic_index = from->nic_index;
	out->vm.name = arena_strdup(arena, from->vm.name);
	out->vm.href = arena_strdup(arena, from->vm.href);
	out->vm.id = arena_strdup(arena, from->vm.id);
}

int catalog_source(struct thread_ctx *ctx, const struct cluster_template *template,
	struct vcd_template *out, struct error *err)
{
	struct template_cache *cache = ctx->shared->templates;
	struct entry *entry;
	bool found;

	pthread_mutex_lock(&cache->mutex);
	entry = find_entry(cache, template);
	found = entry && entry->source.vm.href;
	if (found)
		copy_source(&ctx->arena, out, &entry->source);
	pthread_mutex_unlock(&cache->mutex);
	if (found)
		return 0;
	if (vcd_template_get(ctx->vcd, template->item_href, out, err))
		return error_wrap(err, "template '%s'", template->name);
	pthread_mutex_lock(&cache->mutex);
	entry = find_entry(cache, template);
	if (entry)
		copy_source(&cache->arena, &entry->source, out);
	pthread_mutex_unlock(&cache->mutex);
	return 0;
}

void catalog_warm(struct thread_ctx *ctx)
{
	int64_t end_ms = clock_ms() + ctx->shared->config->timing_vcd_call;
	struct cluster_template *templates;
	struct vcd_template source;
	struct error err = {0};
	size_t count;

	vcd_begin(ctx->vcd, &ctx->arena, end_ms, end_ms);
	if (catalog_templates(ctx, &templates, &count, &err)) {
		log_event(LOG_WARN, "catalog.not_read", LOG_STR("cause", err.msg));
		return;
	}
	if (count == 0)
		log_event(LOG_WARN, "catalog.empty",
			LOG_STR("catalog", ctx->shared->config->catalog_name));
	for (size_t i = 0; i < count; i++)
		if (catalog_source(ctx, &templates[i], &source, &err))
			log_event(LOG_WARN, "catalog.not_read", LOG_STR("cause", err.msg));
}
