/* SPDX-License-Identifier: MIT */
/*
 * Reading XML on libxml2: prefixes are never looked at, only namespace URI and local name. No
 * network, no entities, no DTD; size and depth are limited. The writer is in xml_write.h.
 */
#ifndef COMMON_XML_H
#define COMMON_XML_H

#include "common/arena.h"
#include "common/error.h"

struct xml_doc;
struct xml_node; /* an element; lives as long as its document */

/* Namespaces of the legacy VCD API. */
#define XML_VCLOUD "http://www.vmware.com/vcloud/v1.5"
#define XML_VMEXT "http://www.vmware.com/vcloud/extension/v1.5"
#define XML_VERSIONS "http://www.vmware.com/vcloud/versions"
#define XML_OVF "http://schemas.dmtf.org/ovf/envelope/1"
#define XML_RASD                                                                                   \
	"http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
#define XML_VSSD "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData"
#define XML_VMW "http://www.vmware.com/schema/ovf"
#define XML_XSI "http://www.w3.org/2001/XMLSchema-instance"

/* Once in main, before threads start. */
void xml_startup(void);

/* Parses at most 16 MiB. INVALID with line and reason. The caller frees it (NULL allowed). */
struct xml_doc *xml_parse(const char *text, size_t len, struct error *err) MUST_CHECK;
void xml_free(struct xml_doc **doc);

struct xml_node *xml_root(struct xml_doc *doc);
/* A document of its own that holds a deep copy of the element. */
struct xml_doc *xml_copy(const struct xml_node *node) MUST_CHECK;

bool xml_is(const struct xml_node *node, const char *ns, const char *name); /* NULL node: false */
const char *xml_name(const struct xml_node *node);			    /* local name */

/* First child element and next sibling of that name; name NULL = any element. NULL at the end. */
struct xml_node *xml_child(const struct xml_node *parent, const char *ns, const char *name);
struct xml_node *xml_next(const struct xml_node *node, const char *ns, const char *name);
/* Descent along VCLOUD-namespace names: xml_path(vm, "NetworkConnectionSection/NetworkConnection").
 */
struct xml_node *xml_path(const struct xml_node *node, const char *path);
/* First descendant in document order, the node itself included. */
struct xml_node *xml_find(struct xml_node *node, const char *ns, const char *name);

/*
 * Attribute without and with namespace, and text content. Copies in the arena; NULL when the node
 * is NULL or the attribute is absent. Text of an empty element is "".
 */
const char *xml_attr(struct arena *arena, const struct xml_node *node, const char *name);
const char *xml_attr_ns(
	struct arena *arena, const struct xml_node *node, const char *ns, const char *name);
const char *xml_text(struct arena *arena, const struct xml_node *node);

/* Structure checks for whoever must refuse a body: counts of all elements, and nesting depth. */
size_t xml_count(const struct xml_node *node);
size_t xml_depth(const struct xml_node *node);

/* Editing a fetched document before it is sent back. The new element comes last in its parent. */
struct xml_node *xml_add(
	struct xml_node *parent, const char *ns, const char *name, const char *text);
/* A deep copy of an element of any document, last in its new parent. */
struct xml_node *xml_graft(struct xml_node *parent, const struct xml_node *node);
void xml_set_attr(struct xml_node *node, const char *ns, const char *name, const char *value);
void xml_remove(struct xml_node *node);
/* A heap copy of text in which '?' stands for what XML cannot hold; the caller frees it. */
char *xml_clean(const char *text) MUST_CHECK;
/* The document or one element as text with an XML declaration; lives in the arena. */
char *xml_serialise(struct arena *arena, const struct xml_node *node, size_t *len) MUST_CHECK;

#endif
