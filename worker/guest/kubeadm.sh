#!/bin/bash
# SPDX-License-Identifier: MIT
#
# kubeadm's configuration, made from what is on this disk. No cloud provider is named: pods that do
# not tolerate an uninitialised node would never start.

# Sets KUBEADM_VERSION, KUBEADM_MINOR and CONFIG_API, the version of the configuration's form.
kubeadm_read() {
	KUBEADM_VERSION=$(kubeadm version -o short)
	[[ $KUBEADM_VERSION =~ ^v1\.([0-9]+)\. ]] || die "kubeadm's version is odd: $KUBEADM_VERSION"
	KUBEADM_MINOR=${BASH_REMATCH[1]}
	if ((KUBEADM_MINOR < 22)); then
		CONFIG_API=v1beta2
	elif ((KUBEADM_MINOR < 31)); then
		CONFIG_API=v1beta3
	else
		CONFIG_API=v1beta4
	fi
}

# extra_args INDENT KEY NAME VALUE: one argument; v1beta4 has a list where a map was before.
extra_args() {
	local pad
	printf -v pad '%*s' "$1" ''
	if [[ $CONFIG_API == v1beta4 ]]; then
		printf '%s%s:\n%s- name: %s\n%s  value: "%s"\n' "$pad" "$2" "$pad" "$3" "$pad" "$4"
	else
		printf '%s%s:\n%s  %s: "%s"\n' "$pad" "$2" "$pad" "$3" "$4"
	fi
}

# The address keeps its meaning when a second NIC appears or DHCP brings another one.
config_node() {
	printf 'nodeRegistration:\n  name: "%s"\n  criSocket: "%s"\n' "$(data name)" "$(cri_socket)"
	extra_args 2 kubeletExtraArgs node-ip "$(data ip)"
}

# config_image INDENT COMPONENT: repository and tag as they are on disk.
config_image() {
	local pad reference
	printf -v pad '%*s' "$1" ''
	reference=$(image_reference "$2")
	[[ -n $reference ]] || die "images.list names no $2"
	printf '%simageRepository: "%s"\n' "$pad" "${reference%/*}"
	printf '%simageTag: "%s"\n' "$pad" "${reference##*:}"
}

config_init() {
	local external node driver api_server
	external=$(data external)
	node=$(config_node)
	driver=$(cgroup_driver)
	api_server=$(image_reference kube-apiserver)
	[[ -n $api_server ]] || die "images.list names no kube-apiserver"
	cat <<-YAML
		apiVersion: kubeadm.k8s.io/$CONFIG_API
		kind: InitConfiguration
		bootstrapTokens:
		- token: "$(field "$STATE/secret" token)"
		  ttl: "$(data token_ttl_s)s"
		  usages: ["signing", "authentication"]
		  groups: ["system:bootstrappers:kubeadm:default-node-token"]
		localAPIEndpoint:
		  advertiseAddress: "$(data ip)"
		  bindPort: 6443
		$node
		---
		apiVersion: kubeadm.k8s.io/$CONFIG_API
		kind: ClusterConfiguration
		clusterName: kubernetes
		kubernetesVersion: "$KUBEADM_VERSION"
		imageRepository: "${api_server%/*}"
		controlPlaneEndpoint: "$(data endpoint)"
		networking:
		  podSubnet: "$(data pod_cidr)"
		  serviceSubnet: "$(data service_cidr)"
		apiServer:
		  certSANs:
		  - "$(data ip)"
	YAML
	if [[ -n $external ]]; then
		printf '  - "%s"\n' "$external"
	fi
	printf 'dns:\n'
	config_image 2 coredns
	printf 'etcd:\n  local:\n'
	config_image 4 etcd
	# By address: a resolver that knows "localhost.<domain>" must not lead etcd astray.
	extra_args 4 extraArgs listen-client-urls "https://127.0.0.1:2379,https://$(data ip):2379"
	cat <<-YAML
		---
		apiVersion: kubelet.config.k8s.io/v1beta1
		kind: KubeletConfiguration
		cgroupDriver: $driver
	YAML
}

# config_join SECONDS: how long discovery may take.
config_join() {
	local token
	token=$(field "$STATE/secret" token)
	cat <<-YAML
		apiVersion: kubeadm.k8s.io/$CONFIG_API
		kind: JoinConfiguration
		discovery:
		  bootstrapToken:
		    apiServerEndpoint: "$(data endpoint)"
		    token: "$token"
		    caCertHashes: ["$(data ca_hash)"]
		  tlsBootstrapToken: "$token"
	YAML
	if [[ $CONFIG_API == v1beta4 ]]; then
		printf 'timeouts:\n  discovery: "%ss"\n' "$1"
	else
		printf '  timeout: "%ss"\n' "$1"
	fi
	config_node
}

# Leaves nothing of a half-made node. The runtime's images stay.
node_reset() {
	timeout 300 kubeadm reset -f --cri-socket "$(cri_socket)"
	rm -rf /etc/cni/net.d /var/lib/etcd/member "$KUBEADM_CONFIG"
}

# Prints the option that skips the look at a registry, when nothing would have to be pulled.
preflight_option() {
	local reference
	for reference in $(kubeadm config images list --config "$KUBEADM_CONFIG" 2>/dev/null); do
		image_present "$reference" || return 0
	done
	printf -- '--ignore-preflight-errors=ImagePull'
}

ca_hash() {
	openssl x509 -in "$1" -noout -pubkey | openssl pkey -pubin -outform der | sha256sum |
		sed -E 's/^([0-9a-f]{64}).*/sha256:\1/'
}

# The worker made the cluster's CA, so that every node could know it before the first boot.
ca_install() {
	mkdir -p "$PKI"
	field "$STATE/secret" ca_key | keep "$PKI/ca.key"
	tools_get guestinfo.cse.ca | base64 -d | keep "$PKI/ca.crt"
	chmod 644 "$PKI/ca.crt"
	chmod 600 "$PKI/ca.key"
	[[ $(ca_hash "$PKI/ca.crt") == "$(data ca_hash)" ]] || die "the CA is not the announced one"
}
