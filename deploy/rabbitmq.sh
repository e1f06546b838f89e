#!/bin/bash
# SPDX-License-Identifier: MIT
# A private RabbitMQ for tests and demos: one node on 127.0.0.1 with ports, cookie, data and epmd of
# its own, all below DIR. Beside a system's broker it changes nothing.
set -euo pipefail

usage() {
	cat >&2 <<'TEXT'
usage: rabbitmq.sh start DIR   start a broker; DIR/broker.env then has HOST PORT USER PASSWORD_FILE
                               VHOST PID as shell assignments
       rabbitmq.sh stop DIR    end it and its epmd; DIR stays, with the log
TEXT
	exit 2
}

server=/usr/lib/rabbitmq/bin/rabbitmq-server
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

# The listener opens when everything else is up, user and vhost included.
wait_ready() { # DIR AMQP_PORT
	local dir=$1 i
	for ((i = 0; i < ready_limit_s * 5; i++)); do
		[ -d "/proc/$(cat "$dir/server.pid")" ] || return 1
		(: <"/dev/tcp/127.0.0.1/$2") 2>/dev/null && return 0
		sleep 0.2
	done
	return 1
}

start() { # DIR
	local dir=$1 attempt port
	[ -x "$server" ] || fail "$server is missing; install the package rabbitmq-server"
	[ -f "$dir/server.pid" ] && is_ours "$(cat "$dir/server.pid")" "$dir" &&
		fail "a broker runs in $dir already"
	for attempt in 1 2 3; do
		# A second start in a folder is a restart: same port, same data.
		port=$(cat "$dir/port" 2>/dev/null || free_port)
		write_files "$dir" "$port"
		launch "$dir" "$port" "$(free_port)" "$(free_port)"
		if wait_ready "$dir" "$port"; then
			echo "$port" >"$dir/port"
			cat >"$dir/broker.env" <<TEXT
HOST=127.0.0.1
PORT=$port
USER=cse-worker
PASSWORD_FILE=$dir/password
VHOST=/
PID=$(cat "$dir/server.pid")
TEXT
			return
		fi
		echo "rabbitmq.sh: attempt $attempt of 3 failed" >&2
		tail -n 5 "$dir/log/server.out" >&2 || true
		stop "$dir"
		rm -f "$dir/port"
	done
	fail "the broker does not start; see $dir/log"
}

[ $# -eq 2 ] || usage
umask 077
case $1 in
start)
	mkdir -p "$2"
	start "$(cd "$2" && pwd)"
	;;
stop)
	[ -d "$2" ] || fail "$2 does not exist"
	stop "$(cd "$2" && pwd)"
	;;
*) usage ;;
esac
