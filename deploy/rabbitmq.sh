#!/bin/bash
# SPDX-License-Identifier: MIT
# A private RabbitMQ for tests and demos: one node on 127.0.0.1 with ports, cookie, data and epmd of
# its own, all below DIR. Beside a system's broker it changes nothing.
set -euo pipefail

usage() {
	cat >&2 <<'TEXT'
usage: rabbitmq.sh start DIR [--tls]   start a broker; DIR/broker.env then has HOST PORT USER
                                       PASSWORD_FILE VHOST PID as shell assignments; with --tls
                                       also TLS_HOST TLS_PORT and TLS_DIR, where ca.pem is, and
                                       client.pem and client.key for a client of that CA
       rabbitmq.sh stop DIR            end it and its epmd; DIR stays, with the log
       rabbitmq.sh ctl DIR ARG...      rabbitmqctl for it
TEXT
	exit 2
}

server=/usr/lib/rabbitmq/bin/rabbitmq-server
control=/usr/lib/rabbitmq/bin/rabbitmqctl
ready_limit_s=90
stop_limit_s=20

fail() {
	echo "rabbitmq.sh: $*" >&2
	exit 1
}

random_hex() { # BYTES
	od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'
}

# Below the ephemeral ports, so that no outgoing connection of ours or others takes it meanwhile.
free_port() {
	local port
	while :; do
		port=$((20000 + RANDOM % 12000))
		if ! (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
			echo "$port"
			return
		fi
	done
}

# True when that process is alive and is the one this folder's node started: numbers get reused.
is_ours() { # PID DIR
	[ -n "$1" ] && { tr '\0' '\n' <"/proc/$1/environ"; } 2>/dev/null |
		grep -qxF "CSE_BROKER_DIR=$2"
}

end_process() { # PID DIR
	local pid=$1 dir=$2 i
	is_ours "$pid" "$dir" || return 0
	kill -TERM "$pid" 2>/dev/null || true
	for ((i = 0; i < stop_limit_s * 10; i++)); do
		is_ours "$pid" "$dir" || return 0
		sleep 0.1
	done
	echo "rabbitmq.sh: process $pid did not end in $stop_limit_s s; killed" >&2
	kill -KILL "$pid" 2>/dev/null || true
}

stop() { # DIR
	local dir=$1 name
	for name in server epmd; do
		[ -f "$dir/$name.pid" ] || continue
		end_process "$(cat "$dir/$name.pid")" "$dir"
		rm -f "$dir/$name.pid"
	done
	rm -f "$dir/broker.env"
}

# One certificate below the CA of DIR/tls; the name stands in the SAN too.
sign() { # DIR FILE NAME EXTENSION...
	local tls=$1/tls file=$2 name=$3
	shift 3
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$name" \
		-keyout "$tls/$file.key" -out "$tls/$file.csr" 2>/dev/null
	openssl x509 -req -in "$tls/$file.csr" -CA "$tls/ca.pem" -CAkey "$tls/ca.key" -CAcreateserial \
		-days 90 -extfile <(printf '%s\n' "$@") -out "$tls/$file.pem" 2>/dev/null
	rm "$tls/$file.csr"
}

# The worker's AMQP library compares host names only, no addresses: the server is "localhost".
make_certificates() { # DIR
	local tls=$1/tls
	[ ! -f "$tls/server.pem" ] || return 0
	mkdir -p "$tls"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 \
		-subj "/CN=CA of $(cat "$1/node")" -keyout "$tls/ca.key" -out "$tls/ca.pem" 2>/dev/null
	sign "$1" client cse-worker extendedKeyUsage=clientAuth
	sign "$1" server localhost subjectAltName=DNS:localhost extendedKeyUsage=serverAuth
}

# A client's certificate is not asked for, but checked when there is one.
write_tls() { # DIR TLS_PORT
	make_certificates "$1"
	cat >>"$1/rabbitmq.conf" <<TEXT
listeners.ssl.1 = 127.0.0.1:$2
ssl_options.cacertfile = $1/tls/ca.pem
ssl_options.certfile = $1/tls/server.pem
ssl_options.keyfile = $1/tls/server.key
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = false
TEXT
}

write_files() { # DIR AMQP_PORT
	local dir=$1 port=$2
	mkdir -p "$dir/home" "$dir/data" "$dir/log"
	[ -f "$dir/password" ] || random_hex 16 >"$dir/password"
	[ -f "$dir/node" ] || echo "cse-$(random_hex 4)@localhost" >"$dir/node"
	if [ ! -f "$dir/home/.erlang.cookie" ]; then
		random_hex 16 >"$dir/home/.erlang.cookie"
		chmod 400 "$dir/home/.erlang.cookie"
	fi
	# The first start of an empty data folder makes this user and vhost.
	cat >"$dir/rabbitmq.conf" <<TEXT
listeners.tcp.1 = 127.0.0.1:$port
default_user = cse-worker
default_pass = $(cat "$dir/password")
default_vhost = /
disk_free_limit.absolute = 20MB
raft.wal_max_size_bytes = 16777216
log.file.level = info
TEXT
	echo '[].' >"$dir/enabled_plugins"
	: >"$dir/rabbitmq-env.conf"
}

# "detached" makes the start script replace itself with the Erlang machine: its pid is ours.
launch() { # DIR AMQP_PORT EPMD_PORT DIST_PORT
	local dir=$1
	local -a environment=(
		PATH="/usr/sbin:/usr/bin:/sbin:/bin" LANG=C.UTF-8 HOME="$dir/home"
		CSE_BROKER_DIR="$dir" detached=1
		ERL_EPMD_PORT="$3" ERL_EPMD_ADDRESS=127.0.0.1
		RABBITMQ_NODENAME="$(cat "$dir/node")" RABBITMQ_DIST_PORT="$4"
		RABBITMQ_CONF_ENV_FILE="$dir/rabbitmq-env.conf"
		RABBITMQ_CONFIG_FILE="$dir/rabbitmq.conf"
		RABBITMQ_ADVANCED_CONFIG_FILE="$dir/advanced.config"
		RABBITMQ_ENABLED_PLUGINS_FILE="$dir/enabled_plugins"
		RABBITMQ_MNESIA_BASE="$dir/data" RABBITMQ_LOG_BASE="$dir/log"
		RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1}"
		ERL_CRASH_DUMP="$dir/log/erl_crash.dump"
	)
	cd "$dir"
	CSE_BROKER_DIR=$dir setsid env -i "${environment[@]}" epmd -address 127.0.0.1 -port "$3" \
		</dev/null >"$dir/log/epmd.out" 2>&1 &
	echo $! >"$dir/epmd.pid"
	CSE_BROKER_DIR=$dir setsid env -i "${environment[@]}" "$server" </dev/null >"$dir/log/server.out" 2>&1 &
	echo $! >"$dir/server.pid"
}

# A listener opens when everything else is up, user and vhost included.
wait_ready() { # DIR PORT
	local dir=$1 i
	for ((i = 0; i < ready_limit_s * 5; i++)); do
		[ -d "/proc/$(cat "$dir/server.pid")" ] || return 1
		(: <"/dev/tcp/127.0.0.1/$2") 2>/dev/null && return 0
		sleep 0.2
	done
	return 1
}

write_env() { # DIR AMQP_PORT EPMD_PORT TLS_PORT
	cat >"$1/broker.env" <<TEXT
HOST=127.0.0.1
PORT=$2
USER=cse-worker
PASSWORD_FILE=$1/password
VHOST=/
PID=$(cat "$1/server.pid")
EPMD_PORT=$3
TEXT
	[ -z "$4" ] || cat >>"$1/broker.env" <<TEXT
TLS_HOST=localhost
TLS_PORT=$4
TLS_DIR=$1/tls
TEXT
}

ctl() { # DIR ARG...
	local dir=$1 epmd
	shift
	[ -f "$dir/broker.env" ] || fail "no broker runs in $dir"
	epmd=$(sed -n 's/^EPMD_PORT=//p' "$dir/broker.env")
	exec env -i PATH="/usr/sbin:/usr/bin:/sbin:/bin" LANG=C.UTF-8 HOME="$dir/home" \
		ERL_EPMD_PORT="$epmd" RABBITMQ_NODENAME="$(cat "$dir/node")" \
		RABBITMQ_CONF_ENV_FILE="$dir/rabbitmq-env.conf" "$control" --quiet "$@"
}

start() { # DIR [--tls]
	local dir=$1 wants_tls=${2:-} attempt port epmd tls_port=""
	[ -x "$server" ] || fail "$server is missing; install the package rabbitmq-server"
	[ -f "$dir/server.pid" ] && is_ours "$(cat "$dir/server.pid")" "$dir" &&
		fail "a broker runs in $dir already"
	for attempt in 1 2 3; do
		# A second start in a folder is a restart: same port, same data.
		port=$(cat "$dir/port" 2>/dev/null || free_port)
		write_files "$dir" "$port"
		if [ -n "$wants_tls" ]; then
			tls_port=$(cat "$dir/tls_port" 2>/dev/null || free_port)
			write_tls "$dir" "$tls_port"
		fi
		epmd=$(free_port)
		launch "$dir" "$port" "$epmd" "$(free_port)"
		if wait_ready "$dir" "$port" && { [ -z "$tls_port" ] || wait_ready "$dir" "$tls_port"; }; then
			echo "$port" >"$dir/port"
			[ -z "$tls_port" ] || echo "$tls_port" >"$dir/tls_port"
			write_env "$dir" "$port" "$epmd" "$tls_port"
			return
		fi
		echo "rabbitmq.sh: attempt $attempt of 3 failed" >&2
		tail -n 5 "$dir/log/server.out" >&2 || true
		stop "$dir"
		rm -f "$dir/port" "$dir/tls_port"
	done
	fail "the broker does not start; see $dir/log"
}

[ $# -ge 2 ] || usage
umask 077
case $1 in
start)
	[ $# -eq 2 ] || { [ $# -eq 3 ] && [ "$3" = --tls ]; } || usage
	mkdir -p "$2"
	start "$(cd "$2" && pwd)" "${@:3}"
	;;
stop)
	[ $# -eq 2 ] || usage
	[ -d "$2" ] || fail "$2 does not exist"
	stop "$(cd "$2" && pwd)"
	;;
ctl)
	[ $# -ge 3 ] || usage
	[ -d "$2" ] || fail "$2 does not exist"
	ctl "$(cd "$2" && pwd)" "${@:3}"
	;;
*) usage ;;
esac
