#!/bin/sh
# Becomes Parley's own Redis, in its unit. Address and password are those of the secret REDIS_URL;
# they go by a file, for the arguments of a process are everybody's to read.
set -eu
ours=127.64.0.1:6379
url=$(cat "$CREDENTIALS_DIRECTORY/REDIS_URL")
password=${url#redis://:}
password=${password%%@*}
[ "$url" = "redis://:$password@$ours" ] || {
	echo "REDIS_URL must look like redis://:password@$ours" >&2
	exit 78
}
/usr/lib/parley/redis-conf/conf.sh "${ours%:*}" "${ours#*:}" "$PWD" "$password" \
	>"$RUNTIME_DIRECTORY/redis.conf"
exec redis-server "$RUNTIME_DIRECTORY/redis.conf"
