#!/bin/bash
# SPDX-License-Identifier: MIT
# The request path measured against a bare echo (run A), and with one identity look-up of 50 ms for each
# request (run B). Builds the release preset, starts a private broker and a VCD that knows identities only,
# and ends both. One JSON line per run on stdout, tables on stderr. Exit 1 when a reply was lost, doubled
# or not 200; whether the figures are good enough is for the reader.
#
#   run.sh            ROUNDS=5 SECONDS_EACH=4 BUILD=<folder> to change
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
build=${BUILD:-$root/build/release}
rounds=${ROUNDS:-5}
each=${SECONDS_EACH:-4}
dir=$(mktemp -d)
started=()

finish() {
	local status=$? pid
	trap - EXIT INT TERM
	for pid in "${started[@]}"; do
		if kill -TERM "$pid" 2>/dev/null; then wait "$pid" || true; fi
	done
	"$root/deploy/rabbitmq.sh" stop "$dir/broker" >&2 || true
	if [ "$status" -ne 0 ]; then
		tail -n 5 "$dir"/*.log >&2 || true
	fi
	rm -rf "$dir"
	exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

wait_for() { # FILE TEXT SECONDS
	local i
	for ((i = 0; i < $3 * 10; i++)); do
		grep -q "$2" "$1" 2>/dev/null && return
		sleep 0.1
	done
	echo "run.sh: $1 does not say '$2'" >&2
	exit 1
}

free_port() {
	local port
	while :; do
		port=$((20000 + RANDOM % 12000))
		(: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
	done
	echo "$port"
}

# shellcheck disable=SC2153 # HOST and the like come from broker.env
write_config() { # VCD_PORT
	cat >"$dir/worker.yaml" <<YAML
deployment: bench
broker:
  hosts: ["$HOST:$PORT"]
  user: "$USER"
  password_file: "$PASSWORD_FILE"
  tls:
    enabled: false
vcd:
  host: "127.0.0.1:$1"
  ca_file: "$dir/ca.pem"
  user: svc-cse@System
  password_file: "$dir/password"
catalog:
  org: cse
  name: cse-templates
YAML
}

if [ -z "${BUILD:-}" ]; then
	cmake --preset release -S "$root" >&2
	cmake --build "$build" --parallel 2 --target cse-worker bench_load bench_echo bench_vcd >&2
fi

"$root/deploy/rabbitmq.sh" start "$dir/broker" >&2
# shellcheck source=/dev/null
. "$dir/broker/broker.env"
export CSE_BENCH_HOST=$HOST CSE_BENCH_PORT=$PORT CSE_BENCH_USER=$USER
CSE_BENCH_PASSWORD=$(cat "$PASSWORD_FILE")
export CSE_BENCH_PASSWORD

openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost \
	-addext subjectAltName=IP:127.0.0.1 -keyout "$dir/key.pem" -out "$dir/ca.pem" 2>/dev/null
(umask 077 && echo none >"$dir/password")
port=$(free_port)
"$build/tests/bench/bench_vcd" "$port" "$dir/ca.pem" "$dir/key.pem" 50 >"$dir/vcd.log" 2>&1 &
started+=($!)
"$build/tests/bench/bench_echo" bench-echo 32 >"$dir/echo.log" 2>&1 &
echo_pid=$!
started+=("$echo_pid")
wait_for "$dir/echo.log" ready 20
wait_for "$dir/vcd.log" ready 20

write_config "$port"
"$build/worker/cse-worker" run --config "$dir/worker.yaml" 2>"$dir/worker.log" &
worker_pid=$!
started+=("$worker_pid")
wait_for "$dir/worker.log" worker.started 10
sleep 2

"$build/tests/bench/bench_load" a "$rounds" "$each" 32,128 "$echo_pid" "$worker_pid"
"$build/tests/bench/bench_load" b "$rounds" "$each" 128 "$echo_pid" "$worker_pid"
echo "identity look-ups that came too late: $(grep -c system.caller_unknown "$dir/worker.log" || true)" >&2
