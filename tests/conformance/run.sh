#!/bin/bash
# The conformance server on 127.0.0.1:$PORT until it is told to end:  make conformance-server PORT=3000
#
#   BUILD_DIR         where it was built (./build)
#   PING_INTERVAL_MS (300), PING_TIMEOUT_MS (200), CONNECT_TIMEOUT_MS (1000), UPGRADE_TIMEOUT_MS (10000)
#   OPEN_FILES        limit on open files
#   SERVICE_PRELOAD   LD_PRELOAD for it: a sanitizer's library (none); ASAN_OPTIONS goes with it
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${BUILD_DIR:-$root/build}
module=$build/conformance.so

[[ ${PORT:-} =~ ^[0-9]{1,5}$ ]] || { echo "PORT must name a port, as in PORT=3000" >&2; exit 78; }
[ -e "$module" ] || { echo "$module is not built: make builds it" >&2; exit 1; }
dir=$(mktemp -d)
printf 'load %s\npidfile %s/kore.pid\n' "$module" "$dir" >"$dir/kore.conf"
cd "$dir" || exit 1
[ -z "${OPEN_FILES:-}" ] || ulimit -n "$OPEN_FILES"
times=$(env | grep -E '^(PING_INTERVAL|PING_TIMEOUT|CONNECT_TIMEOUT|UPGRADE_TIMEOUT)_MS=[0-9]+$')
# shellcheck disable=SC2086 # one word each
env -i PATH="$PATH" $times ASAN_OPTIONS="${ASAN_OPTIONS:-}" ${SERVICE_PRELOAD:+LD_PRELOAD="$SERVICE_PRELOAD"} \
	LISTEN="127.0.0.1:$PORT" DRAIN_SECONDS=0 SEND_QUEUE_BYTES_MAX=16777216 LOG_LEVEL="${LOG_LEVEL:-warn}" \
	setpriv --pdeathsig TERM kore -f -n -r -q -c kore.conf &
server=$!
trap 'kill "$server" 2>/dev/null' TERM INT HUP
wait "$server"
status=$?
# A trapped signal ends the first wait early.
wait "$server" 2>/dev/null && status=0
rm -rf "$dir"
exit "$status"
