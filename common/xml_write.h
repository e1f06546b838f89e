/* SPDX-License-Identifier: MIT */
/*
 * Writing XML in document order. Escaping is done here, so that no caller ever builds markup from
 * text. Errors cannot happen short of no memory; element nesting mistakes are asserted.
 */
#ifndef COMMON_XML_WRITE_H
#define COMMON_XML_WRITE_H

#include "common/arena.h"

struct xml_writer;

struct xml_writer *xml_writer_new(void) MUST_CHECK;
void xml_writer_free(struct xml_writer **writer);

/*
 * Opens an element. name may carry a prefix ("ovf:Info") that xw_ns has declared on this element or
 * one outside it.
 */
void xw_open(struct xml_writer *writer, const char *name);
void xw_close(struct xml_writer *writer);

/* Attributes and namespace declarations of the element just opened. NULL value: left out. */
void xw_ns(
	struct xml_writer *writer, const char *prefix, const char *uri); /* prefix NULL: default */
void xw_attr(struct xml_writer *writer, const char *name, const char *value);
void xw_attr_int(struct xml_writer *writer, const char *name, int64_t value);

/* Text of the open element. */
void xw_text(struct xml_writer *writer, const char *text);

/* An element with only text; NULL text: left out. */
void xw_leaf(struct xml_writer *writer, const char *name, const char *text);
void xw_leaf_int(struct xml_writer *writer, const char *name, int64_t value);

/* Ends the document; the text lives in the arena, its length goes to *len. */
char *xw_finish(struct xml_writer *writer, struct arena *arena, size_t *len) MUST_CHECK;

#endif
