#!/bin/bash
# SPDX-License-Identifier: MIT
# Builds everything and runs every test. Installs what is missing, ends what it starts, and says in
# its last line how many passed, failed and were skipped.
#
#   tests/run.sh              everything
#   tests/run.sh STAGE...     some of: lint build release fuzz unit failure e2e tsan long
#
# Stage `long`, which is not part of everything, tries all points of the failure matrices instead of a
# share, and runs what needs a quiet machine or many minutes.
#
# FUZZ_SECONDS=20             how long each fuzz target runs
# CSE_FAILURE_SEED=887188     which share of the failure matrices is tried
set -euo pipefail
cd "$(dirname "$0")/.."

stages=${*:-lint build release fuzz unit failure e2e tsan}
logs=$PWD/build/test-logs
python=/usr/bin/python3 # Debian's: the test packages belong to it
jobs=2
passed=0
failed=0
skipped=0
broker=""

has() {
	[[ " $stages " == *" $1 "* ]]
}

clean_up() {
	[ -z "$broker" ] || deploy/rabbitmq.sh stop "$broker" || true
	[ -z "$broker" ] || rm -rf "$broker"
	broker=""
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# One check: its output goes to a log, which is shown when it fails.
check() { # NAME COMMAND...
	local name=$1 log=$logs/${1// /-}.log start=$SECONDS
	shift
	if "$@" >"$log" 2>&1; then
		printf 'ok      %-28s %4d s\n' "$name" $((SECONDS - start))
		passed=$((passed + 1))
		return 0
	fi
	printf 'FAILED  %-28s %4d s   %s\n' "$name" $((SECONDS - start)) "$log"
	tail -n 40 "$log" | sed 's/^/        /'
	failed=$((failed + 1))
	return 1
}

# Adds the counts of a JUnit file; a missing or broken one is a failure of its own. False when
# something failed.
count() { # NAME JUNIT_FILE
	local total bad left_out
	if ! read -r total bad left_out < <("$python" - "$2" <<'PYTHON'
import sys, xml.etree.ElementTree as tree
cases = list(tree.parse(sys.argv[1]).iter("testcase"))
bad = [c for c in cases if c.find("failure") is not None or c.find("error") is not None
       or c.get("status") == "fail"]
left_out = [c for c in cases if c not in bad and
            (c.find("skipped") is not None or c.get("status") in ("disabled", "notrun"))]
print(len(cases), len(bad), len(left_out))
for case in bad:
    print("  failed:", case.get("classname"), case.get("name"), file=sys.stderr)
for case in left_out:
    print("  skipped:", case.get("classname"), case.get("name"), file=sys.stderr)
PYTHON
	); then
		echo "FAILED  $1: no results in $2"
		failed=$((failed + 1))
		return 1
	fi
	passed=$((passed + total - bad - left_out))
	failed=$((failed + bad))
	skipped=$((skipped + left_out))
	printf '%-7s %-28s %d of %d passed, %d skipped\n' "$([ "$bad" -eq 0 ] && echo ok || echo FAILED)" \
		"$1" $((total - bad - left_out)) "$total" "$left_out"
	[ "$bad" -eq 0 ]
}

build() { # PRESET [TARGET...]
	local preset=$1
	shift
	cmake --preset "$preset" && cmake --build --preset "$preset" -j "$jobs" ${1:+--target "$@"}
}

# Runs a command with the address of a broker of its own in the environment.
with_broker() { # COMMAND...
	local status=0
	broker=$(mktemp -d)
	deploy/rabbitmq.sh start "$broker" || return 1
	(
		# shellcheck disable=SC1091 # written just now
		. "$broker/broker.env"
		export CSE_TEST_BROKER=$HOST:$PORT CSE_TEST_BROKER_USER=$USER CSE_TEST_BROKER_VHOST=$VHOST
		CSE_TEST_BROKER_PASSWORD=$(cat "$PASSWORD_FILE")
		export CSE_TEST_BROKER_PASSWORD
		"$@"
	) || status=$?
	clean_up
	return $status
}

run_lint() {
	local script
	for script in tests/lint/*.sh; do
		check "lint $(basename "$script" .sh)" "$script" || true
	done
}

# Unit tests, the simulator's own tests and those against a real broker.
run_unit() {
	with_broker ctest --preset dev -LE long --output-junit "$logs/ctest.xml" >"$logs/ctest.log" 2>&1 ||
		grep -A 40 -E '^\[  FAILED|\*\*\*' "$logs/ctest.log" | tail -n 80 || true
	count "unit, simulator, broker tests" "$logs/ctest.xml" || true
}

# Two targets at a time; what makes one fail is kept beside its log.
run_fuzz() {
	local target
	local -a targets
	check "build fuzz" build fuzz || return 0
	mapfile -t targets < <(find tests/fuzz/corpus -mindepth 1 -maxdepth 1 -printf '%f\n' | sort)
	mkdir -p "$logs/fuzz"
	printf '%s\n' "${targets[@]}" | xargs -P "$jobs" -n 1 tests/fuzz/run.sh build/fuzz "$logs/fuzz" || true
	for target in "${targets[@]}"; do
		check "fuzz $target" tests/fuzz/verdict.sh "$logs/fuzz/$target.log" || true
	done
}

run_long() {
	export CSE_FAILURE_FULL=1 CSE_MATRIX=full CSE_KILL_POINTS=30 CSE_PAUSE_S=60
	ctest --preset dev -L long --timeout 1800 --output-junit "$logs/long-unit.xml" \
		>"$logs/long-unit.log" 2>&1 || tail -n 80 "$logs/long-unit.log"
	count "cut bootstraps" "$logs/long-unit.xml" || true
	play_failure "long or not long"
	report_failure "failure tests, all points"
	play long dev tests/e2e -m long || true
	report long "long end-to-end tests"
	check "build tsan" build tsan vcdsim cse-worker-box || return 0
	play tsan-long tsan tests/failure -m "not long" || true
	report tsan-long "all failure tests, threads"
}

# pytest with one build; the log and the results bear the name.
play() { # NAME PRESET ARGUMENT...
	local name=$1 preset=$2
	shift 2
	CSE_BUILD=$PWD/build/$preset CSE_LOGS=$logs/$name "$python" -m pytest -p no:cacheprovider -q \
		--durations 15 --junitxml "$logs/$name.xml" "$@" >"$logs/$name.log" 2>&1
}

# How what was played has ended, and why not well.
report() { # NAME TITLE
	count "$2" "$logs/$1.xml" || tail -n 80 "$logs/$1.log"
}

# The worker beside a broker that fails as the tests decide. They mostly wait: two halves at a time.
play_failure() { # [MARKS]
	play failure-a dev tests/failure/test_[a-l]*.py -m "${1:-not long}" &
	play failure-m dev tests/failure/test_[m-z]*.py -m "${1:-not long}" || true
	wait $! || true
}

report_failure() { # TITLE
	report failure-a "$1, a to l"
	report failure-m "$1, m to z"
}

play_e2e() {
	play e2e dev tests/e2e -m "not long"
}

# What runs in many threads, once more under the thread sanitizer; see also run_played.
run_tsan() {
	check "broker tests, threads" with_broker ctest --preset tsan -L broker || true
	check "unit tests, threads" ctest --preset tsan -L threads || true
	play tsan tsan tests/e2e/test_main_job.py || true
	report tsan "end-to-end tests, threads"
}

# The longest stages mostly wait, and share neither ports nor addresses: side by side.
run_played() {
	has failure && play_failure &
	[ "$tsan_built" = yes ] && play tsan-failure tsan tests/failure/test_copies.py tests/failure/test_twins.py &
	if has e2e; then play_e2e || true; fi
	wait
	has failure && report_failure "failure tests"
	[ "$tsan_built" = yes ] && report tsan-failure "failure tests, threads"
	has e2e && report e2e "end-to-end tests"
	return 0
}

# Every program under test writes sanitizer reports here; a single one is a failure, whatever the
# tests said.
check_sanitizers() {
	local -a reports
	mapfile -t reports < <(find "$logs" -path "$logs/*sanitizer*" -type f)
	[ ${#reports[@]} -gt 0 ] || return 0
	head -n 30 "${reports[@]}"
	return 1
}

export PYTHONDONTWRITEBYTECODE=1
# The same share of the matrices each time; stage long tries all of them.
export CSE_FAILURE_SEED=${CSE_FAILURE_SEED:-887188}
rm -rf "$logs"
mkdir -p "$logs/sanitizer" "$logs/e2e"
export ASAN_OPTIONS=log_path=$logs/sanitizer/asan
export TSAN_OPTIONS=log_path=$logs/sanitizer/tsan:second_deadlock_stack=1
export UBSAN_OPTIONS=log_path=$logs/sanitizer/ubsan:print_stacktrace=1

deploy/packages.sh build test
has lint && run_lint
built=no
tsan_built=no
if has build || has unit || has failure || has e2e || has tsan || has long; then
	check "build dev" build dev && built=yes
fi
has release && { check "build release" build release || true; }
has fuzz && run_fuzz
if has tsan; then
	check "build tsan" build tsan cse-worker vcdsim cse-worker-box threaded_tests && tsan_built=yes
fi
if [ "$built" = yes ]; then
	has unit && run_unit
	run_played
	[ "$tsan_built" = yes ] && run_tsan
	has long && run_long
	check "memory checks" check_sanitizers || true
fi

echo "in $((SECONDS / 60)) min $((SECONDS % 60)) s"
if [ "$skipped" -gt 0 ]; then
	echo "$passed passed, $failed failed, $skipped skipped"
else
	echo "$passed passed, $failed failed"
fi
[ "$failed" -eq 0 ]
