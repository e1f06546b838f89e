#!/bin/bash
# SPDX-License-Identifier: MIT
# Calls that do not stand in this code, and the licence line that does in every file.
set -euo pipefail
cd "$(dirname "$0")/../.."

status=0
mapfile -t code < <(git ls-files --cached --others --exclude-standard -- '*.c' '*.h' '*.def')
mapfile -t marked < <(git ls-files --cached --others --exclude-standard -- \
	'*.c' '*.h' '*.sh' '*.py' '.ci/run')

# No bounds, no error, hidden state, or a shell.
banned='strcpy|strcat|sprintf|vsprintf|strtok|atoi|atol|atof|gets|system|popen|alloca'
hits=$(grep -nE "(^|[^A-Za-z0-9_])($banned)\(" "${code[@]}" | grep -vE '^[^:]+:[0-9]+:[[:space:]]*(/?\*|//)' || true)
[ -z "$hits" ] || {
	status=1
	printf '%s\n' "$hits" | sed 's|$|   <- banned call|'
}

unmarked=$(grep -L 'SPDX-License-Identifier: MIT' "${marked[@]}" || true)
[ -z "$unmarked" ] || {
	status=1
	printf '%s\n' "$unmarked" | sed 's|$|: no SPDX line|'
}
exit $status
