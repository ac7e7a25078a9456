#!/bin/bash
# Runs a command whose stack is the build with ASan and UBSan:  asan.sh COMMAND...
#
# kore is not built with ASan, so its library comes first in each service. A finding ends the process,
# and its report stands in build/asan: a test may not notice that a process died and came again.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
reports=$root/build/asan
rm -rf "$reports"
mkdir -p "$reports"

# What kore and libraries keep until the end of the process is no leak of ours. UBSan traps (Makefile).
export BUILD_DIR=$root/build/san
export SERVICE_PRELOAD=$(gcc -print-file-name=libasan.so)
export ASAN_OPTIONS=detect_leaks=0:handle_sigill=1:log_path=$reports/report
status=0
"$@" || status=$?
found=$(find "$reports" -type f -name 'report.*')
[ -z "$found" ] && exit "$status"
# shellcheck disable=SC2086 # a list
cat $found
echo "asan: $(wc -l <<<"$found") reports in $reports" >&2
exit 1
