#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The phases of a control plane and of a worker. Each runs in a process of its own (see main.sh).

# undo_begun PHASE: a phase that was begun and has no stamp may have left anything behind.
undo_begun() {
	if [[ -e $STATE/begun.$1 ]]; then
		node_reset
	fi
	: >"$STATE/begun.$1"
}

phase_init() {
	local option
	undo_begun init
	ca_install
	config_init >"$KUBEADM_CONFIG"
	option=$(preflight_option)
	timeout 900 kubeadm init --config "$KUBEADM_CONFIG" --skip-token-print ${option:+"$option"}
	rm -f "$KUBEADM_CONFIG"
	mkdir -p /root/.kube
	keep /root/.kube/config <"$KUBECONFIG"
}

phase_cni() {
	kubectl --request-timeout=30s apply -f "$(prepared_dir)/cni.yaml"
}

# Table of node names and whether they are Ready.
nodes_list() {
	kubectl --request-timeout=10s get nodes --no-headers
}

nodes_ready() {
	nodes_list | awk '$2 ~ /^Ready(,|$)/ { print $1 }'
}

# Ready alone is not enough: pods must be able to start, names to resolve.
cluster_is_up() {
	local want taints dns
	want=$((1 + $(data workers)))
	(($(nodes_ready | wc -l) >= want)) || return 1
	taints=$(kubectl --request-timeout=10s get nodes \
		-o 'jsonpath={.items[*].spec.taints[*].key}') || return 1
	[[ $taints != *uninitialized* ]] || return 1
	dns=$(kubectl --request-timeout=10s -n kube-system get deployment coredns \
		-o 'jsonpath={.status.availableReplicas}') || return 1
	((${dns:-0} >= 1))
}

phase_nodes() {
	local token
	if ! until_ok "$(data deadline_s)" cluster_is_up; then
		nodes_list || true
		die "not all nodes are Ready, or CoreDNS is not available"
	fi
	# Nobody else may join with it. Later nodes get a token of their own.
	token=$(field "$STATE/secret" token)
	kubectl --request-timeout=30s -n kube-system delete secret "bootstrap-token-${token%%.*}" \
		--ignore-not-found
}

endpoint_is_open() {
	local endpoint
	endpoint=$(data endpoint)
	timeout 5 bash -c ": <'/dev/tcp/${endpoint%:*}/${endpoint##*:}'" 2>/dev/null
}

node_is_known() {
	kubectl --kubeconfig=/etc/kubernetes/kubelet.conf --request-timeout=10s get node "$(data name)" \
		>/dev/null
}

# Was this guest cut off between joining and its stamp? Then it must not be undone: the control plane may
# have seen all nodes Ready by now and removed the token.
is_joined() {
	[[ -e $STATE/begun.join && -s /etc/kubernetes/kubelet.conf ]] && until_ok 30 node_is_known
}

# join_once SECONDS: waits that long for the control plane, then makes one attempt. The API server
# answers some seconds before the token is there; kubeadm waits for it, but not for ever.
join_once() {
	until_ok "$1" endpoint_is_open || return 1
	if is_joined; then
		return 0
	fi
	# Called in a condition, where a failure does not end the program by itself.
	undo_begun join || return 1
	config_join "$DISCOVERY_S" >"$KUBEADM_CONFIG" || return 1
	timeout $((DISCOVERY_S + 300)) kubeadm join --config "$KUBEADM_CONFIG"
}

# The worker may boot long before its control plane, so joining is tried until the deadline.
phase_join() {
	local end left
	end=$(($(uptime_s) + $(data deadline_s)))
	while left=$((end - $(uptime_s))) && ((left > 0)); do
		if join_once "$left"; then
			rm -f "$KUBEADM_CONFIG" /etc/kubernetes/bootstrap-kubelet.conf
			return 0
		fi
		log "join failed, again in $PAUSE_S s"
		sleep "$PAUSE_S"
	done
	die "not joined within $(data deadline_s) s"
}

certificate_sans() {
	openssl x509 -in "$PKI/apiserver.crt" -noout -ext subjectAltName |
		sed -n -e 's/IP Address:/IP:/g' -e 's/ //g' -e '/^\(DNS\|IP\):/p' | head -n 1
}

# Collects what the control plane will report; it is sent by main.sh.
phase_publish() {
	local sans nodes version
	until_ok "$(data deadline_s)" nodes_list >/dev/null || die "the API server does not answer"
	sans=$(certificate_sans)
	nodes=$(nodes_ready | sort | paste -s -d , -)
	version=$(kubelet --version)
	printf 'sans=%s\nnodes=%s\nkubelet=%s\n' "$sans" "$nodes" "${version##* }" |
		keep "$STATE/report"
}
