#!/bin/bash
# More or fewer processes of a service, while `make run` is up: those that are new get requests as
# soon as they serve, those that go end what they have begun.
#
#   usage: scale.sh auth|message|presence|responder N
#
# DATA_DIR or RUN_DIR, and BUILD_DIR, as for run.sh. How many there are at the start: PRESENCE_PROCESSES
# and its like.
set -eu

die() {
	echo "scale: $*" >&2
	exit 1
}

root=$(cd "$(dirname "$0")/../.." && pwd)
run=${RUN_DIR:-${DATA_DIR:-$root/data}/run}
[[ $# -eq 2 && $1 == @(auth|message|presence|responder) && -n $2 ]] ||
	die "usage: scale.sh auth|message|presence|responder N"
# N is good if the number at the start could be it.
env -i "${1^^}_PROCESSES=$2" "${BUILD_DIR:-$root/build}/parley-settings" --check run >/dev/null || exit 1
[ -d "$run/scale" ] && ! flock -n "$run/lock" true || die "nothing runs in $run"
(umask 022 && echo "$2" >"$run/scale/$1.new") # the run may be another user's than root's who asks
mv "$run/scale/$1.new" "$run/scale/$1"
