#!/bin/bash
# Becomes one service in its container: auth, message, presence or llm-responder.
set -eu
umask 077
case ${1:-} in
llm-responder) exec /app/llm-responder ;;
auth | message | presence) ;;
*)
	echo "usage: service auth | message | presence | llm-responder" >&2
	exit 78
	;;
esac
cd /run/parley
printf '%s\n' "load /app/$1.so" "pidfile ./kore.pid" >kore.conf
exec kore -f -n -r -q -c kore.conf
