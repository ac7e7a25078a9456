#!/bin/bash
# Makes the secrets that are not there yet, in the volume that the containers share: nothing
# secret is in an image, in docker-compose.yml, or for anybody to think up.
set -eu
umask 077
cd /secrets

keep() { # file, text
	[ -s "$1" ] && return
	printf '%s\n' "$2" >"$1.new"
	mv "$1.new" "$1"
}

random() {
	head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n'
}

keep jwt.secret "$(random)"
keep redis.password "$(random)"
keep redis.url "redis://:$(cat redis.password)@redis:6379"
keep mongo.password "$(random)"
keep mongo.uri "mongodb://parley:$(cat mongo.password)@mongo:27017/parley?authSource=admin"
