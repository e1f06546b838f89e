#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs one fuzz target for FUZZ_SECONDS; its log, and what made it fail, go to LOGS.
#
#   tests/fuzz/run.sh BUILD LOGS TARGET
set -euo pipefail

build=$1 logs=$2 target=$3
corpus=$(mktemp -d)
trap 'rm -rf "$corpus"' EXIT
UBSAN_OPTIONS=print_stacktrace=1 ASAN_OPTIONS='' "$build/tests/fuzz/fuzz_$target" \
	-max_total_time="${FUZZ_SECONDS:-20}" -max_len=16384 -timeout=5 -rss_limit_mb=1024 \
	-artifact_prefix="$logs/$target-" -print_final_stats=1 \
	"$corpus" "$(dirname "$0")/corpus/$target" >"$logs/$target.log" 2>&1
