#!/bin/bash
# Makes the secrets that are not there yet, and hands each to those who read it: nothing secret is in an
# image, in docker-compose.yml, or for anybody to think up.
#
#   /secrets       all of them, a volume that only this sees; a file that is there already stays
#   /for/READER    copies of those that READER reads, a volume each, which READER has as /secrets
#
# An argument stands before both, for tests.
set -eu
umask 077
root=${1:-}
here=$(cd "$(dirname "$0")" && pwd)
cd "$root/secrets"

keep() { # file, text
	[ -s "$1" ] && return
	printf '%s\n' "$2" >"$1.new"
	mv "$1.new" "$1"
}

random() {
	head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n'
}

hand_to() { # reader, files...
	local reader=$1 file

	shift
	for file in "$@"; do
		cmp -s "$file" "$root/for/$reader/${file##*/}" && continue
		cp "$file" "$root/for/$reader/new"
		mv "$root/for/$reader/new" "$root/for/$reader/${file##*/}"
	done
}

keep jwt.secret "$(random)"
keep redis.password "$(random)"
keep redis.url "redis://:$(cat redis.password)@redis:6379"
keep mongo.password "$(random)" # of MongoDB's root, whom no service is
keep mongo.service.password "$(random)"
# As older versions made it: of root.
[ "$(cat mongo.uri 2>/dev/null)" != "mongodb://parley:$(cat mongo.password)@mongo:27017/parley?authSource=admin" ] ||
	mv mongo.uri mongo.uri.old
keep mongo.uri "mongodb://service:$(cat mongo.service.password)@mongo:27017/parley?authSource=parley"

hand_to services jwt.secret redis.url mongo.uri
hand_to responder redis.url mongo.uri
hand_to gateway redis.url
hand_to redis redis.password
hand_to mongo mongo.password
hand_to mongo-user mongo.password mongo.service.password "$here/mongo-user.js"
