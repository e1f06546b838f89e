/* SPDX-License-Identifier: MIT */
/*
 * Looking things up in both APIs: filters and their escaping, pages, ids inside hrefs. Internal to
 * the client.
 */
#ifndef WORKER_VCD_QUERY_H
#define WORKER_VCD_QUERY_H

#include "worker/vcd/vcd.h"

/* "key==value" with the value's special characters escaped; not percent-encoded yet. */
const char *filter_term(struct arena *arena, const char *key, const char *value) MUST_CHECK;
/* Two terms joined by AND; either may be NULL. */
const char *filter_and(struct arena *arena, const char *a, const char *b) MUST_CHECK;

/* One path segment: percent-encoded but for ':', so that URNs stay readable. */
const char *path_segment(struct arena *arena, const char *id) MUST_CHECK;

/* The UUID at the end of a href: "…/vapp-<uuid>?x" with prefix "vapp-". Never NULL. */
const char *href_uuid(struct arena *arena, const char *href, const char *prefix) MUST_CHECK;

/* First page (128) of GET /api/query?type=…; the caller frees the document. */
int query_records(struct vcd *vcd, struct vcd_as as, const char *type, const char *filter,
	const char *what, struct xml_doc **out, struct error *err) MUST_CHECK;
/* The record whose attribute `name` is exactly this (filters ignore case); NULL when none is. */
struct xml_node *record_named(struct arena *arena, struct xml_doc *records, const char *name);
/* The next one of that name. */
struct xml_node *record_after(struct arena *arena, struct xml_node *record, const char *name);

/*
 * All pages of a cloudapi list as one array of documents that the caller releases. query is put
 * behind the page numbers ("filter=…&sortAsc=name", encoded); NULL: none.
 */
int list_pages(struct vcd *vcd, struct vcd_as as, const char *path, const char *query,
	int page_size, const char *what, struct json_object **values, struct error *err) MUST_CHECK;

/* "filter=<encoded>" */
const char *query_filter(struct arena *arena, const char *filter) MUST_CHECK;

/* The URL with rel="nextPage" of a Link header; NULL when there is none. */
const char *link_next(struct arena *arena, const char *link) MUST_CHECK;

#endif
