#!/bin/bash
# The gateway in its container: nginx, and beside it what tells it who serves. Ends with either.
#
# SIGHUP:  nginx reads its certificate anew.
# SIGTERM: what was asked is answered; sockets, which end with no answer, are cut after
# GATEWAY_ANSWER_SECONDS, and their clients come back elsewhere. The default is as long as members.lua lets
# a service take; docker-compose.yml has 3, for no other gateway can have the port meanwhile.
set -eu
umask 077
here=$(dirname "$0")
prefix=$PWD/gateway
ulimit -S -n "$(ulimit -H -n)" # engines differ in what they begin with
"$here/gateway/render.sh" "$prefix"
. "$prefix/settings"
is_ending=
nginx=
trap 'is_ending=1' TERM INT QUIT
trap '[ -z "$nginx" ] || kill -HUP $nginx' HUP
"$here/gateway-follow" "$prefix" &
follower=$!
# No secret is for nginx to see.
env -i PATH="$PATH" nginx -p "$prefix" -e stderr -c conf/nginx.conf &
nginx=$!
# A signal ends the wait, too.
while [ -z "$is_ending" ] && kill -0 $nginx && kill -0 $follower; do
	wait -n || true
done 2>/dev/null
if [ -n "$is_ending" ]; then
	kill -QUIT $nginx 2>/dev/null || true
	timeout "$GATEWAY_ANSWER_SECONDS" tail --pid=$nginx -s 0.1 -f /dev/null || true
fi
kill $(jobs -p) 2>/dev/null || true
wait
