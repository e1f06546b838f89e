#!/bin/bash
# SPDX-License-Identifier: MIT
# Installs the Debian 12 packages that building, testing or the demo need, and only what is missing.
# No installed service is started or enabled to run now.
set -euo pipefail

usage() {
	echo "usage: packages.sh GROUP...   groups: build test demo" >&2
	exit 2
}

build=(gcc libc6-dev cmake ninja-build pkg-config librabbitmq-dev libcurl4-openssl-dev libjson-c-dev
	libssl-dev libyaml-dev libxml2-dev libmicrohttpd-dev openssl)
simulator=(libcmocka-dev bubblewrap rabbitmq-server python3 python3-yaml curl jq procps)
test=(clang libclang-rt-dev git python3-pytest python3-pika pmccabe shellcheck clang-format)

wanted=()
for group in "$@"; do
	case $group in
	build) wanted+=("${build[@]}") ;;
	test) wanted+=("${simulator[@]}" "${test[@]}") ;;
	demo) wanted+=("${simulator[@]}") ;;
	*) usage ;;
	esac
	# Any kubectl will do; Debian's is only the one to fall back on.
	[ "$group" = build ] || command -v kubectl >/dev/null || wanted+=(kubernetes-client)
done
[ ${#wanted[@]} -gt 0 ] || usage

missing=()
for package in $(printf "%s\n" "${wanted[@]}" | sort -u); do
	status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
	[ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
	if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
		exec sudo -- "$0" "$@"
	fi
	echo "packages.sh: not root; as root run: apt-get install ${missing[*]}" >&2
	exit 1
fi

# Debian's way to forbid that maintainer scripts start services; somebody else's policy is kept.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	trap 'rm -f "$policy"' EXIT
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
fi

echo "packages.sh: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq install --no-install-recommends -y "${missing[@]}"
