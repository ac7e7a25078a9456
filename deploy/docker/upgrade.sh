#!/bin/bash
# Builds the images anew, and replaces the containers of a running docker-compose.yml while people
# chat: no request fails, and sockets go on where they left off.
#
#   usage: upgrade.sh [what stands between docker-compose and up]
#          upgrade.sh -f docker-compose.yml -f deploy/docker/sqlite.yml
#
# Service by service, as many new containers start beside the old ones; once the gateway knows them
# the old ones are told to end. Presence is first: it is told by all others, and takes what either version
# tells. The gateway is last, and only if its image changed: one container alone can have the port,
# so for some seconds no connection is taken. Redis and MongoDB stay.
#
# COMPOSE is what calls Compose (docker-compose, else "docker compose").
#
# Exit status: 0 all are new; 1 it says why not, and what was not replaced goes on.
set -eu
cd "$(dirname "$0")/../.."

START_LIMIT_S=60
docker=${DOCKER:-docker}
[ -n "${COMPOSE:-}" ] || COMPOSE=$(command -v docker-compose || echo "$docker compose")
read -ra compose <<<"$COMPOSE"
compose+=("$@")

die() {
	echo "upgrade: $*" >&2
	exit 1
}

# What it says matters only if it fails.
quietly() { # command...
	local output

	output=$("$@" 2>&1) || {
		echo "$output" >&2
		return 1
	}
}

# How many of its containers get requests. llm-responder gets none.
serving() { # service
	"${compose[@]}" exec -T gateway cat /run/parley/gateway/run/members </dev/null |
		grep -c "^$1 .* up\$" || true
}

are_healthy() { # containers...
	local id

	for id in "$@"; do
		[ "$("$docker" inspect -f '{{.State.Health.Status}}' "$id")" = healthy ] || return
	done
}

wait_for() { # service, how many, containers...
	local service=$1 count=$2 end_s=$((SECONDS + START_LIMIT_S))

	shift 2
	until are_healthy "$@" && { [ "$service" = llm-responder ] ||
		[ "$(serving "$service")" = "$count" ]; }; do
		((SECONDS < end_s)) || return
		sleep 0.3
	done
}

replace() { # service
	local old new count

	mapfile -t old < <("${compose[@]}" ps -q "$1")
	count=${#old[@]}
	((count > 0)) || return 0
	quietly "${compose[@]}" up -d --no-deps --no-recreate --no-build \
		--scale "$1=$((2 * count))" "$1" || die "$1 does not start"
	mapfile -t new < <("${compose[@]}" ps -q "$1" | grep -vxF "$(printf '%s\n' "${old[@]}")")
	wait_for "$1" $((2 * count)) "${new[@]}" || {
		"$docker" logs --tail 3 "${new[0]}" >&2
		"$docker" rm -f "${new[@]}" >/dev/null
		die "the new $1 does not serve within $START_LIMIT_S s"
	}
	"$docker" stop "${old[@]}" >/dev/null # drains: stop_grace_period is the limit
	"$docker" rm "${old[@]}" >/dev/null
	echo "upgrade: $1 is new"
}

quietly "${compose[@]}" build auth gateway || die "the images were not built"
# A new version may want a secret that the old one did not have.
quietly "${compose[@]}" up --no-deps --no-build secrets || die "secrets were not made"
# Nor the user of MongoDB that the new services are.
[ -z "$("${compose[@]}" ps -q mongo 2>/dev/null)" ] ||
	quietly "${compose[@]}" run --rm -T --no-deps mongo-user </dev/null || die "MongoDB's user was not made"
for service in presence auth message llm-responder; do
	replace "$service"
done
quietly "${compose[@]}" up -d --no-deps --no-build gateway || die "the gateway does not start"
echo "upgrade: all is new, after $SECONDS s"
