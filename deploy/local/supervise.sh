# Keeping services alive, and ending them; sourced by run.sh.
#
# A loop looks ten times a second who has died. (bash's `wait -n` would be told, but forgets a
# child that ended while another command ran.) What died is started again, later each time.
#
# From run.sh:  services            names, in the order they start
#               become NAME         turns this process into the service
#               is_answering NAME   whether it is ready
#               is_waiting NAME     whether it only waits for another's server, named in $waits_for
#               announce            says that all are ready
#               turn_full_logs      keeps the log files small
#               look_for_orders     looks whether more or fewer are wanted: may add to $services, start
#                                   and retire
#               successor           the process on trial; if it dies, upgrade_failed WHY is called
#               last_line NAME      the last thing a service wrote
#               $drain_s            how long a service may take to end
#               $run                folder; $run/pids/NAME is written at each start

START_LIMIT_MS=30000 # to ready
STARTS_MAX=4         # of one service until then
WAIT_SILENT_MS=2000  # for another's server, before that is told
WAIT_TELL_MS=10000   # until it is told again
BACKOFF_MIN_MS=200   # doubles with each death
BACKOFF_MAX_MS=5000
STEADY_MS=30000 # alive this long: the back-off begins anew
EX_CONFIG=78

declare -A pid_of=() # service -> pid, while it is alive or its death has not been seen
declare -A due_ms=() # service -> when it is to be started again
declare -A born_ms=()
declare -A starts=() # service -> how often
declare -A backoff_ms=()
declare -A is_ready=() # service -> once it has answered
declare -A leaving=()  # service -> when it is killed, if it has not ended by then
is_announced=
helper_pids=()
stop_asked=            # by a signal
exec {never}<> <(:)    # nobody writes to it: a clock without a process

say() {
	echo "parley: $*"
}

nap() {
	read -r -t 0.1 -u "$never" _
}

now_ms() { # sets REPLY; this clock never jumps
	read -r REPLY _ </proc/uptime
	REPLY=$((10#${REPLY/./} * 10))
}

# ---- the end ---------------------------------------------------------------------------
# A service leads a process group; its workers may outlive it (nginx' do after a SIGKILL).
kill_group() { # pid; gives its exit status
	kill -KILL -- "-$1" "$1" 2>/dev/null
	wait "$1" 2>/dev/null # or bash would tell of it later
}

# The services in $services that match and are alive, in $matching.
match_services() { # pattern
	local name

	matching=()
	for name in "${services[@]}"; do
		[[ $name == $1 && -n ${pid_of[$name]:-} ]] || continue
		if kill -0 "${pid_of[$name]}" 2>/dev/null; then
			matching+=("$name")
		else
			kill_group "${pid_of[$name]}"
			unset "pid_of[$name]"
		fi
	done
}

# SIGTERM to all that match, SIGKILL to what is left of them after a while.
end_services() { # pattern, ms
	local end_ms name matching

	now_ms
	end_ms=$((REPLY + $2))
	match_services "$1"
	for name in "${matching[@]}"; do
		kill -TERM "${pid_of[$name]}" 2>/dev/null
	done
	while [ ${#matching[@]} -gt 0 ] && ((REPLY < end_ms)); do
		nap
		now_ms
		match_services "$1"
	done
	for name in "${matching[@]}"; do
		say "$name does not end, killed"
		kill_group "${pid_of[$name]}"
		unset "pid_of[$name]"
	done
}

end_everything() {
	trap kill_everything INT TERM HUP # asked twice: at once
	# What talks to Redis ends before it does; nginx keeps their clients until then.
	end_services '@(auth|message|presence|responder)*' $((drain_s * 1000 + 2000))
	end_services '*' 1000
	[ ${#helper_pids[@]} -eq 0 ] || kill -KILL "${helper_pids[@]}" 2>/dev/null
}

kill_everything() {
	local pid

	for pid in "${pid_of[@]}"; do
		kill_group "$pid"
	done
	[ ${#helper_pids[@]} -eq 0 ] || kill -KILL "${helper_pids[@]}" 2>/dev/null
	exit 1
}

die() { # exit status, text...
	local status=$1

	shift
	echo "parley: $*" >&2
	end_everything
	exit "$status"
}

# ---- the life --------------------------------------------------------------------------
start() { # name
	become "$1" &
	pid_of[$1]=$!
	echo $! >"$run/pids/$1"
	now_ms
	born_ms[$1]=$REPLY
	starts[$1]=$((${starts[$1]:-0} + 1))
	unset "due_ms[$1]"
}

has_died() { # name, exit status, now_ms
	local wait_ms=${backoff_ms[$1]:-$BACKOFF_MIN_MS}

	[ "$1" != "$successor" ] || {
		upgrade_failed "$1 does not start: $(last_line "$1")"
		return
	}
	[ "$2" -ne $EX_CONFIG ] || die $EX_CONFIG "$1: $(last_line "$1")"
	if [ -z "$is_announced" ]; then
		case $1 in
		redis | gateway) die 1 "$1 does not start: $(last_line "$1")" ;;
		esac
		((starts[$1] < STARTS_MAX)) || die 1 "$1 does not start: $(last_line "$1")"
	fi
	((STEADY_MS > $3 - born_ms[$1])) || wait_ms=$BACKOFF_MIN_MS
	backoff_ms[$1]=$((wait_ms * 2 < BACKOFF_MAX_MS ? wait_ms * 2 : BACKOFF_MAX_MS))
	due_ms[$1]=$(($3 + wait_ms))
	say "$1 ended ($2), starts again in $wait_ms ms"
}

# Let it end, for good.
retire() { # name, ms
	now_ms
	leaving[$1]=$((REPLY + $2))
	say "$1 is ending"
	[ -z "${pid_of[$1]:-}" ] || kill -TERM "${pid_of[$1]}" 2>/dev/null
}

forget() { # name, exit status if known
	local name rest=()

	for name in "${services[@]}"; do
		[ "$name" = "$1" ] || rest+=("$name")
	done
	services=("${rest[@]}")
	unset "leaving[$1]" "is_ready[$1]" "due_ms[$1]" "backoff_ms[$1]" "starts[$1]"
	rm -f "$run/pids/$1"
	say "$1 has ended${2:+ ($2)}"
}

look_after_leaving() { # name
	local pid=${pid_of[$1]:-} status=

	now_ms
	if [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null && ((REPLY < leaving[$1])); then
		return
	fi
	if [ -n "$pid" ]; then
		kill_group "$pid"
		status=$?
	fi
	unset "pid_of[$1]"
	forget "$1" $status
}

look_after() { # name
	local pid=${pid_of[$1]:-} status

	now_ms
	if [ -z "$pid" ]; then
		((REPLY < due_ms[$1])) || start "$1"
	elif ! kill -0 "$pid" 2>/dev/null; then
		wait "$pid" 2>/dev/null
		status=$?
		unset "pid_of[$1]"
		kill_group "$pid"
		has_died "$1" $status "$REPLY"
	fi
}

# Who is not ready yet, in $missing; what one of them waits for, in $waits_for.
ask_readiness() {
	local name

	missing=
	waits_for=
	for name in "${services[@]}"; do
		[ -z "${is_ready[$name]:-}" ] || continue
		if is_answering "$name"; then
			is_ready[$name]=1
		else
			missing+=" $name"
			[ -n "$waits_for" ] || is_waiting "$name"
		fi
	done
}

# What is run by others may take any time.
keep_waiting() {
	start_ms=$REPLY
	((REPLY < tell_ms)) && return
	say "waiting for $waits_for"
	tell_ms=$((REPLY + WAIT_TELL_MS))
}

start_all() {
	local name

	for name in "${services[@]}"; do
		start "$name"
		# It may have files to read first; the others would warn that it is away.
		while [ "$name" = redis ] && [ -z "$stop_asked" ] && ! is_answering redis; do
			nap
			look_after redis
		done
	done
}

supervise() {
	local name missing waits_for start_ms tell_ms

	start_all
	now_ms
	start_ms=$REPLY
	tell_ms=$((REPLY + WAIT_SILENT_MS))
	missing=all
	while [ -z "$stop_asked" ]; do
		nap
		turn_full_logs
		for name in "${services[@]}"; do
			if [ -n "${leaving[$name]:-}" ]; then
				look_after_leaving "$name"
			else
				look_after "$name"
			fi
		done
		if [ -n "$is_announced" ]; then
			look_for_orders
			continue
		fi
		ask_readiness
		if [ -z "$missing" ]; then
			is_announced=1
			announce
		fi
		[ -z "$waits_for" ] || keep_waiting
		((REPLY - start_ms < START_LIMIT_MS)) ||
			die 1 "not ready within $((START_LIMIT_MS / 1000)) s:$missing; see $run/logs"
	done
}
