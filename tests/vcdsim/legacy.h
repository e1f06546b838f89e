/* SPDX-License-Identifier: MIT */
/* Handlers of the legacy API that stand in another file than their route. */
#ifndef VCDSIM_LEGACY_H
#define VCDSIM_LEGACY_H

#include "tests/vcdsim/http.h"

sim_handler_fn get_query;
sim_handler_fn get_catalog, get_catalog_item, get_template, get_template_vm;
sim_handler_fn get_item_metadata, get_item_metadata_key, get_vapp_metadata, get_vapp_metadata_key,
	post_vapp_metadata, put_vapp_metadata_key, delete_vapp_metadata_key;
sim_handler_fn compose_vapp, recompose_vapp, delete_vm, vapp_delete;
sim_handler_fn vapp_power_on, vapp_power_off, vapp_undeploy, vapp_deploy;
sim_handler_fn vm_power_on, vm_power_off, vm_undeploy, vm_deploy;
sim_handler_fn reconfigure_vm, put_hardware, get_hardware;

/* Takes a LeaseSettingsSection into the vApp; false when it is no number. NULL: nothing changes. */
bool lease_read(struct arena *arena, const struct xml_node *section, struct sim_vapp *vapp);
/* Takes a GuestCustomizationSection into the VM; false after a 400. */
bool customization_read(struct sim *sim, const struct sim_request *req, struct sim_reply *reply,
	const struct xml_node *section, struct sim_vm *vm);
/* Powers the VM on at the end of a task of its own kind: deployed and booting. */
void vm_start(struct sim *sim, struct sim_vm *vm);

#endif
