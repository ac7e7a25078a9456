#!/bin/sh
# Draws the secrets that Parley cannot do without, if they are not there yet; for the others it
# makes empty files to fill in, for systemd wants a file for each.
#
#   usage: draw-secrets FOLDER
set -eu
umask 077
mkdir -p "$1"

random() {
	head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n'
}

keep() { # name, text
	[ ! -s "$1" ] || return 0
	printf '%s\n' "$2" >"$1.new"
	mv "$1.new" "$1"
}

keep "$1/JWT_SECRET" "$(random)"
keep "$1/REDIS_URL" "redis://:$(random)@127.64.0.1:6379"
for name in JWT_SECRET_PREVIOUS MONGO_DB_URI LLM_API_URL LLM_API_TOKEN; do
	[ -e "$1/$name" ] || : >"$1/$name"
done
