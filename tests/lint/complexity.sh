#!/bin/bash
# SPDX-License-Identifier: MIT
# Limits of size: McCabe 15, functions 60 lines, .c files 600, .h files 150.
set -euo pipefail
cd "$(dirname "$0")/../.."

status=0
mapfile -t sources < <(git ls-files --cached --others --exclude-standard -- '*.c')
mapfile -t headers < <(git ls-files --cached --others --exclude-standard -- '*.h')

# Columns of pmccabe: McCabe with a switch counted once, strict McCabe, statements, line, lines, name.
too_much=$(pmccabe "${sources[@]}" |
	awk '$1 > 15 { print $6 " " $7 ": McCabe " $1 ", limit 15" }
	     $5 > 60 { print $6 " " $7 ": " $5 " lines, limit 60" }')
[ -z "$too_much" ] || {
	status=1
	printf '%s\n' "$too_much"
}

too_long() { # LIMIT FILE...
	local limit=$1 file lines
	shift
	for file in "$@"; do
		lines=$(wc -l <"$file")
		[ "$lines" -le "$limit" ] || {
			status=1
			echo "$file: $lines lines, limit $limit"
		}
	done
}
too_long 600 "${sources[@]}"
too_long 150 "${headers[@]}"
exit $status
