#!/bin/bash
# Becomes one service in its container: auth, message, presence or llm-responder. Or it copies a
# store, FROM and TO: migrate, backup, restore. Or it mends one, MONGO_DB_URI: adopt. Or it is the operator's
# hand in the accounts: parley-admin list.
set -eu
umask 077
# Else the driver of MongoDB leaves a file of counters in /dev/shm whenever a process is killed.
export MONGOC_DISABLE_SHM=1
case ${1:-} in
llm-responder) exec /app/llm-responder ;;
migrate) exec /app/parley-migrate ;;
backup) exec /app/parley-backup ;;
adopt) exec /app/parley-adopt ;;
parley-admin)
	shift
	exec /app/parley-admin "$@"
	;;
restore) exec /app/parley-backup restore ;;
auth | message | presence) ;;
*)
	echo "usage: service auth | message | presence | llm-responder | migrate | backup | restore | adopt | parley-admin ..." >&2
	exit 78
	;;
esac
cd /run/parley
printf '%s\n' "load /app/$1.so" "pidfile ./kore.pid" >kore.conf
exec kore -f -n -r -q -c kore.conf
