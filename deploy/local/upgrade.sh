#!/bin/bash
# Replaces every process by one of what was built since, while `make run` is up and people chat: no
# request fails, and sockets go on where they left off.
#
#   usage: git pull && make && deploy/local/upgrade.sh
#
# One after the other a new process starts, and once it serves its predecessor ends. The gateway
# reads its configuration anew if that has changed; Redis stays. DATA_DIR or RUN_DIR as for run.sh.
#
# Exit status: 0 all are new; 1 one line says why not, and what was not replaced goes on.
set -eu

die() {
	echo "upgrade: $*" >&2
	exit 1
}

root=$(cd "$(dirname "$0")/../.." && pwd)
run=${RUN_DIR:-${DATA_DIR:-$root/data}/run}
is_running() {
	[ -d "$run/scale" ] && ! flock -n "$run/lock" true
}

is_running || die "nothing runs in $run"
(set -C && : >"$run/scale/upgrade") 2>/dev/null || die "another upgrade is under way"
while [ -e "$run/scale/upgrade" ]; do
	is_running || die "the run has ended"
	sleep 0.2
done
[ ! -s "$run/scale/upgrade.failed" ] || die "$(cat "$run/scale/upgrade.failed")"
echo "upgrade: every process is a new one, after $SECONDS s"
