#!/bin/bash
# Times of ours and of the gateway's nginx that hang together, which no compiler sees side by
# side. (Those within the code are _Static_asserts.) Prints what breaks this, one line each.
set -u
cd "$(dirname "$0")/../.." || exit 1

fail=0
above() { # a time and its name, a lower one and its name, why; both in ms
	[[ $1 =~ ^[0-9]+$ && $3 =~ ^[0-9]+$ ]] && (($1 > $3)) && return
	echo "$2 (${1:-none}) must be above $4 (${3:-none}), in ms: $5"
	fail=1
}

define() { # file, name, how many ms its unit has
	local value
	value=$(sed -n "s/^#define[[:space:]]*$2[[:space:]]*\([0-9]*\).*/\1/p" "$1")
	echo "${value:+$((value * $3))}"
}

idle=$(define shared/http/service.c IDLE_S 1000)
poll=$(define shared/sockets/handshakes.c POLL_WAIT_MS 1)
kept=$(sed -n 's/^\tkeepalive_timeout \([0-9]*\)s;.*/\1000/p' gateway/upstreams.conf)
read=$(sed -n 's/^local FIRST_READ_S, READ_S = \([0-9]*\), [0-9]*$/\1000/p' gateway/members.lua)
last=$(sed -n 's/^local FIRST_READ_S, READ_S = [0-9]*, \([0-9]*\)$/\1/p' gateway/members.lua)

above "$idle" IDLE_S "$kept" "upstreams.conf's keepalive_timeout" \
	"else kore ends a connection that the gateway is sending on"
above "$read" "members.lua's FIRST_READ_S" "$poll" POLL_WAIT_MS \
	"else the gateway asks another process for a session that this one is about to begin"
grep -q "proxy_read_timeout ${last:-none}s;" gateway/nginx.conf || {
	echo "members.lua's READ_S (${last:-none}) must be nginx.conf's proxy_read_timeout"
	fail=1
}
exit "$fail"
