#!/bin/bash
# Starts every process of Parley anew, without a request that fails: an upgrade does so, and
# whoever has changed /etc/parley.
#
#   usage: parley-restart [auth | message | presence | llm-responder]...
#
# Of each service, or of those named: one more process is started, then one after the other is
# ended and started again, then the additional one ends. Each may drain first, so that its sockets
# are closed one by one over DRAIN_SECONDS. The gateway takes its settings by a reload.
set -u
members=/run/parley-gateway/run/members
declare -A network=([auth]=1 [message]=2 [presence]=3 [llm-responder]=4)
WAIT_S=60

die() {
	echo "parley-restart: $*" >&2
	exit 1
}

numbers_of() { # service; of the processes that run
	systemctl list-units --plain --no-legend --state=active "parley-$1@*.service" |
		sed -n 's/^[^@]*@\([0-9]*\)\.service .*/\1/p' | sort -n
}

# Is it ready, and will the gateway send requests there?
serves() { # service, number
	local address=127.64.${network[$1]}.$2 status

	exec 3<>"/dev/tcp/$address/8080" || return
	printf 'GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
	IFS= read -r -t 2 status <&3
	exec 3>&-
	[[ $status == *" 200 "* ]] || return
	[ "$1" = llm-responder ] || ! systemctl -q is-active parley-follow parley-gateway ||
		grep -q "^$1 [a-z0-9]* $address:8080 up\$" $members
} 2>/dev/null

# Those that are left go on as they are; the additional one is not to stay.
give_up() { # start or restart, service, number, why
	[ "$1" = restart ] || systemctl stop "parley-$2@$3.service"
	die "parley-$2@$3 $4: journalctl -u parley-$2@$3; those that are left were not touched"
}

bring_up() { # start or restart, service, number
	local end=$((SECONDS + WAIT_S))

	systemctl "$1" "parley-$2@$3.service" || give_up "$@" "does not start"
	until serves "$2" "$3"; do
		((SECONDS < end)) || give_up "$@" "does not serve after $WAIT_S s"
		sleep 0.2
	done
}

renew() { # service
	local numbers number spare

	mapfile -t numbers < <(numbers_of "$1")
	[ ${#numbers[@]} -gt 0 ] || return 0
	spare=$((numbers[-1] + 1))
	bring_up start "$1" $spare
	for number in "${numbers[@]}"; do
		bring_up restart "$1" "$number"
	done
	systemctl stop "parley-$1@$spare.service"
}

for service in "$@"; do
	[ -n "${network[$service]:-}" ] || die "usage: parley-restart [auth | message | presence | llm-responder]..."
done
[ "$(id -u)" = 0 ] || die "must be run as root"
if [ $# -eq 0 ]; then
	systemctl try-reload-or-restart parley-gateway || die "the gateway refuses its settings: journalctl -u parley-gateway"
	systemctl try-restart parley-follow
	# Presence is told by all others, and takes what either version tells.
	set -- presence auth message llm-responder
fi
for service in "$@"; do
	renew "$service"
done
