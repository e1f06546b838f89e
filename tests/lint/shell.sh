#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs shellcheck over every shell script, whatever its name.
set -euo pipefail
cd "$(dirname "$0")/../.."

plain=()
parts=() # of the guests' program: put together at build, so a name may be used in another part
while read -r file; do
	[ -f "$file" ] || continue
	head -c 64 "$file" | head -n 1 | grep -aqE '^#!.*[/ ](ba|da)?sh' || continue
	case $file in
	worker/guest/*) parts+=("$file") ;;
	*) plain+=("$file") ;;
	esac
done < <(git ls-files --cached --others --exclude-standard)
shellcheck "${plain[@]}"
[ ${#parts[@]} -eq 0 ] || shellcheck --exclude=SC2034 "${parts[@]}"
