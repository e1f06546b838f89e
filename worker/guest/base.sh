#!/bin/bash
# SPDX-License-Identifier: MIT
#
# cse-bootstrap: makes this virtual machine a node of its Kubernetes cluster.
#
# The guest may be cut off at any instruction. So each phase leaves a stamp when it is done, and one
# that was begun but has no stamp is undone first. Values reach this program as data (guestinfo,
# Base64), never as text of a program. Nothing is downloaded.
#
# Keep it runnable by bash 4.3: images of Ubuntu 16.04 have that.

set -Eeuo pipefail
umask 077
shopt -s inherit_errexit 2>/dev/null || true
export LC_ALL=C HOME=/root
export KUBECONFIG=/etc/kubernetes/admin.conf

STATE=${CSE_STATE:-/var/lib/cse}      # mode 0700: data, secret, seq, begun.*, done.*, logs
PREPARED=${CSE_PREPARED:-/opt/cse}    # what the template brings: <version>/images.list, images/, cni.yaml
PKI=${CSE_PKI:-/etc/kubernetes/pki}
SELF=${CSE_SELF:-/usr/local/sbin/cse-bootstrap}
KUBEADM_CONFIG=$STATE/kubeadm.yaml    # holds the token, lives as long as one kubeadm call

POLL_S=1          # between looks at something that takes its time
PAUSE_S=10        # after a failed attempt
TRIES=3           # attempts of a phase before it is reported as failed
DISCOVERY_S=60    # of one join
GUEST_WAIT_S=600  # for network, host name and runtime after a boot
EXIT_GIVEN_UP=3   # the unit is not restarted after this

log() {
	printf 'cse: %s\n' "$*" >&2
}

# Ends this process with a reason that goes into the error report.
die() {
	log "$*"
	exit 1
}

# Seconds since boot; wall clocks jump when time gets synchronised.
uptime_s() {
	local up
	read -r up _ </proc/uptime
	printf '%s' "${up%%.*}"
}

# keep FILE: replaces the file by standard input in one step, so that a cut leaves old or new.
keep() {
	cat >"$1.new"
	sync "$1.new" 2>/dev/null || sync
	mv -f "$1.new" "$1"
}

# field FILE KEY: prints the decoded value of the line "KEY base64", nothing when there is none.
field() {
	local key value
	while read -r key value; do
		if [[ $key == "$2" ]]; then
			printf '%s' "$value" | base64 -d
			return 0
		fi
	done <"$1"
}

data() {
	field "$STATE/data" "$1"
}

# until_ok SECONDS COMMAND...: repeats the command until it succeeds; fails when the time is up.
until_ok() {
	local end
	end=$(($(uptime_s) + $1))
	shift
	while ! "$@"; do
		if (($(uptime_s) >= end)); then
			return 1
		fi
		sleep "$POLL_S"
	done
}
