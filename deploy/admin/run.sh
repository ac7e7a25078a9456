#!/bin/bash
# parley-admin for what `make run` serves: make admin ARGS="list"
#
#   usage: run.sh PROGRAM [ARGUMENTS]
#
# DATA_DIR is data/ beside Makefile unless set, and Redis the one that `make run` wrote down there.
set -eu
# Else the driver of MongoDB leaves a file of counters in /dev/shm whenever a process is killed.
export MONGOC_DISABLE_SHM=1
root=$(cd "$(dirname "$0")/../.." && pwd)
export DATA_DIR=${DATA_DIR:-$root/data}
url=${RUN_DIR:-$DATA_DIR/run}/redis.url
[ -n "${REDIS_URL:-}${REDIS_URL_FILE:-}" ] || [ ! -e "$url" ] || export REDIS_URL_FILE=$url
exec "$@"
