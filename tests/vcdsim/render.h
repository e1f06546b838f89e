/* SPDX-License-Identifier: MIT */
/* Writing the legacy API's XML: documents, references, links, and the bigger objects. */
#ifndef VCDSIM_RENDER_H
#define VCDSIM_RENDER_H

#include "common/xml_write.h"
#include "tests/vcdsim/http.h"

#define TYPE_VCLOUD "application/vnd.vmware.vcloud."
#define TYPE_TASK TYPE_VCLOUD "task+xml"
#define TYPE_ORG TYPE_VCLOUD "org+xml"
#define TYPE_VDC TYPE_VCLOUD "vdc+xml"
#define TYPE_VAPP TYPE_VCLOUD "vApp+xml"
#define TYPE_VM TYPE_VCLOUD "vm+xml"
#define TYPE_USER "application/vnd.vmware.admin.user+xml"
#define TYPE_METADATA TYPE_VCLOUD "metadata+xml"
#define TYPE_TEMPLATE TYPE_VCLOUD "vAppTemplate+xml"
#define TYPE_CATALOG TYPE_VCLOUD "catalog+xml"
#define TYPE_CATALOG_ITEM TYPE_VCLOUD "catalogItem+xml"
#define TYPE_NETWORK TYPE_VCLOUD "orgNetwork+xml"
#define TYPE_STORAGE TYPE_VCLOUD "vdcStorageProfile+xml"

/* A document whose root is open, in the default namespace of the legacy API. */
struct xml_writer *doc_open(const char *root) MUST_CHECK;
void doc_namespaces(struct xml_writer *writer); /* ovf, rasd, vssd, vmw, xsi on the open element */
/* Closes the root, makes it the answer, frees the writer. */
void doc_reply(const struct sim_request *req, struct sim_reply *reply, int status, const char *type,
	struct xml_writer *writer);

/* name, id, href and type attributes of the open element; NULLs are left out. */
void render_identity(struct xml_writer *writer, const char *name, const char *urn, const char *href,
	const char *type);
void render_link(struct xml_writer *writer, const char *rel, const char *type, const char *href);
/* <element name href type id/>, the common form of a reference. */
void render_ref(struct xml_writer *writer, const char *element, const char *name, const char *urn,
	const char *href, const char *type);
/* <element …/> referring to the org, VDC or user. */
void render_org_ref(const struct sim_request *req, struct xml_writer *writer, const char *element,
	const struct sim_org *org);
void render_user_ref(const struct sim_request *req, struct xml_writer *writer, const char *element,
	const struct sim_user *user);

/* https://…/api/<kind>/<prefix><uuid>, in the request's arena. */
const char *href_of(const struct sim_request *req, const char *kind_and_prefix, const char *uuid);
const char *urn_of(const struct sim_request *req, const char *kind, const char *uuid);

/* Attributes and children of the open element. */
void render_task(
	const struct sim_request *req, struct xml_writer *writer, const struct sim_task *task);
void render_vapp(const struct sim_request *req, struct xml_writer *writer, struct sim_vapp *vapp);
void render_vm(const struct sim_request *req, struct xml_writer *writer, struct sim_vm *vm);
void render_hardware(const struct sim_request *req, struct xml_writer *writer, struct sim_vm *vm);
void render_network_connection(struct xml_writer *writer, const char *network, const char *ip,
	int index, const char *mode);
void render_customization(
	const struct sim_request *req, struct xml_writer *writer, struct sim_vm *vm);
void render_lease(const struct sim_request *req, struct xml_writer *writer, struct sim_vapp *vapp);
/* <Tasks><Task/></Tasks> for what runs on the object, or failed; nothing for NULL. */
void render_task_section(
	const struct sim_request *req, struct xml_writer *writer, const struct sim_task *task);

/* What a vApp's own status attribute is now: 0, 1, 4, 8, 10 or -1. */
int vapp_status_now(const struct sim_vapp *vapp);
/* The word that query records show for a status number. */
const char *status_word(int status);

#endif
