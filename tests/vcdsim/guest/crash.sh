# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Sourced by every bash of a guest (BASH_ENV). When the guest's disk holds /etc/sim/crashes, numbers
# one a line and rising, the guest crashes and boots again before those commands of its bootstrap,
# counted over all its boots. /etc/sim/crashed tells where it was.

before_command() {
	local done point
	printf . >>/etc/sim/commands # appending is atomic, also from both sides of a pipe
	read -r done </etc/sim/commands || :
	while read -r point; do
		if ((${#done} == point)); then
			printf '%s %s\n' "$point" "$BASH_COMMAND" >>/etc/sim/crashed
			kill -TERM "$(</run/init.pid)"
			kill -STOP "$BASHPID" # this command is never run
		fi
	done </etc/sim/crashes
}

# Three functions only compute or read: they are no places to be cut at.
if [[ $0 == */cse-bootstrap && -e /etc/sim/crashes ]]; then
	set -T
	trap '[[ ${FUNCNAME-} == @(hex_bytes|field|uptime_s) ]] || before_command' DEBUG
fi
