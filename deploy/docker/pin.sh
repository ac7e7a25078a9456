#!/bin/bash
# Pins the two images that Parley stands on to the bytes that they are now: pulls them, and writes their
# digests into .env beside docker-compose.yml. Run it again to take newer ones.
#
# DOCKER is what calls Docker; an argument is another file than .env.
set -eu
cd "$(dirname "$0")/../.."
docker=${DOCKER:-docker}
env=${1:-.env}

pin() { # name of the variable, image
	local digest

	"$docker" pull -q "$2" >/dev/null
	digest=$("$docker" image inspect -f '{{index .RepoDigests 0}}' "$2")
	[[ $digest == *@sha256:* ]] || {
		echo "pin: $2 has no digest: it was not pulled from a registry" >&2
		exit 1
	}
	grep -v "^$1=" "$env" >"$env.new" || true
	echo "$1=$digest" >>"$env.new"
	mv "$env.new" "$env"
	echo "$1=$digest"
}

umask 077 # it may hold secrets
touch "$env"
pin PARLEY_BASE debian:bookworm-slim
pin PARLEY_MONGO mongo:7
