#!/bin/bash
# SPDX-License-Identifier: MIT
# Starts a simulator on ports of its own, runs a test program against it, and demands that the test
# has left nothing behind: live.sh VCDSIM TEST
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
sim=$1
program=$2
dir=$(mktemp -d /tmp/vcd-live.XXXXXX)
pid=

clean_up() {
	[ -z "$pid" ] || kill "$pid" 2>/dev/null || true
	[ -z "$pid" ] || wait "$pid" || echo "the simulator did not end well" >&2
	rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

mkdir "$dir/sim"
"$sim" --seed "$here/../vcdsim/seed.json" --dir "$dir/sim" --listen 127.0.0.1:0 \
	--admin 127.0.0.1:0 --set clone_ms=1000 --set task_ms=300 --set boot_ms=300 \
	>"$dir/ready" 2>"$dir/log" &
pid=$!
for _ in $(seq 100); do
	[ -s "$dir/ready" ] && break
	kill -0 "$pid" || { cat "$dir/log" >&2; exit 1; }
	sleep 0.1
done
value() {
	sed -E "s/.*\"$1\":\"([^\"]*)\".*/\1/" "$dir/ready"
}
url=$(value url)
admin=$(value admin)

curl -fsS "$admin/state" >"$dir/before"
VCD_LIVE_HOST=${url#https://} VCD_LIVE_ADMIN=${admin#http://} VCD_LIVE_CA=$(value ca_file) "$program" ||
	{ tail -n 20 "$dir/log" >&2; exit 1; }
curl -fsS "$admin/state" >"$dir/after"
diff "$dir/before" "$dir/after"
! grep -E 'runtime error|AddressSanitizer|ThreadSanitizer' "$dir/log"
