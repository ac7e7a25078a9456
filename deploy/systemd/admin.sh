#!/bin/sh
# parley-admin for the services of the package: it gets their settings and secrets. As root, who alone may
# read them; the program then goes on as the owner of the data folder, which is the user parley.
#
#   usage: parley-admin --help
set -eu
etc=/etc/parley
lib=/usr/lib/parley
case ${1:---help} in
--help | --version) exec "$lib/admin" "${1:---help}" ;;
esac
[ -r "$etc/secrets" ] && [ -x "$etc/secrets" ] || {
	echo "parley-admin: $etc/secrets are root's alone; try: sudo parley-admin" >&2
	exit 1
}
# As systemd reads an EnvironmentFile of plain values.
while IFS= read -r line || [ -n "$line" ]; do
	name=${line%%=*}
	case $line in
	[A-Z]*=*) ;;
	*) continue ;;
	esac
	case $name in
	*[!A-Z0-9_]*) continue ;;
	esac
	value=${line#*=}
	case $value in
	\"*\" | \'*\')
		value=${value#?}
		value=${value%?}
		;;
	esac
	export "$name=$value"
done <"$etc/parley.env"
for name in REDIS_URL MONGO_DB_URI; do
	[ ! -s "$etc/secrets/$name" ] || export "${name}_FILE=$etc/secrets/$name"
done
# Else the driver of MongoDB leaves a file of counters in /dev/shm whenever a process is killed.
export MONGOC_DISABLE_SHM=1
export DATA_DIR=/var/lib/parley
exec "$lib/admin" "$@"
