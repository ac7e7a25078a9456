#!/bin/sh
# Becomes one process of Parley, in its unit: service NAME [ARGUMENTS]
#
# What systemd hands over as credentials (LoadCredential) is told by NAME_FILE, if there is
# any: an empty one is a secret that is not set.
set -eu
lib=/usr/lib/parley
for file in "$CREDENTIALS_DIRECTORY"/*; do
	[ ! -s "$file" ] || export "${file##*/}_FILE=$file"
done
# Else the driver of MongoDB leaves a file of counters in /dev/shm whenever a process is killed.
export MONGOC_DISABLE_SHM=1
name=$1
shift
case $name in
auth | message | presence)
	printf '%s\n' "load $lib/$name.so" "pidfile ./kore.pid" >kore.conf
	exec kore -f -n -r -q -c kore.conf
	;;
*) exec "$lib/$name" "$@" ;;
esac
