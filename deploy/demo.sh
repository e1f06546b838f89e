#!/bin/bash
# SPDX-License-Identifier: MIT
# The whole job on one machine, as a tenant sees it: a cluster is applied, exposed, used, un-exposed
# and deleted, against a simulated cloud. Everything runs on loopback below one temporary folder and
# is ended again, also by Ctrl-C.
#
#   deploy/demo.sh          run and end
#   deploy/demo.sh --keep   run, then wait for Ctrl-C so that the cloud can be used by hand
# shellcheck disable=SC2317 # functions are also called by trap and by name
set -euo pipefail
cd "$(dirname "$0")/.."

keep=no
case ${1:-} in
"") ;;
--keep) keep=yes ;;
*)
	echo "usage: demo.sh [--keep]" >&2
	exit 2
	;;
esac

# What the flow may take; the simulated cloud imposes its own part and reports it.
slack_s=15
calls_create=60
calls_other=20

python=/usr/bin/python3
folder=""
broker=""
vcdsim_pid=""
worker_pid=""
problems=()

say() {
	printf '\n== %s\n' "$*"
}

fail() {
	printf '\ndemo.sh: %s\n' "$*" >&2
	exit 1
}

end_process() { # NAME PID
	local name=$1 pid=$2 status=0 i
	[ -n "$pid" ] || return 0
	kill -TERM "$pid" 2>/dev/null || true
	for ((i = 0; i < 600; i++)); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	[ "$i" -lt 600 ] || kill -KILL "$pid" 2>/dev/null || true
	wait "$pid" 2>/dev/null || status=$?
	[ "$status" -eq 0 ] || echo "demo.sh: $name ended with status $status" >&2
	return "$status"
}

clean_up() {
	local status=$?
	trap '' INT TERM
	trap - EXIT
	[ -z "$folder" ] || printf '\nending worker, cloud and broker\n'
	end_process cse-worker "$worker_pid" || status=1
	end_process vcdsim "$vcdsim_pid" || status=1
	[ -z "$broker" ] || deploy/rabbitmq.sh stop "$broker" || status=1
	if [ "$status" -eq 0 ] || [ "$status" -eq 130 ] || [ -z "$folder" ]; then
		[ -z "$folder" ] || rm -rf "$folder"
	else
		echo "logs are left in $folder" >&2
	fi
	exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

now_ms() {
	date +%s%3N
}

seconds() { # MS
	awk -v ms="$1" 'BEGIN { printf "%.1f s", ms / 1000 }'
}

tenant() { # METHOD PATH_OR_URL [CURL ARGUMENTS...]; body to stdout, status to $folder/status
	local method=$1 url=$2
	shift 2
	[[ $url == https:* ]] || url=$cloud$url
	curl --silent --show-error --max-time 30 --cacert "$folder/vcd/ca.pem" -X "$method" -o - \
		-w '%{stderr}%{http_code}' -H @"$folder/headers" \
		-H "Accept: ${accept:-application/json;version=35.0}" "$@" "$url" 2>"$folder/status" ||
		fail "$method $url: $(cat "$folder/status")"
}

expect() { # STATUS WHAT
	[ "$(cat "$folder/status")" = "$1" ] || fail "$2: status $(cat "$folder/status"), expected $1"
}

admin() { # PATH [CURL ARGUMENTS...]
	local path=$1
	shift
	curl --silent --show-error --fail --max-time 30 "$@" "$admin_url$path"
}

attribute() { # NAME; of the Task element on stdin
	tr '\n' ' ' | sed -n "s/.*<Task[^>]* $1=\"\([^\"]*\)\".*/\1/p" |
		sed "s/&quot;/\"/g; s/&apos;/'/g; s/&#39;/'/g; s/&lt;/</g; s/&gt;/>/g; s/&amp;/\&/g"
}

# Follows a task to its end and shows each text once; on a terminal the percentage moves in place.
follow() { # TASK_HREF
	local task text status percent line last="" last_text="" columns=80
	[ ! -t 1 ] || { columns=$(stty size <&3 | cut -d ' ' -f 2); } 3>&1
	while :; do
		task=$(accept='application/*+xml;version=35.0' tenant GET "/api/task/${1##*/}")
		expect 200 "GET task"
		text=$(attribute operation <<<"$task")
		status=$(attribute status <<<"$task")
		percent=$(sed -n 's/.*<Progress>\([0-9]*\)<\/Progress>.*/\1/p' <<<"$task")
		line=$(printf '   %3s%%  %s' "${percent:-0}" "$text")
		if [ -t 1 ] && [ "$line" != "$last" ]; then
			[ -z "$last_text" ] || [ "$text" = "$last_text" ] || printf '\n'
			# A line that wraps could not be written over.
			printf '\r\033[K%s' "${line:0:columns-1}"
		elif [ "$line" != "$last" ]; then
			printf '%s\n' "$line"
		fi
		last=$line
		last_text=$text
		case $status in
		success) break ;;
		error | aborted | canceled)
			[ ! -t 1 ] || printf '\n'
			fail "task $status: $(tr '\n' ' ' <<<"$task" | sed -n 's/.*<Error[^>]* message="\([^"]*\)".*/\1/p')"
			;;
		esac
		sleep 0.3
	done
	[ ! -t 1 ] || printf '\n'
}

# Sends one change, follows its task, and notes time and the worker's calls under NAME.
operate() { # NAME METHOD PATH [BODY_FILE]
	local name=$1 start reply
	admin /calls/reset -X POST >/dev/null
	start=$(now_ms)
	if [ $# -eq 4 ]; then
		reply=$(tenant "$2" "$3" -H 'Content-Type: application/json' --data-binary "@$4")
	else
		reply=$(tenant "$2" "$3")
	fi
	[ "$(cat "$folder/status")" = 202 ] || fail "$2 $3: status $(cat "$folder/status"): $reply"
	cluster_id=$(jq -r .id <<<"$reply")
	follow "$(jq -r .entity.status.task_href <<<"$reply")"
	took[$name]=$(($(now_ms) - start))
	# Polling by this script is not the worker's: only its agent counts.
	calls[$name]=$(admin /calls | jq '[.log[] | select(.agent | startswith("cse-worker"))] | length')
	imposed[$name]=$(admin /path | jq .total_ms)
}

require() { # TEXT COMMAND...; a broken promise is shown in the summary
	local text=$1
	shift
	"$@" || problems+=("$text")
}

is_open() { # ADDRESS
	timeout 3 bash -c ": <>/dev/tcp/$1/6443" 2>/dev/null
}

is_closed() {
	! is_open "$1"
}

start_all() {
	folder=$(mktemp -d "${TMPDIR:-/tmp}/cse-demo.XXXXXX")
	chmod 700 "$folder"
	mkdir "$folder/vcd"

	broker=$folder/broker
	deploy/rabbitmq.sh start "$broker"
	# shellcheck disable=SC1091 # written just now
	. "$broker/broker.env"
	echo "   RabbitMQ   $HOST:$PORT"

	setsid "$build/tests/vcdsim/vcdsim" --seed tests/vcdsim/seed.json --dir "$folder/vcd" \
		--listen 127.0.0.1:0 --admin 127.0.0.1:0 --amqp-host "$HOST" --amqp-port "$PORT" \
		--amqp-user "$USER" --amqp-password-file "$PASSWORD_FILE" --amqp-vhost "$VHOST" \
		</dev/null >"$folder/vcdsim.out" 2>"$folder/vcdsim.log" &
	vcdsim_pid=$!
	await "the simulated cloud" "$vcdsim_pid" "$folder/vcdsim.log" \
		grep '"url".*}' "$folder/vcdsim.out"
	cloud=$(head -n 1 "$folder/vcdsim.out" | jq -r .url)
	admin_url=$(head -n 1 "$folder/vcdsim.out" | jq -r .admin)
	echo "   cloud      $cloud"

	(umask 077 && echo svc-password >"$folder/svc.password")
	cat >"$folder/cse-worker.yaml" <<YAML
deployment: demo
broker:
  hosts: ["$HOST:$PORT"]
  vhost: $VHOST
  user: $USER
  password_file: $PASSWORD_FILE
  tls: {enabled: false}
vcd:
  host: ${cloud#https://}
  ca_file: $folder/vcd/ca.pem
  user: svc-cse@System
  password_file: $folder/svc.password
catalog: {org: cse, name: cse-templates}
YAML
	setsid "$build/worker/cse-worker" run --config "$folder/cse-worker.yaml" \
		</dev/null >"$folder/worker.log" 2>&1 &
	worker_pid=$!

	log_in alice tenant1
	await "the worker's first answer" "$worker_pid" "$folder/worker.log" system_answers
	echo "   worker     pid $worker_pid, $(jq -r '.product + " API " + .cse_server_api_version' \
		"$folder/system.json")"
}

await() { # WHAT PID LOG COMMAND...
	local what=$1 pid=$2 log=$3 i
	shift 3
	for ((i = 0; i < 300; i++)); do
		if "$@" >/dev/null 2>&1; then
			return
		fi
		if ! kill -0 "$pid" 2>/dev/null; then
			tail -n 20 "$log" >&2
			fail "$what: the process has ended"
		fi
		sleep 0.2
	done
	tail -n 20 "$log" >&2
	fail "$what did not come within 60 s"
}

system_answers() {
	tenant GET /api/cse/system >"$folder/system.json" && [ "$(cat "$folder/status")" = 200 ]
}

# The token goes to curl by file: arguments of a process are visible to others.
log_in() { # USER ORG
	(umask 077 && printf 'user = "%s@%s:%s-password"\n' "$1" "$2" "$1" >"$folder/curl.login")
	curl --silent --show-error --fail --cacert "$folder/vcd/ca.pem" -K "$folder/curl.login" -X POST \
		-H 'Accept: application/json;version=35.0' -D "$folder/login.headers" -o /dev/null \
		"$cloud/cloudapi/1.0.0/sessions"
	(umask 077 && printf 'Authorization: Bearer %s\n' "$(tr -d '\r' <"$folder/login.headers" |
		sed -n 's/^x-vmware-vcloud-access-token: //Ip')" >"$folder/headers")
}

show_cluster() {
	tenant GET "/cloudapi/1.0.0/entities/$cluster_id" >"$folder/entity.json"
	expect 200 "GET cluster"
	jq -r '.entity as $e | $e.status as $s |
		"   name          \(.name)   (\($e.kind), \($s.kubernetes), \($s.cni))",
		"   phase         \($s.phase)",
		"   exposed       \($s.exposed)",
		"   control plane \($s.nodes.control_plane.name)   \($s.nodes.control_plane.ip)",
		($s.nodes.workers[] | "   worker        \(.name)   \(.ip)")' "$folder/entity.json"
	address=$(jq -r .entity.status.nodes.control_plane.ip "$folder/entity.json")
}

show_kubeconfig() {
	tenant GET "/api/cse/3.0/cluster/$cluster_id/config" >"$folder/config.json"
	expect 200 "GET config"
	(umask 077 && jq -j .message "$folder/config.json" >"$folder/kubeconfig")
	sed -E 's/^/   /; s/(-data: .{24}).*/\1.../; s/(token: ).*/\1.../' "$folder/kubeconfig"
}

kubectl_nodes() {
	HOME=$folder kubectl --kubeconfig "$folder/kubeconfig" --request-timeout=20s get nodes "$@"
}

both_nodes_ready() {
	kubectl_nodes --no-headers | awk '$2 == "Ready" { n++ } END { exit n != 2 }'
}

row() { # NAME
	printf '   %-10s %10s %14s %12s\n' "$1" "$(seconds "${took[$1]}")" "$(seconds "${imposed[$1]}")" \
		"${calls[$1]}"
}

show_summary() {
	printf '   %-10s %10s %14s %12s\n' "" took "cloud's part" "VCD calls"
	row create
	row un-expose
	row delete
	require "create took more than the cloud's part + $slack_s s" \
		test "${took[create]}" -le $((imposed[create] + slack_s * 1000))
	require "create made more than $calls_create calls" test "${calls[create]}" -le "$calls_create"
	require "un-expose made more than $calls_other calls" test "${calls[un-expose]}" -le "$calls_other"
	require "delete made more than $calls_other calls" test "${calls[delete]}" -le "$calls_other"
	if [ ${#problems[@]} -gt 0 ]; then
		printf '   NOT AS PROMISED: %s\n' "${problems[@]}"
		return 1
	fi
	echo "   all as promised"
}

wait_for_ctrl_c() {
	say "everything keeps running; Ctrl-C ends it"
	cat <<TEXT
   With the standard CLI (vcd-cli and its cse plug-in):
      export REQUESTS_CA_BUNDLE=$folder/vcd/ca.pem
      vcd login ${cloud#https://} tenant1 alice -p alice-password
      vcd cse cluster apply $PWD/deploy/demo-cluster.yaml
      vcd cse cluster list
   Simulator: $admin_url/state /tasks /calls /guests
   Logs:      $folder/worker.log $folder/vcdsim.log
TEXT
	while kill -0 "$worker_pid" 2>/dev/null && kill -0 "$vcdsim_pid" 2>/dev/null; do
		sleep 1
	done
	fail "worker or cloud has ended; see $folder"
}

declare -A took calls imposed
cluster_id=""
address=""
build=$PWD/build/release

say "installing and building (log: build/demo-build.log)"
deploy/packages.sh build demo
mkdir -p build
{ cmake --preset release && cmake --build --preset release -j "$(nproc)" --target cse-worker vcdsim; } \
	>build/demo-build.log 2>&1 || {
	tail -n 30 build/demo-build.log >&2
	fail "the build failed"
}

say "starting RabbitMQ, the simulated VCD and a worker"
start_all
admin /state >"$folder/state.before"

say "alice of tenant1 applies deploy/demo-cluster.yaml"
"$python" deploy/cluster_body.py deploy/demo-cluster.yaml >"$folder/cluster.json"
operate create POST /api/cse/3.0/clusters "$folder/cluster.json"

say "the cluster"
show_cluster
external=$address

say "its kubeconfig"
show_kubeconfig

say "kubectl get nodes, through https://$external:6443"
kubectl_nodes
require "not both nodes are Ready" both_nodes_ready

say "alice un-exposes it"
"$python" deploy/cluster_body.py deploy/demo-cluster.yaml spec.expose=false >"$folder/unexposed.json"
operate un-expose PUT "/api/cse/3.0/cluster/$cluster_id" "$folder/unexposed.json"
show_cluster
require "$external:6443 is still open" is_closed "$external"
is_open "$external" || echo "   $external:6443 is closed"

say "alice deletes it"
operate delete DELETE "/api/cse/3.0/cluster/$cluster_id"
admin /state >"$folder/state.after"
require "the cloud is not as it was" diff "$folder/state.before" "$folder/state.after"
cmp -s "$folder/state.before" "$folder/state.after" && echo "   nothing is left: the cloud is as it was before"

say "summary"
status=0
show_summary || status=1
[ "$keep" = no ] || wait_for_ctrl_c
exit "$status"
