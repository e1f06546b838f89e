/* SPDX-License-Identifier: MIT */
/*
 * The templates clusters are made from: catalog items with the metadata that `cse install` and `cse
 * template install` write. Read with the service session and kept for timing.cache.
 */
#ifndef WORKER_CATALOG_H
#define WORKER_CATALOG_H

#include "worker/cluster.h"
#include "worker/thread.h"
#include "worker/vcd/org.h"

struct vdc_cache;

struct template_cache *template_cache_new(void) MUST_CHECK;
void template_cache_free(struct template_cache **cache);
/* The other thing tenants choose from, kept beside the templates. */
struct vdc_cache *template_cache_vdcs(struct template_cache *cache);

/* All templates, sorted by name and revision descending; copies in the thread's arena. */
int catalog_templates(struct thread_ctx *ctx, struct cluster_template **out, size_t *count,
	struct error *err) MUST_CHECK;

/* One of them; name NULL and revision 0 is the configured default. INVALID "Template 'T' at
 * revision r not found." */
int catalog_find(struct thread_ctx *ctx, const char *name, int64_t revision,
	struct cluster_template *out, struct error *err) MUST_CHECK;

/* The VM that a compose call clones for this template; kept like the rest. */
int catalog_source(struct thread_ctx *ctx, const struct cluster_template *template,
	struct vcd_template *out, struct error *err) MUST_CHECK;

/*
 * Fills the cache once, templates and their VMs, so that the first request after a start is as
 * quick as the others; says in the log how many templates there are. Blocks up to timing.vcd_call;
 * what fails is only logged. For a thread that holds no delivery.
 */
void catalog_warm(struct thread_ctx *ctx);

/* A catalog item with its metadata as a template; false when a required key is missing. Borrows. */
bool catalog_entry_read(struct cluster_template *out, const struct vcd_ref *item,
	const struct vcd_metadata *entries, size_t count) MUST_CHECK;

/* The required keys that an item's metadata lacks, "kind, os"; "" when it is a template. */
const char *catalog_entry_missing(
	struct arena *arena, const struct vcd_metadata *entries, size_t count) MUST_CHECK;

#endif
