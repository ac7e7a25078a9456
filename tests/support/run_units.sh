#!/bin/bash
# Run cmocka test programs:  run_units.sh PROGRAM...
#
# One line a program; what a failing one printed follows it whole. The last line sums up the
# single tests. A program that crashes, hangs or fails outside its tests counts as one
# failed test more. UNIT_TIMEOUT_S: how long one may take (120), times TEST_PATIENCE (1, whole).
# UNIT_UNDER: a command that each is started by, such as valgrind. With patience, who waits for
# MongoDB does not count the time in which the machine stood still (tests/fault/standstill.c).
set -u

# UBSan traps (Makefile), and ASan tells where.
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}handle_sigill=1
timeout_s=$((${UNIT_TIMEOUT_S:-120} * ${TEST_PATIENCE:-1}))
output=$(mktemp)
trap 'rm -f "$output"' EXIT
passed_sum=0
failed_sum=0

# Add up the numbers in "[  PASSED  ] 12 test(s)." and its like.
sum_of() {
	sed -n "s/^\[  $1 *\] \([0-9][0-9]*\) test(s).*/\1/p" "$output" |
		awk '{ n += $1 } END { print n + 0 }'
}

count_of() {
	grep -c "$1" "$output"
}

run_program() {
	local program=$1 status passed failed skipped note= preload=

	# In braces, for bash's own "Killed" to go into the output too.
	case ${TEST_PATIENCE:-1}$program in
	[!1]*build/tests/*mongo*) preload=$PWD/build/standstill.so ;;
	esac
	{ timeout -k 5 "$timeout_s" env LD_PRELOAD="$preload" ${UNIT_UNDER:-} "$program"; status=$?; } >"$output" 2>&1
	passed=$(sum_of PASSED)
	failed=$(sum_of FAILED)
	skipped=$(sum_of SKIPPED)
	# A program that dies does not get to its summary; its lines of single tests are there.
	if [ "$passed" -eq 0 ]; then
		passed=$(count_of '^\[       OK \] ')
	fi
	if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then
		failed=1
		note=", exit status $status"
		[ "$status" -eq 124 ] && note=", no end within $timeout_s s"
	fi
	if [ "$status" -eq 0 ] && [ $((passed + skipped)) -eq 0 ]; then
		failed=1
		note=", ran no test"
	elif [ "$status" -eq 0 ] && [ "$(count_of '\] Running ')" -ne "$(count_of ' run\.$')" ]; then
		failed=$((failed + 1))
		note=", ended before its last test"
	fi
	[ "$skipped" -gt 0 ] && note="$note, $skipped skipped"
	passed_sum=$((passed_sum + passed))
	failed_sum=$((failed_sum + failed))
	if [ "$failed" -eq 0 ]; then
		printf 'ok    %-48s %3d passed%s\n' "$program" "$passed" "$note"
	else
		printf 'FAIL  %-48s %3d passed, %d failed%s\n' \
			"$program" "$passed" "$failed" "$note"
		sed 's/^/      | /' "$output"
	fi
}

for program in "$@"; do
	run_program "$program"
done
printf 'units: %d passed, %d failed\n' "$passed_sum" "$failed_sum"
[ "$passed_sum" -gt 0 ] && [ "$failed_sum" -eq 0 ]
