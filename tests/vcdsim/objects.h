/* SPDX-License-Identifier: MIT */
/* Work on the state that several modules of the legacy API share. All under the state lock. */
#ifndef VCDSIM_OBJECTS_H
#define VCDSIM_OBJECTS_H

#include "tests/vcdsim/http.h"

void tasks_end_due(struct sim *sim);
void tasks_tick(struct sim *sim); /* the same, and begins what is queued */
void tasks_free(struct sim *sim);

/* Removes the object from the state and frees it; a VM's guest and its disk go with it. */
void vapp_free(struct sim *sim, struct sim_vapp *vapp);
void vm_free(struct sim *sim, struct sim_vm *vm);

/* A network document by bare UUID; may the session use it? */
struct json_object *find_network(struct sim *sim, const char *uuid);
struct sim_template *find_template_vm(struct sim *sim, const char *vm_uuid);

/*
 * The vApp or VM of the path's first token, when the session may see it and nothing locks it
 * (must_be_free). NULL after it has answered 403 or BUSY_ENTITY.
 */
struct sim_vapp *vapp_for(
	struct sim *sim, const struct sim_request *req, struct sim_reply *reply, bool must_be_free);
struct sim_vm *vm_for(
	struct sim *sim, const struct sim_request *req, struct sim_reply *reply, bool must_be_free);
bool session_sees_vapp(const struct sim_session *session, const struct sim_vapp *vapp);
bool session_sees_extra(const struct sim_session *session); /* ExtraConfig elements */
/* True after it has answered BUSY_ENTITY. */
bool reply_if_busy(struct sim *sim, const struct sim_request *req, struct sim_reply *reply,
	const char *type, const char *id);

/* A native task on the vApp, which it locks; vm NULL or one of its VMs, locked too. */
struct sim_task *vapp_task(struct sim *sim, const struct sim_request *req, struct sim_vapp *vapp,
	struct sim_vm *vm, const char *operation_name, const char *operation, int64_t delay_ms,
	void (*done)(struct sim *, struct sim_task *), void *object);

/* Metadata lists: the entry of a domain and key; setting and removing one. */
struct sim_metadata *metadata_find(struct sim_metadata *list, const char *domain, const char *key);
void metadata_free(struct sim_metadata **list);
void metadata_render(const struct sim_request *req, struct sim_reply *reply,
	const struct sim_metadata *list, const char *href);
/* One value, named "key" or "SYSTEM/key"; 403 when it is not there. */
void metadata_render_key(const struct sim_request *req, struct sim_reply *reply,
	struct sim_metadata *list, const char *domain_and_key);

#endif
