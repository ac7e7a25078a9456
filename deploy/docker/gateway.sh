#!/bin/bash
# The gateway in its container: nginx, and beside it what tells it who serves. Ends with either.
set -eu
umask 077
prefix=/run/parley/gateway
/app/gateway/render.sh "$prefix"
/app/gateway-follow "$prefix" &
# No secret is for nginx to see.
env -i PATH="$PATH" nginx -p "$prefix" -e stderr -c conf/nginx.conf &
nginx=$!
trap 'kill -QUIT $nginx 2>/dev/null' TERM INT QUIT
wait -n || true
kill $(jobs -p) 2>/dev/null || true
wait
