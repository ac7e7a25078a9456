#!/bin/bash
# Every test, from a fresh clone on:  make test
#
#   1  what the tests need is installed and everything is built
#   2  units: unit tests, and the contract of the stores
#   3  outside-in: tests/e2e, tests/chaos and tests/browser over the real stack, on free ports,
#      tests/page, the page's core by itself, and tests/k8s, over what kubectl builds;
#      then those of them that the store matters to again, on MongoDB
#   4  with CI set: docker-compose.yml, where a Docker engine answers
#
# The last line alone sums up: "N passed, N failed". The exit status is 0 only where tests ran
# and none failed. The logs of what failed stand above that line, and whole in build/test.
#
#   PARLEY_URL=http://...  points the tests that need no stack of their own at a running one
#   TEST_JOBS=N            test files at once (3: they mostly wait)
#   TEST_STORE=mongo       all of part 3 once, with every stack's data in MongoDB
#   TEST_PATIENCE=N        every deadline of a wait times N (1), for a machine that stands still at times
#   TEST_STORE=sqlite      all of part 3 once, on SQLite
set -u
cd "$(dirname "$0")/.." || exit 1

out=build/test
limit_s=2400 # for all of part 3, on a busy machine; half of it is usual
# What the second store is tested with.
store_suites=$(echo tests/e2e/{audit,auth,blocks,conversations,edits,erase,llm,messages,realtime,recovery,users}.test.mjs)
passed_sum=0
failed_sum=0

finish() {
	printf '%d passed, %d failed\n' "$passed_sum" "$failed_sum"
	[ "$failed_sum" -eq 0 ] && [ "$passed_sum" -gt 0 ]
	exit
}

# A part that does not get to its own summary counts as one failure.
broke() { # what
	echo "FAIL  $1"
	failed_sum=$((failed_sum + 1))
}

step() { # title, command...
	local title=$1
	shift
	echo "==== $title"
	"$@" && return
	broke "$title: exit status $?"
	finish
}

run_units() {
	local line

	echo "==== units and store contract"
	make -s -j"$(nproc)" units 2>&1 | tee "$out/units.log"
	line=$(grep '^units: [0-9]* passed, [0-9]* failed$' "$out/units.log" | tail -n 1)
	[ -n "$line" ] || { broke "units did not run to their end"; return; }
	# "units: 12 passed, 0 failed"
	set -- $line
	passed_sum=$((passed_sum + $2))
	failed_sum=$((failed_sum + $4))
}

# The sum of "# pass 12" and its like in a TAP file; nothing where it has no such line.
tap_count() { # file, name...
	local file=$1 name

	shift
	for name in "$@"; do
		sed -n "s/^# $name \([0-9][0-9]*\)$/\1/p" "$file"
	done | awk '{ n += $1 } END { if (NR > 0) print n }'
}

run_outside_in() { # sqlite or mongo, test file...
	local store=$1 log=$out/outside-in-$1 status passed failed
	local left_s=$((limit_s - SECONDS))

	shift
	echo "==== end to end, chaos and browser: $store"
	rm -f "$log.tap"
	TEST_STORE=$store timeout -k 20 "$((left_s > 0 ? left_s : 1))" \
		node --test --test-concurrency="${TEST_JOBS:-3}" \
		--test-reporter=spec --test-reporter-destination=stdout \
		--test-reporter=tap --test-reporter-destination="$log.tap" \
		"$@" 2>&1 | tee "$log.log"
	status=${PIPESTATUS[0]}
	passed=$(tap_count "$log.tap" pass)
	failed=$(tap_count "$log.tap" fail cancelled)
	if [ -z "$passed" ]; then
		broke "the outside-in tests on $store did not run to their end (exit status $status)"
		return
	fi
	passed_sum=$((passed_sum + passed))
	failed_sum=$((failed_sum + failed))
	[ "$status" -eq 0 ] || [ "$failed" -gt 0 ] || broke "node --test: exit status $status"
}

# As one test: it needs a Docker engine, and minutes.
run_containers() {
	local status

	echo "==== containers"
	deploy/docker/compose_test.sh 2>&1 | tee "$out/containers.log"
	status=${PIPESTATUS[0]}
	case $status in
	0) passed_sum=$((passed_sum + 1)) ;;
	77) ;; # it said why it was skipped
	*) broke "containers: exit status $status" ;;
	esac
}

mkdir -p "$out"
step "install" deploy/local/install.sh test
step "node modules" make -s tests/node_modules/.lock-of-this
step "build" make -s -j"$(nproc)" all build/mongo/ready build/k8s/ready
run_units
SECONDS=0
run_outside_in "${TEST_STORE:-sqlite}" \
	tests/e2e/*.test.mjs tests/chaos/*.test.mjs tests/page/*.test.mjs tests/browser/*.test.mjs \
	tests/k8s/*.test.mjs
# shellcheck disable=SC2086 # a list
[ -n "${TEST_STORE:-}" ] || run_outside_in mongo $store_suites
[ -z "${CI:-}" ] || run_containers
finish
