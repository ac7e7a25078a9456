#!/bin/bash
# docker-compose.yml, built and run for real:  make compose-test
#
# Needs a Docker engine and Compose, 1.29 or 2. If debian:bookworm-slim cannot be pulled, the base
# image is made by debootstrap; if mongo:7 cannot, SQLite is the store. Everything it starts goes
# again, and so do the volumes; the images stay.
#
# Exit status: 0 passed, 1 failed, 77 skipped, with the reason.
set -u
cd "$(dirname "$0")/../.." || exit 1

skip() {
	echo "compose-test: SKIPPED, $*"
	exit 77
}

fail() {
	echo "compose-test: FAILED, $*"
	exit 1
}

docker=docker
# An engine's own client knows its API; one that came first in PATH may be without Compose.
[ ! -x /usr/bin/docker ] || docker=/usr/bin/docker
command -v "$docker" >/dev/null || skip "docker is not installed"
"$docker" info >/dev/null 2>&1 || skip "no Docker engine answers"
if "$docker" compose version >/dev/null 2>&1; then
	compose=("$docker" compose)
elif command -v docker-compose >/dev/null; then
	compose=(docker-compose)
else
	skip "Compose is not installed"
fi

has_image() { # name
	"$docker" image inspect "$1" >/dev/null 2>&1 || timeout 300 "$docker" pull -q "$1" >/dev/null 2>&1
}

files=(-f docker-compose.yml)
store=MongoDB
if ! has_image "${PARLEY_BASE:=debian:bookworm-slim}"; then
	PARLEY_BASE=parley-base
	"$docker" image inspect $PARLEY_BASE >/dev/null 2>&1 || {
		command -v debootstrap >/dev/null || skip "no base image can be pulled, and debootstrap is not installed"
		[ "$(id -u)" = 0 ] || skip "no base image can be pulled, and debootstrap needs root"
		echo "compose-test: makes the base image by debootstrap"
		deploy/docker/base.sh $PARLEY_BASE >/dev/null || fail "debootstrap made no base image"
	}
fi
has_image mongo:7 || {
	store=SQLite
	files+=(-f deploy/docker/sqlite.yml)
}
export PARLEY_BASE
# An engine without the right to raise limits cannot give more files than it has itself.
limit=$(ulimit -H -n)
[ "$limit" = unlimited ] || ((limit >= 65536)) || export PARLEY_NOFILE=$limit
# Not the engine's choice, which is another after each start.
PORT=$((20000 + RANDOM % 12000))
while (exec 3<>"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null; do
	PORT=$((PORT + 1))
done
export PORT NODE_ENV=development DRAIN_SECONDS=1 COMPOSE_PROJECT_NAME=parley-test-$$
export LIMIT_LOGIN_ADDRESS=0 LIMIT_LOGIN_ACCOUNT=0 LIMIT_MESSAGES_PER_SECOND=0 LIMIT_MESSAGES_BURST=0
compose+=("${files[@]}")

log=$(mktemp)
end() {
	local status=$?

	[ $status = 0 ] || {
		cat "$log"
		"${compose[@]}" ps
		"${compose[@]}" logs --tail 40
	}
	"${compose[@]}" down -v --remove-orphans --timeout 5 >/dev/null 2>&1
	rm -f "$log"
}
trap end EXIT
trap 'exit 1' INT TERM HUP

echo "compose-test: builds the images, store $store"
"${compose[@]}" build >"$log" 2>&1 || fail "the images were not built"
echo "compose-test: starts"
timeout 180 "${compose[@]}" up -d >"$log" 2>&1 || fail "it did not start"
export PARLEY_URL=http://localhost:$PORT DOCKER=$docker COMPOSE="${compose[*]}" STORE=$store
(cd tests && timeout 480 node --test --test-reporter=spec compose/) || exit 1
