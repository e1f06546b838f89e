/* SPDX-License-Identifier: MIT */
/*
 * Refusing XML bodies as VCD does: by media type, size, number of elements, order and presence of
 * elements; and by the official schema when one is at hand.
 */
#ifndef VCDSIM_BODY_H
#define VCDSIM_BODY_H

#include "tests/vcdsim/http.h"

enum { BODY_BYTES_MAX = 512 * 1024, BODY_ELEMENTS_MAX = 4096 };

/* Parses and checks req->body into req->xml. False after it has answered 400 or 415. */
bool body_check_xml(struct sim_request *req, struct sim_reply *reply) MUST_CHECK;
/* The same for JSON into req->json. */
bool body_check_json(struct sim_request *req, struct sim_reply *reply) MUST_CHECK;

/* The body's root if it is that element of the legacy namespace; else answers 400 and gives NULL.
 */
struct xml_node *body_root(
	const struct sim_request *req, struct sim_reply *reply, const char *name) MUST_CHECK;

/*
 * Checks order and presence of elements and attributes below the node, from small tables that cover
 * what clients send here. INVALID with the text of VCD's validator.
 */
int order_check(struct arena *arena, const struct xml_node *node, struct error *err) MUST_CHECK;
/* The media type that a body with this root must have; NULL when the root is not known. */
const char *order_media_type(const char *root);

/*
 * The official schema, loaded from the folder named by VCD_SCHEMAS (the one that holds
 * 1.5/schemas/master/master.xsd). xsd_load is called once at start and does nothing without it.
 */
int xsd_load(struct error *err) MUST_CHECK;
int xsd_check(const char *text, size_t len, struct error *err) MUST_CHECK;
void xsd_unload(void);

/* The same document with a prefix where it has the legacy API's default namespace. */
char *xml_with_prefix(struct arena *arena, const char *text, size_t *len) MUST_CHECK;

#endif
