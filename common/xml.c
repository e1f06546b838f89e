/* SPDX-License-Identifier: MIT */
#include "common/xml.h"

#include "common/mem.h"
#include "common/str.h"

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { XML_MAX_BYTES = 16 * 1024 * 1024 };

/* The library's structs behind our opaque names; its functions take no const. */
static xmlNode *lib_node(const struct xml_node *node)
{
	union {
		const struct xml_node *ours;
		xmlNode *theirs;
	} same = {.ours = node};

	return same.theirs;
}

static xmlDoc *lib_doc(struct xml_doc *doc)
{
	return (xmlDoc *)(void *)doc;
}

static struct xml_node *our_node(xmlNode *node)
{
	return (struct xml_node *)(void *)node;
}

static const xmlChar *lib_text(const char *text)
{
	return (const xmlChar *)text;
}

static void free_lib_text(xmlChar **text)
{
	xmlFree(*text);
}

static void free_parser(xmlParserCtxt **parser)
{
	xmlFreeParserCtxt(*parser);
}

void xml_startup(void)
{
	xmlInitParser();
}

/* A document type could define entities: refused before anything of it is read. */
static void refuse_dtd(
	void *parser, const xmlChar *name, const xmlChar *external_id, const xmlChar *system_id)
{
	xmlParserCtxt *ctxt = parser;

	(void)name;
	(void)external_id;
	(void)system_id;
	ctxt->_private = ctxt;
	xmlStopParser(ctxt);
}

/* Line and reason, without the line break that the library ends its texts with. */
static int set_parse_error(struct error *err, xmlParserCtxt *parser)
{
	const xmlError *last = xmlCtxtGetLastError(parser);
	const char *reason = last && last->message ? last->message : "not well-formed";

	if (parser->_private)
		return error_set(err, ERR_INVALID, "XML has a document type, which is not allowed");
	return error_set(err, ERR_INVALID, "XML line %d: %.*s", last ? last->line : 0,
		(int)strcspn(reason, "\n"), reason);
}

struct xml_doc *xml_parse(const char *text, size_t len, struct error *err)
{
	CLEANUP(free_parser)
	xmlParserCtxt *parser = NULL;
	xmlDoc *doc;

	if (len > XML_MAX_BYTES) {
		error_set(err, ERR_INVALID, "XML has %zu bytes, at most %d are read", len,
			XML_MAX_BYTES);
		return NULL;
	}
	parser = xmlNewParserCtxt();
	if (!parser)
		abort();
	parser->sax->internalSubset = refuse_dtd;
	doc = xmlCtxtReadMemory(parser, text, (int)len, NULL, NULL,
		XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_COMPACT |
			XML_PARSE_NOCDATA);
	if (doc && !parser->_private && xmlDocGetRootElement(doc))
		return (struct xml_doc *)(void *)doc;
	set_parse_error(err, parser);
	xmlFreeDoc(doc);
	return NULL;
}

void xml_free(struct xml_doc **doc)
{
	if (*doc)
		xmlFreeDoc(lib_doc(*doc));
	*doc = NULL;
}

struct xml_node *xml_root(struct xml_doc *doc)
{
	return our_node(xmlDocGetRootElement(lib_doc(doc)));
}

struct xml_doc *xml_copy(const struct xml_node *node)
{
	xmlDoc *doc = xmlNewDoc(lib_text("1.0"));
	xmlNode *copy = doc ? xmlDocCopyNode(lib_node(node), doc, 1) : NULL;

	if (!copy)
		abort();
	xmlDocSetRootElement(doc, copy);
	return (struct xml_doc *)(void *)doc;
}

static bool matches(const xmlNode *node, const char *ns, const char *name)
{
	if (node->type != XML_ELEMENT_NODE)
		return false;
	if (!name)
		return true;
	if (strcmp((const char *)node->name, name) != 0)
		return false;
	return node->ns ? str_eq((const char *)node->ns->href, ns) : str_empty(ns);
}

bool xml_is(const struct xml_node *node, const char *ns, const char *name)
{
	return node && matches(lib_node(node), ns, name);
}

const char *xml_name(const struct xml_node *node)
{
	return (const char *)lib_node(node)->name;
}

static struct xml_node *first_match(xmlNode *node, const char *ns, const char *name)
{
	while (node && !matches(node, ns, name))
		node = node->next;
	return our_node(node);
}

struct xml_node *xml_child(const struct xml_node *parent, const char *ns, const char *name)
{
	return parent ? first_match(lib_node(parent)->children, ns, name) : NULL;
}

struct xml_node *xml_next(const struct xml_node *node, const char *ns, const char *name)
{
	return node ? first_match(lib_node(node)->next, ns, name) : NULL;
}

struct xml_node *xml_path(const struct xml_node *node, const char *path)
{
	const struct xml_node *at = node;
	const char *rest = path;

	while (rest && at) {
		size_t len;
		const char *name = str_next(&rest, '/', &len);
		CLEANUP(free_str)
		char *step = xstrndup(name, len);

		at = xml_child(at, XML_VCLOUD, step);
	}
	return our_node(lib_node(at));
}

/* The element after node in document order, without leaving top; *level follows the nesting. */
static xmlNode *next_element(xmlNode *top, xmlNode *node, size_t *level)
{
	struct xml_node *next = xml_child(our_node(node), NULL, NULL);

	if (next) {
		++*level;
		return lib_node(next);
	}
	for (; node != top; node = node->parent, --*level) {
		next = xml_next(our_node(node), NULL, NULL);
		if (next)
			return lib_node(next);
	}
	return NULL;
}

struct xml_node *xml_find(struct xml_node *node, const char *ns, const char *name)
{
	xmlNode *top = lib_node(node);
	size_t level = 1;

	for (xmlNode *at = top; at; at = next_element(top, at, &level)) {
		if (matches(at, ns, name))
			return our_node(at);
	}
	return NULL;
}

static const char *take(struct arena *arena, const xmlChar *text)
{
	return arena_strdup(arena, (const char *)text);
}

const char *xml_attr(struct arena *arena, const struct xml_node *node, const char *name)
{
	CLEANUP(free_lib_text)
	xmlChar *value = node ? xmlGetNoNsProp(lib_node(node), lib_text(name)) : NULL;

	return take(arena, value);
}

const char *xml_attr_ns(
	struct arena *arena, const struct xml_node *node, const char *ns, const char *name)
{
	CLEANUP(free_lib_text)
	xmlChar *value = node ? xmlGetNsProp(lib_node(node), lib_text(name), lib_text(ns)) : NULL;

	return take(arena, value);
}

const char *xml_text(struct arena *arena, const struct xml_node *node)
{
	CLEANUP(free_lib_text)
	xmlChar *text = node ? xmlNodeGetContent(lib_node(node)) : NULL;

	return take(arena, text);
}

size_t xml_count(const struct xml_node *node)
{
	xmlNode *top = lib_node(node);
	size_t level = 1;
	size_t count = 0;

	for (xmlNode *at = top; at; at = next_element(top, at, &level))
		count++;
	return count;
}

size_t xml_depth(const struct xml_node *node)
{
	xmlNode *top = lib_node(node);
	size_t level = 1;
	size_t deepest = 0;

	for (xmlNode *at = top; at; at = next_element(top, at, &level)) {
		if (level > deepest)
			deepest = level;
	}
	return deepest;
}

/* Bytes of a character at text that XML 1.0 cannot hold, 0 when it can. */
static size_t forbidden_len(const unsigned char *text)
{
	if (*text < 0x20 && *text != '\t' && *text != '\n' && *text != '\r')
		return 1;
	if (text[0] == 0xef && text[1] == 0xbf && text[2] >= 0xbe)
		return 3;
	return 0;
}

char *xml_clean(const char *text)
{
	bool utf8 = str_is_utf8(text, strlen(text));
	char *copy = xcalloc(1, strlen(text) + 1);
	size_t used = 0;

	while (*text) {
		size_t skip = forbidden_len((const unsigned char *)text);

		if (!utf8 && (*text & 0x80))
			skip = 1;
		copy[used++] = skip ? '?' : *text;
		text += skip ? skip : 1;
	}
	return copy;
}

struct xml_node *xml_add(
	struct xml_node *parent, const char *ns, const char *name, const char *text)
{
	CLEANUP(free_str)
	char *clean = text ? xml_clean(text) : NULL;
	xmlNode *node = xmlNewTextChild(lib_node(parent), NULL, lib_text(name), lib_text(clean));
	xmlNs *found;

	if (!node)
		abort();
	found = ns ? xmlSearchNsByHref(node->doc, node, lib_text(ns)) : NULL;
	if (ns && !found)
		found = xmlNewNs(node, lib_text(ns), NULL);
	xmlSetNs(node, found);
	return our_node(node);
}

struct xml_node *xml_graft(struct xml_node *parent, const struct xml_node *node)
{
	xmlNode *to = lib_node(parent);
	xmlNode *copy = xmlDocCopyNode(lib_node(node), to->doc, 1);

	if (!copy || !xmlAddChild(to, copy))
		abort();
	return our_node(copy);
}

/* An attribute needs a prefix: one in scope, else a new one declared on the element itself. */
static xmlNs *attr_ns(xmlNode *node, const char *ns)
{
	char prefix[16];
	int number = 0;

	for (xmlNode *at = node; at && at->type == XML_ELEMENT_NODE; at = at->parent) {
		for (xmlNs *def = at->nsDef; def; def = def->next) {
			if (def->prefix && str_eq((const char *)def->href, ns) &&
				xmlSearchNs(node->doc, node, def->prefix) == def)
				return def;
		}
	}
	do
		snprintf(prefix, sizeof(prefix), "a%d", number++);
	while (xmlSearchNs(node->doc, node, lib_text(prefix)));
	return xmlNewNs(node, lib_text(ns), lib_text(prefix));
}

void xml_set_attr(struct xml_node *node, const char *ns, const char *name, const char *value)
{
	CLEANUP(free_str)
	char *clean = xml_clean(value);
	xmlNode *at = lib_node(node);

	if (!xmlSetNsProp(at, ns ? attr_ns(at, ns) : NULL, lib_text(name), lib_text(clean)))
		abort();
}

void xml_remove(struct xml_node *node)
{
	xmlUnlinkNode(lib_node(node));
	xmlFreeNode(lib_node(node));
}

char *xml_serialise(struct arena *arena, const struct xml_node *node, size_t *len)
{
	xmlNode *at = lib_node(node);
	/* A copy declares the namespaces that the element only inherits. */
	CLEANUP(xml_free)
	struct xml_doc *copy = xmlDocGetRootElement(at->doc) == at ? NULL : xml_copy(node);
	CLEANUP(free_lib_text)
	xmlChar *text = NULL;
	char *out;
	int size = 0;

	xmlDocDumpMemoryEnc(copy ? lib_doc(copy) : at->doc, &text, &size, "UTF-8");
	if (!text || size < 0)
		abort();
	*len = (size_t)size;
	out = arena_alloc(arena, *len + 1);
	memcpy(out, text, *len);
	return out;
}
