#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Usage: cse-bootstrap run            the unit: all phases, then the results
#        cse-bootstrap phase NAME     one phase, in a process of its own

# phase_try PHASE: one attempt. A process of its own, since `set -e` does nothing inside a function
# whose result is tested.
phase_try() {
	local status=0
	bash "$SELF" phase "$1" </dev/null 9>&- >"$STATE/$1.log" 2>&1 || status=$?
	redact <"$STATE/$1.log" >&2
	return "$status"
}

# give_up PHASE STATUS: reports and ends the program for this boot.
give_up() {
	say_error "$1" "$2"
	say_phase "$1" failed
	exit "$EXIT_GIVEN_UP"
}

# attempts PHASE: tries until it succeeds, a bounded number of times.
attempts() {
	local try status limit=$TRIES
	case $1 in
	nodes | join) limit=1 ;; # they try until the deadline themselves
	esac
	for ((try = 1; ; try++)); do
		status=0
		phase_try "$1" || status=$?
		if ((status == 0)); then
			return 0
		elif ((try >= limit)); then
			give_up "$1" "$status"
		fi
		log "phase $1 failed with exit code $status, again in $PAUSE_S s"
		sleep "$PAUSE_S"
	done
}

phase_run() {
	if [[ -e $STATE/done.$1 ]]; then
		return 0
	fi
	say_phase "$1" running
	attempts "$1"
	: >"$STATE/done.$1"
	sync
	say_phase "$1" 'done'
}

# Guest-set keys are lost at power-off, so a control plane publishes at every boot.
publish_run() {
	say_phase publish running
	attempts publish
	seal <"$KUBECONFIG" | say_text kubeconfig
	say_text report <"$STATE/report"
	say_phase publish 'done'
}

# conditions_run NAME: what every boot checks before its phases. A failure at a later boot is none of the
# cluster's making: systemd tries again.
conditions_run() {
	local status=0
	phase_try "$1" || status=$?
	if ((status == 0)); then
		return 0
	elif [[ -e $STATE/done.system ]]; then
		exit "$status"
	fi
	cp "$STATE/$1.log" "$STATE/system.log"
	give_up system "$status"
}

control_plane_run() {
	local phase
	for phase in system images init; do
		phase_run "$phase"
	done
	secret_forget ca_key
	for phase in cni nodes; do
		phase_run "$phase"
	done
	secret_forget token
	publish_run
}

worker_run() {
	local phase stamped=no
	[[ -e $STATE/done.join ]] && stamped=yes
	for phase in system images join; do
		phase_run "$phase"
	done
	secret_forget token
	if [[ $stamped == yes ]]; then
		say_phase join 'done'
	fi
}

run() {
	mkdir -p "$STATE"
	chmod 700 "$STATE"
	exec 9>"$STATE/lock"
	flock -n 9 || die "another bootstrap is running"
	until_ok 120 inputs_take || die "no data from VCD in guestinfo.cse.data and guestinfo.cse.secret"
	conditions_run inputs
	conditions_run guest
	case $(data role) in
	control-plane) control_plane_run ;;
	worker) worker_run ;;
	esac
	cloud_init_end
	log "done"
}

main() {
	case ${1-} in
	run) run ;;
	phase)
		trap 'printf "cse: failed: %s (exit code %s, line %s)\n" "$BASH_COMMAND" "$?" "$LINENO" >&2' ERR
		case $2 in
		inputs) inputs_check ;;
		guest) guest_wait ;;
		*)
			facts_read
			"phase_$2"
			;;
		esac
		;;
	*)
		printf 'usage: cse-bootstrap run | phase NAME\n' >&2
		exit 2
		;;
	esac
}

# The tests load the parts without running them.
if [[ -z ${CSE_NO_MAIN-} ]]; then
	main "$@"
fi
