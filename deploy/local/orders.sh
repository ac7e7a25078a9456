# What scale.sh and upgrade.sh ask of a run; sourced by run.sh. An order is a file in $run/scale.
#
#   auth, message, presence, responder   holds how many there are to be
#   upgrade          is there until every process is a new one; upgrade.failed says why one is not

SERVE_LIMIT_MS=30000 # to a new process' first request
DRAIN_LIMIT_MS=7000 # beyond DRAIN_SECONDS

# ---- more and fewer ----------------------------------------------------------------------
count_of() { # auth; how many there are, in $numbers
	local name

	numbers=()
	for name in "${services[@]}"; do
		[[ $name =~ ^$1([0-9]+)$ && -z ${leaving[$name]:-} ]] &&
			numbers+=("${BASH_REMATCH[1]}")
	done
}

add_one() { # auth; sets REPLY to its name
	local i=1 name

	while [[ " ${services[*]} " == *" $1$i "* ]]; do
		i=$((i + 1))
	done
	name=$1$i
	prepare_service "$1" "$i"
	start "$name"
	show_warnings "$name"
	say "$name is started"
	REPLY=$name
}

scale() { # auth, how many
	local numbers

	count_of "$1"
	while [ ${#numbers[@]} -lt "$2" ]; do
		add_one "$1"
		count_of "$1"
	done
	while [ ${#numbers[@]} -gt "$2" ]; do
		retire "$1${numbers[-1]}" $((drain_s * 1000 + DRAIN_LIMIT_MS))
		count_of "$1"
	done
	write_targets
}

# ---- new for old -------------------------------------------------------------------------
is_upgrading=
outdated=()      # who is still to be replaced, the first of them now
successor=        # the process that is to take its place, until it serves
successor_due_ms= # when that must be

# What holds connections stays: nginx, which reads a new configuration, and Redis. Presence is first: it
# is told by all others, and takes what either version tells.
begin_upgrade() {
	local kind number numbers

	is_upgrading=1
	rm -f "$run/scale/upgrade.failed"
	renew_gateway || {
		upgrade_failed "the gateway's new configuration is wrong: $REPLY"
		return
	}
	end_services follower 2000
	start follower
	for kind in presence auth message responder; do
		count_of "$kind"
		for number in "${numbers[@]}"; do
			outdated+=("$kind$number")
		done
	done
}

# Its old workers go on with the sockets that they have; but idle connections they close, and the
# request of a client that is just about to use one fails. So not without need.
renew_gateway() { # on failure: why, in REPLY
	local next=$run/gateway.next

	rm -rf "$next" "$run/gateway/conf.old"
	render_gateway "$next" || return
	diff -r "$next/conf" "$run/gateway/conf" >/dev/null || {
		mv "$run/gateway/conf" "$run/gateway/conf.old"
		mv "$next/conf" "$run/gateway/conf"
		kill -HUP "${pid_of[gateway]:-}" 2>/dev/null # one that starts now reads it anyway
		say "gateway reads its new configuration"
	}
	[ ! -d "$next/page" ] || "$root/gateway/put_page.sh" "$next/page" "$run/gateway/page" # none with WWW_DIR
	rm -rf "$next"
	[[ $(readlink "/proc/${pid_of[gateway]:-}/exe") != *' (deleted)' ]] ||
		say "gateway still runs an older nginx; kill ${pid_of[gateway]} starts the new one"
}

successor_serves() {
	is_answering "$successor" && is_known "$successor"
}

# One turn: a new process starts, and once it serves the old one ends; then the next.
upgrade_on() {
	local old=${outdated[0]:-}

	now_ms
	if [ -z "$old" ]; then
		end_upgrade
	elif [ -n "$successor" ]; then
		if successor_serves; then
			successor=
			retire "$old" $((drain_s * 1000 + DRAIN_LIMIT_MS))
			write_targets
		elif ((REPLY > successor_due_ms)); then
			upgrade_failed "$successor does not serve: $(last_line "$successor")"
		fi
	elif [[ " ${services[*]} " != *" $old "* ]]; then
		outdated=("${outdated[@]:1}")
	elif [ -z "${leaving[$old]:-}" ]; then
		successor_due_ms=$((REPLY + SERVE_LIMIT_MS))
		add_one "${old%%[0-9]*}"
		successor=$REPLY
	fi
}

# The old ones go on.
upgrade_failed() { # why
	say "upgrade: $1"
	echo "$1" >"$run/scale/upgrade.failed"
	[ -z "$successor" ] || retire "$successor" 1000
	successor= outdated=()
	end_upgrade
}

end_upgrade() {
	is_upgrading=
	rm -f "$run/scale/upgrade"
}

# ---- who asks ----------------------------------------------------------------------------
look_for_orders() {
	local kind wanted

	if [ -e "$run/scale/upgrade" ]; then
		# How many there are is no matter of now.
		if [ -n "$is_upgrading" ]; then
			upgrade_on
		else
			begin_upgrade
		fi
		return
	fi
	for kind in "${kinds[@]}"; do
		[ -e "$run/scale/$kind" ] || continue
		read -r wanted <"$run/scale/$kind"
		[[ ! $wanted =~ ^[0-9]{1,2}$ ]] || scale "$kind" "$wanted"
		rm -f "$run/scale/$kind"
	done
}
