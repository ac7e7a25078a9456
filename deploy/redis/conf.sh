#!/bin/sh
# Prints the configuration of a Redis of Parley's own:  conf.sh ADDRESS PORT FOLDER PASSWORD
# Whoever knows the password may do what Parley does (rights, beside this file), and no more: no
# key or channel of another's, no FLUSHALL, no CONFIG, no module.
set -eu
printf '%s\n' "bind $1" "port $2" "dir $3" \
	"user default on >$4 resetkeys resetchannels $(cat "$(dirname "$0")/rights")" \
	'save ""' "appendonly yes" "appendfsync everysec" "maxmemory-policy noeviction" "daemonize no"
