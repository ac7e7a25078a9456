#!/bin/bash
# Redis in its container, with the password that make-secrets made; by a file, for the arguments
# of a process are everybody's to read.
set -eu
umask 077
printf '%s\n' "bind 0.0.0.0" "port 6379" "dir /data" "requirepass $(cat /secrets/redis.password)" \
	'save ""' "appendonly yes" "appendfsync everysec" "maxmemory-policy noeviction" \
	"daemonize no" >/run/parley/redis.conf
exec redis-server /run/parley/redis.conf
