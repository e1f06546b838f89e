/* SPDX-License-Identifier: MIT */
/* The parts of libxml2 that common/xml.h does not show: schemas, and renaming a prefix. */
#include "tests/vcdsim/body.h"

#include <libxml/catalog.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <libxml/xmlschemas.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static xmlSchemaPtr schema;
static pthread_mutex_t schema_lock = PTHREAD_MUTEX_INITIALIZER; /* a schema is used by one thread */

/* Keeps the first complaint. */
static void note_complaint(void *context, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void note_complaint(void *context, const char *fmt, ...)
{
	struct error *err = context;
	char text[sizeof(err->msg)];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	text[strcspn(text, "\n")] = '\0';
	if (err->code == ERR_NONE)
		error_set(err, ERR_INVALID, "cvc-schema: %s", text);
}

static void ignore_complaint(void *context, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void ignore_complaint(void *context, const char *fmt, ...)
{
	(void)context;
	(void)fmt;
}

int xsd_load(struct error *err)
{
	const char *folder = getenv("VCD_SCHEMAS");
	char path[1024];

	if (folder == NULL || folder[0] == '\0')
		return 0;
	snprintf(path, sizeof(path), "%s/schemas/external/catalog.xml", folder);
	xmlLoadCatalog(path);
	snprintf(path, sizeof(path), "%s/1.5/schemas/master/master.xsd", folder);
	xmlSchemaParserCtxtPtr parser = xmlSchemaNewParserCtxt(path);

	xmlSchemaSetParserErrors(parser, ignore_complaint, ignore_complaint, NULL);
	schema = xmlSchemaParse(parser);
	xmlSchemaFreeParserCtxt(parser);
	if (schema == NULL)
		return error_set(err, ERR_INTERNAL, "VCD_SCHEMAS names no usable schema: %s", path);
	return 0;
}

void xsd_unload(void)
{
	xmlSchemaFree(schema);
	schema = NULL;
}

int xsd_check(const char *text, size_t len, struct error *err)
{
	if (schema == NULL)
		return 0;
	xmlDocPtr doc = xmlReadMemory(text, (int)len, NULL, NULL, XML_PARSE_NONET);

	if (doc == NULL)
		return error_set(err, ERR_INVALID, "cvc-schema: the document cannot be parsed");
	*err = (struct error){.code = ERR_NONE};
	pthread_mutex_lock(&schema_lock);
	xmlSchemaValidCtxtPtr context = xmlSchemaNewValidCtxt(schema);

	xmlSchemaSetValidErrors(context, note_complaint, ignore_complaint, err);
	int result = xmlSchemaValidateDoc(context, doc);

	xmlSchemaFreeValidCtxt(context);
	pthread_mutex_unlock(&schema_lock);
	xmlFreeDoc(doc);
	if (result == 0)
		return 0;
	if (err->code == ERR_NONE)
		error_set(err, ERR_INVALID, "cvc-schema: the document is not valid");
	return -1;
}

char *xml_with_prefix(struct arena *arena, const char *text, size_t *len)
{
	xmlDocPtr doc = xmlReadMemory(text, (int)*len, NULL, NULL, XML_PARSE_NONET);
	xmlChar *out = NULL;
	int out_len = 0;

	for (xmlNsPtr ns = xmlDocGetRootElement(doc)->nsDef; ns != NULL; ns = ns->next) {
		if (ns->prefix == NULL)
			ns->prefix = xmlStrdup((const xmlChar *)"ns2");
	}
	xmlDocDumpMemory(doc, &out, &out_len);
	char *copy = arena_strndup(arena, (const char *)out, (size_t)out_len);

	*len = (size_t)out_len;
	xmlFree(out);
	xmlFreeDoc(doc);
	return copy;
}
