/* SPDX-License-Identifier: MIT */
/* vApps and virtual machines (legacy API). */
#ifndef WORKER_VCD_VAPP_H
#define WORKER_VCD_VAPP_H

#include "worker/vcd/org.h"

enum vm_status { VM_FAILED = -1, VM_UNRESOLVED = 0, VM_ON = 4, VM_OFF = 8, VM_OTHER = 99 };

struct vcd_extra {
	const char *key, *value;
};

struct vcd_vm {
	const char *uuid, *href, *name, *ip; /* ip "" while VCD has not assigned one */
	enum vm_status status;
	bool deployed;
	struct vcd_extra *extra; /* ExtraConfig; empty without the right to see it */
	size_t extra_count;
	struct xml_node *node; /* the Vm element, for vcd_vm_reconfigure */
};

struct vcd_vapp {
	const char *uuid, *href, *name, *description, *owner_urn, *owner_name, *vdc_href;
	int status; /* as VCD numbers it: 0 composing, 4 on, 8 off, 10 mixed, -1 failed */
	bool deployed;
	const char *task_href;	/* of the running task in its Tasks element; "" when idle */
	const char *task_error; /* text of a failed one; "" else */
	int64_t lease_deploy_s, lease_storage_s; /* 0: never */
	struct vcd_vm *vms;
	size_t vm_count;
	struct xml_doc *doc; /* behind the nodes; vcd_vapp_release frees it */
};

/* GET /api/vApp/vapp-{uuid}, VMs included. GONE when absent or invisible. */
int vcd_vapp_get(struct vcd *vcd, struct vcd_as as, const char *uuid, struct vcd_vapp *out,
	struct error *err) MUST_CHECK;
void vcd_vapp_release(struct vcd_vapp *vapp);
/* The VM of that name, or the value of a VM's ExtraConfig key; NULL when absent. */
struct vcd_vm *vcd_vapp_vm(const struct vcd_vapp *vapp, const char *name);
const char *vcd_vm_extra(const struct vcd_vm *vm, const char *key);

/* Query vApp (adminVApp for the service session) by exact name in a VDC. *uuid "" when there is
 * none. */
int vcd_vapp_find(struct vcd *vcd, struct vcd_as as, bool as_admin, const char *vdc_uuid,
	const char *name, const char **uuid, struct error *err) MUST_CHECK;
/* The same in all VDCs of an org, each of which may have one; service session. */
int vcd_vapp_find_in_org(struct vcd *vcd, const char *org_uuid, const char *name,
	const char ***uuids, size_t *count, struct error *err) MUST_CHECK;

struct vcd_compose_vm {
	const char *name;		       /* VM, computer and host name */
	const char *script;		       /* customization script */
	const struct vcd_ref *storage_profile; /* NULL: the VDC's default */
	const struct vcd_ref *sizing_policy;   /* NULL: the template's */
};
struct vcd_compose {
	const char *name, *description;
	const char *network_name, *network_href;
	const struct vcd_template *template;
	const struct vcd_compose_vm *vms;
	size_t vm_count;
};

/*
 * POST /api/vdc/{uuid}/action/composeVApp with all VMs, nothing powered on, lease 0/0. 201 at once;
 * VCD clones afterwards. *uuid and *task name the result. CONFLICT: a vApp of this name exists.
 * Rights of the caller as "vApp Author". INVALID when the call would exceed VCD's limits (400 KB,
 * 3500 elements).
 */
int vcd_compose(struct vcd *vcd, struct vcd_as as, const char *vdc_uuid,
	const struct vcd_compose *spec, const char **uuid, const char **task,
	struct error *err) MUST_CHECK;

/*
 * POST …/vm-{uuid}/action/reconfigureVm: name, the fetched VirtualHardwareSection and the changed
 * keys;
 * "" as value removes a key. Others stay. *task to wait for.
 */
int vcd_vm_reconfigure(struct vcd *vcd, const struct vcd_vm *vm, const struct vcd_extra *changes,
	size_t count, const char **task, struct error *err) MUST_CHECK;

/* POST {href}/power/action/powerOn and {href}/action/undeploy (powerOff) of a vApp or VM. */
int vcd_power_on(
	struct vcd *vcd, const char *href, const char **task, struct error *err) MUST_CHECK;
/* GONE is not an error here: *task is "" when it was not running. */
int vcd_undeploy(struct vcd *vcd, struct vcd_as as, const char *href, const char **task,
	struct error *err) MUST_CHECK;
/* DELETE vApp ?force=true. GONE when absent. */
int vcd_vapp_delete(struct vcd *vcd, struct vcd_as as, const char *uuid, const char **task,
	struct error *err) MUST_CHECK;

#endif
