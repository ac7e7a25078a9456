#!/bin/bash
# Redis in its container, with the password that make-secrets made; by a file, for the arguments
# of a process are everybody's to read.
set -eu
umask 077
/app/redis/conf.sh 0.0.0.0 6379 /data "$(cat /secrets/redis.password)" >/run/parley/redis.conf
exec redis-server /run/parley/redis.conf
