# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Sourced by every bash of a guest (BASH_ENV). When the guest's disk holds /etc/sim/crashes, numbers
# one a line and rising, the guest crashes and boots again before those commands of its bootstrap,
# counted over all its boots. /etc/sim/crashed tells where it was.

before_command() {
	local count point
	printf . >>/etc/sim/commands # appending is atomic, also from both sides of a pipe
	read -r count </etc/sim/commands || :
	read -r point </etc/sim/crashes || return 0
	# Both sides may count before either looks; only one of them crashes there.
	if ((${#count} >= point)) && mkdir "/etc/sim/crash.$point" 2>/dev/null; then
		printf '%s %s\n' "$point" "$BASH_COMMAND" >>/etc/sim/crashed
		sed -i 1d /etc/sim/crashes
		kill -TERM "$(</run/init.pid)"
		kill -STOP "$BASHPID" # this command is never run
	fi
}

# Three functions only compute or read: they are no places to be cut at.
if [[ $0 == */cse-bootstrap && -e /etc/sim/crashes ]]; then
	set -T
	trap '[[ ${FUNCNAME-} == @(hex_bytes|field|uptime_s) ]] || before_command' DEBUG
fi
