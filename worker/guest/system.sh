#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The machine below Kubernetes: waiting until it is what VCD says, and keeping it so.

address_is_up() {
	ip -4 -o addr show | grep -qF " $(data ip)/"
}

name_is_set() {
	[[ $(hostname) == "$(data name)" ]]
}

route_is_up() {
	[[ -n $(ip -4 route show default) ]]
}

# Customization reboots the guest in the middle of its first boot, and templates may come up with a
# DHCP address or the template's name first. kubeadm must see the final ones.
guest_wait() {
	local check
	for check in address_is_up name_is_set route_is_up runtime_is_up; do
		until_ok "$GUEST_WAIT_S" "$check" || die "after $GUEST_WAIT_S s still not: $check"
	done
}

# A later boot with cloud-init could bring DHCP and the template's host name back.
cloud_init_pin() {
	mkdir -p /etc/cloud/cloud.cfg.d
	chmod 755 /etc/cloud /etc/cloud/cloud.cfg.d
	printf 'network: {config: disabled}\npreserve_hostname: true\n' |
		keep /etc/cloud/cloud.cfg.d/99-cse.cfg
	chmod 644 /etc/cloud/cloud.cfg.d/99-cse.cfg
}

cloud_init_end() {
	: >/etc/cloud/cloud-init.disabled
}

# The tenant's keys, byte for byte; whether root may log in is the template's matter.
ssh_keys_write() {
	if [[ -z $(data ssh_key) ]]; then
		return 0
	fi
	mkdir -p /root/.ssh
	chmod 700 /root/.ssh
	data ssh_key | keep /root/.ssh/authorized_keys
	chmod 600 /root/.ssh/authorized_keys
}

# What kubeadm's preflight asks of every node.
node_prepare() {
	swapoff -a
	if [[ -w /etc/fstab ]]; then
		sed -i -E 's/^([^#].*[[:space:]]swap[[:space:]].*)$/#\1/' /etc/fstab
	fi
	mkdir -p /etc/modules-load.d /etc/sysctl.d
	printf 'br_netfilter\noverlay\n' | keep /etc/modules-load.d/99-cse.conf
	modprobe -a br_netfilter overlay
	printf '%s = 1\n' net.bridge.bridge-nf-call-iptables net.bridge.bridge-nf-call-ip6tables \
		net.ipv4.ip_forward | keep /etc/sysctl.d/99-cse.conf
	sysctl -q -p /etc/sysctl.d/99-cse.conf
}

phase_system() {
	cloud_init_pin
	ssh_keys_write
	node_prepare
}
