#!/bin/bash
# More or fewer processes of a service, while `make run` is up: those that are new get requests as
# soon as they serve, those that go end what they have begun.
#
#   usage: scale.sh auth|message|presence|responder N
#
# DATA_DIR or RUN_DIR as for run.sh. How many there are at the start: PRESENCE_INSTANCES and such.
set -eu

die() {
	echo "scale: $*" >&2
	exit 1
}

root=$(cd "$(dirname "$0")/../.." && pwd)
run=${RUN_DIR:-${DATA_DIR:-$root/data}/run}
case ${1:-} in
auth | message | presence) least=1 ;;
responder) least=0 ;;
*) die "usage: scale.sh auth|message|presence|responder N" ;;
esac
[[ $# -eq 2 && $2 =~ ^[0-9]{1,2}$ ]] && ((10#$2 >= least && 10#$2 <= 64)) ||
	die "how many must be a number from $least to 64"
[ -d "$run/scale" ] && ! flock -n "$run/lock" true || die "nothing runs in $run"
echo "$((10#$2))" >"$run/scale/$1.new"
mv "$run/scale/$1.new" "$run/scale/$1"
