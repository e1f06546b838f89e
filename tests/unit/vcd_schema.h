/* SPDX-License-Identifier: MIT */
/* Validates a body with VMware's own schema when the environment names it (VCD_SCHEMAS). */
#ifndef TESTS_VCD_SCHEMA_H
#define TESTS_VCD_SCHEMA_H

#include "common/arena.h"

#include <libxml/catalog.h>
#include <libxml/xmlschemas.h>
#include <stdlib.h>
#include <string.h>

static void assert_valid(const char *body)
{
	static xmlSchema *schema;
	const char *folder = getenv("VCD_SCHEMAS");
	struct arena arena = {0};
	xmlDoc *doc;
	xmlSchemaParserCtxt *parser;
	xmlSchemaValidCtxt *context;

	if (!folder)
		return;
	if (!schema) {
		xmlLoadCatalog(arena_printf(&arena, "%s/schemas/external/catalog.xml", folder));
		parser = xmlSchemaNewParserCtxt(
			arena_printf(&arena, "%s/1.5/schemas/master/master.xsd", folder));
		schema = xmlSchemaParse(parser);
		xmlSchemaFreeParserCtxt(parser);
	}
	assert_non_null(schema);
	doc = xmlReadMemory(body, (int)strlen(body), NULL, NULL, XML_PARSE_NONET);
	assert_non_null(doc);
	context = xmlSchemaNewValidCtxt(schema);
	if (xmlSchemaValidateDoc(context, doc) != 0)
		fail_msg("VCD would refuse: %s", body);
	xmlSchemaFreeValidCtxt(context);
	xmlFreeDoc(doc);
	arena_reset(&arena);
}

#endif
