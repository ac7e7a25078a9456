#!/bin/bash
# Does the process in this container answer?  usage: is-healthy [port]
set -eu
exec 3<>"/dev/tcp/127.0.0.1/${1:-${LISTEN##*:}}"
printf 'GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
IFS= read -r -t 2 status <&3
[[ $status == *" 200 "* ]]
