/* SPDX-License-Identifier: MIT */
/* The objects of the simulated VCD; state.h says who holds them and under which lock. */
#ifndef VCDSIM_MODEL_H
#define VCDSIM_MODEL_H

#include "common/base.h"

#include <json-c/json.h>

enum { SIM_ID = 37, SIM_TOKEN = 1200 };

struct sim;
struct guest;

struct sim_org {
	struct sim_org *next;
	char uuid[SIM_ID];
	const char *name;
};

struct sim_user {
	struct sim_user *next;
	char uuid[SIM_ID];
	const char *name, *password;
	struct sim_org *org;
	char role_uuid[SIM_ID];
	const char *role;
	struct json_object
		*rights; /* array of right names, e.g. "vApp: Delete"; shared by a role's users */
};

struct sim_session {
	struct sim_session *next;
	char uuid[SIM_ID];
	char token[SIM_TOKEN]; /* over 1 KB, as VCD's JWTs */
	struct sim_user *user;
	struct json_object *rights; /* as they were at login */
	int64_t last_use_ms, started_ms;
	bool ended; /* logged out or expired; sessions are freed only with the simulator */
};

/*
 * A task. Native ones end by themselves: at `due_ms` the ticker calls `done` under the lock, which
 * applies the effect; error_* set by then make it fail instead. External ones (POST tasksList) live
 * as their callers PUT them. While a native task runs, the objects named in `locks` are busy.
 */
struct sim_task {
	struct sim_task *next;
	char uuid[SIM_ID];
	const char *operation, *operation_name, *service_namespace, *details, *status;
	const char *owner_href, *owner_type, *owner_name, *owner_id;
	struct sim_user *user;
	char user_href[256], user_name[128]; /* as given, for external tasks */
	struct sim_org *org;
	int progress; /* -1: none */
	bool external, cancel_requested;
	const char *error_message, *error_minor;
	int64_t started_wall_ms, ended_wall_ms, due_ms;
	const char *locks[4]; /* URNs or uuids that are busy until the task ends */
	void (*done)(struct sim *sim, struct sim_task *task);
	void *object;		   /* for done */
	const char *ordered_error; /* a test's: ends in this error, without the effect */
	bool cleans_up;		   /* done is called after an ordered error too */
};

struct sim_metadata {
	struct sim_metadata *next;
	const char *domain, *visibility, *key, *type,
		*value; /* GENERAL/READWRITE, SYSTEM/READONLY|PRIVATE */
};

/* ExtraConfig of a VM: what VCD shows, and what the hypervisor holds (see guests.h). */
struct sim_extra {
	struct sim_extra *next;
	char *key;
	char *value;
	bool from_guest;    /* set by info-set: gone at power-off */
	int64_t visible_ms; /* VCD shows a guest's value only from then on; before it shows `older`
			     */
	char *older;
};

enum sim_vm_status { VM_UNRESOLVED = 0, VM_POWERED_ON = 4, VM_POWERED_OFF = 8 };

struct sim_vm {
	struct sim_vm *next;
	struct sim_vapp *vapp;
	char uuid[SIM_ID];
	const char *name, *computer_name, *script;
	struct sim_template *template;
	enum sim_vm_status status;
	bool deployed, customized; /* customized: guest customization has run */
	bool needs_customization, customization_enabled;
	const char *storage_profile, *sizing_policy, *network;
	char ip[16];	     /* pool address, "" before the clone ended */
	const char *ip_mode; /* POOL, DHCP, MANUAL or NONE */
	struct sim_extra *extra;
	struct guest *guest; /* the running guest, NULL while off (guests.c) */
};

struct sim_vapp {
	struct sim_vapp *next;
	char uuid[SIM_ID];
	const char *name, *description;
	struct sim_vdc *vdc;
	struct sim_user *owner;
	const char *network; /* name of its org network */
	char network_uuid[SIM_ID];
	int status; /* 0 composing, 8 off, 4 on, -1 failed */
	bool deployed;
	int64_t lease_deploy_s, lease_storage_s;
	struct sim_metadata *metadata;
	struct sim_vm *vms;
	struct sim_task *task; /* the running one that shows in its Tasks element, NULL when idle */
};

struct sim_vdc {
	struct sim_vdc *next;
	char uuid[SIM_ID];
	const char *name;
	struct sim_org *org;
	struct json_object *storage_profiles; /* [{name, id}] */
	struct json_object *policies;	      /* [{name, id, isSizingOnly}] */
};

struct sim_template {
	struct sim_template *next;
	char uuid[SIM_ID], vm_uuid[SIM_ID], item_uuid[SIM_ID], catalog_uuid[SIM_ID];
	const char *name, *catalog, *catalog_org;
	int nic_index;
	struct sim_metadata *metadata; /* of its catalog item */
	struct json_object *guest;     /* seed's "guest": what is on its disk (guests.c) */
};

#endif
