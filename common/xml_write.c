/* SPDX-License-Identifier: MIT */
#include "common/xml_write.h"

#include "common/mem.h"
#include "common/xml.h"

#include <assert.h>
#include <libxml/xmlwriter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct xml_writer {
	xmlTextWriter *out;
	xmlBuffer *buffer;
	int depth; /* open elements */
};

/* Only lack of memory and wrong use make the library fail; both are ours to stop at. */
static void need(int result)
{
	if (result < 0)
		abort();
}

struct xml_writer *xml_writer_new(void)
{
	struct xml_writer *writer = xcalloc(1, sizeof(*writer));

	writer->buffer = xmlBufferCreate();
	writer->out = writer->buffer ? xmlNewTextWriterMemory(writer->buffer, 0) : NULL;
	if (!writer->out)
		abort();
	need(xmlTextWriterStartDocument(writer->out, "1.0", "UTF-8", NULL));
	return writer;
}

void xml_writer_free(struct xml_writer **writer)
{
	if (!*writer)
		return;
	xmlFreeTextWriter((*writer)->out);
	xmlBufferFree((*writer)->buffer);
	free(*writer);
	*writer = NULL;
}

void xw_open(struct xml_writer *writer, const char *name)
{
	need(xmlTextWriterStartElement(writer->out, (const xmlChar *)name));
	writer->depth++;
}

void xw_close(struct xml_writer *writer)
{
	assert(writer->depth > 0);
	need(xmlTextWriterEndElement(writer->out));
	writer->depth--;
}

void xw_attr(struct xml_writer *writer, const char *name, const char *value)
{
	CLEANUP(free_str)
	char *clean = value ? xml_clean(value) : NULL;

	if (!clean)
		return;
	need(xmlTextWriterWriteAttribute(
		writer->out, (const xmlChar *)name, (const xmlChar *)clean));
}

void xw_attr_int(struct xml_writer *writer, const char *name, int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)value);
	xw_attr(writer, name, text);
}

void xw_ns(struct xml_writer *writer, const char *prefix, const char *uri)
{
	CLEANUP(free_str)
	char *name = prefix ? xasprintf("xmlns:%s", prefix) : xstrdup("xmlns");

	xw_attr(writer, name, uri);
}

void xw_text(struct xml_writer *writer, const char *text)
{
	CLEANUP(free_str)
	char *clean = xml_clean(text);

	need(xmlTextWriterWriteString(writer->out, (const xmlChar *)clean));
}

void xw_leaf(struct xml_writer *writer, const char *name, const char *text)
{
	if (!text)
		return;
	xw_open(writer, name);
	xw_text(writer, text);
	xw_close(writer);
}

void xw_leaf_int(struct xml_writer *writer, const char *name, int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)value);
	xw_leaf(writer, name, text);
}

char *xw_finish(struct xml_writer *writer, struct arena *arena, size_t *len)
{
	char *text;

	assert(writer->depth == 0);
	need(xmlTextWriterEndDocument(writer->out));
	need(xmlTextWriterFlush(writer->out));
	*len = (size_t)xmlBufferLength(writer->buffer);
	text = arena_alloc(arena, *len + 1);
	memcpy(text, xmlBufferContent(writer->buffer), *len);
	return text;
}
