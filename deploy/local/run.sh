#!/bin/bash
# The whole of Parley on this machine: `make run`, or this once everything is built.
#
# Starts Redis (unless REDIS_URL names one), the services, llm-responder and the gateway, starts
# again what dies, and ends them all on Ctrl-C or SIGTERM. Whoever kills this script ends them
# too: each child asks the kernel for SIGTERM once its parent is gone.
#
# Settings come from the environment; env.example lists them. They are judged by parley-settings, from
# the table that the services have, before anything is started. Beside the table:
#   NODE_ENV     is "development" unless set: cookies without Secure
#   DRAIN_SECONDS   is 1 unless set, for Ctrl-C waits for it
#   DATA_DIR     is data/ beside Makefile unless set: store, secret, Redis; what must survive
#   REDIS_URL    unless set, Redis is started here, too
#   JWT_SECRET   unless set, one is made at the first start: $DATA_DIR/jwt.secret
#   BUILD_DIR    where the services were built: build/
#   SERVICE_PRELOAD   LD_PRELOAD for the services: a sanitizer's library
# How many processes there are scale.sh changes while they run; upgrade.sh replaces them.
#
# Exit status: 0 after Ctrl-C or SIGTERM, 78 and a line for each bad setting, else 1 and one line that
# says why.
set -u
set -f # an address may look like a pattern for files: *, [::1]
umask 077
export LC_ALL=C.UTF-8 # what programs say is read here; and ssh may bring a locale that is not there
root=$(cd "$(dirname "$0")/../.." && pwd)
PATH=$PATH:/usr/sbin:/sbin

declare -A address=() # name -> host:port
declare -A is_shown=() # name -> whether its warnings are
services=()           # names, in the order they are started
kinds=(auth message presence responder) # of which there may be several
. "$root/deploy/local/supervise.sh"
. "$root/deploy/local/orders.sh"
. "$root/deploy/local/logs.sh"
. "$root/deploy/local/root.sh"

# ---- settings --------------------------------------------------------------------------
absolute() { # path
	case $1 in
	/*) echo "$1" ;;
	*) echo "$PWD/$1" ;;
	esac
}

own_folder() { # name of the setting, path
	mkdir -p "$2" 2>/dev/null && [ -w "$2" ] && [ -x "$2" ] ||
		die $EX_CONFIG "$1: cannot write to the folder $2"
}

is_listening() { # host, port
	(exec 3<>"/dev/tcp/$1/$2") 2>/dev/null
}

need_programs() {
	local program missing=

	for program in kore nginx curl setpriv setsid flock; do
		command -v "$program" >/dev/null || missing+=" $program"
	done
	[ -n "$redis_host" ] || command -v redis-server >/dev/null || missing+=" redis-server"
	[ -z "$missing" ] || die 1 "not installed:$missing; deploy/local/install.sh run installs it"
	for program in auth.so message.so presence.so llm-responder gateway-follow; do
		[ -e "$build/$program" ] || die 1 "$build/$program is not built; make builds it"
	done
	"$root/deploy/audit/audit.sh" --warn
}

# Sets each setting to a value that parley-settings lets pass, by its own name; redis_host and redis_port
# to the place of an external Redis, and mongo to hosts and database of a MongoDB, without the password.
# They are empty if there is none.
read_settings() {
	local checked name judge

	build=$(absolute "${BUILD_DIR:-$root/build}")
	judge=$build/parley-settings
	[ -x "$judge" ] || judge=$root/build/parley-settings # BUILD_DIR needs only what is started
	[ -x "$judge" ] || die 1 "$judge is not built; make builds it"
	# Where `make run` differs from the table.
	export NODE_ENV=${NODE_ENV:-development} DRAIN_SECONDS=${DRAIN_SECONDS:-1}
	export DATA_DIR=${DATA_DIR:-$root/data}
	export HANDOVER_DIR=${HANDOVER_DIR-${RUN_DIR:-$DATA_DIR/run}/handover}
	for name in DATA_DIR RUN_DIR HANDOVER_DIR WWW_DIR GATEWAY_TLS_CERT GATEWAY_TLS_KEY; do
		[ -z "${!name:-}" ] || export "$name=$(absolute "${!name}")"
	done
	connections_asked=${CONNECTIONS_MAX:-}
	# Each process gets a LISTEN and a PROCESS_NAME of its own.
	checked=$(env -u LISTEN -u PROCESS_NAME -u INSTANCE "$judge" --check run) || exit
	eval "$checked"
	data=$DATA_DIR run=${RUN_DIR:-$DATA_DIR/run} drain_s=$DRAIN_SECONDS
}

# One run a folder: two would write the same files. Children do not keep the locks.
take_folders() {
	own_folder DATA_DIR "$data"
	own_folder RUN_DIR "$run"
	exec 8>"$data/lock" 9>"$run/lock"
	flock -n 8 || die 1 "DATA_DIR $data is in use by another run"
	flock -n 9 || die 1 "RUN_DIR $run is in use by another run"
	rm -rf "$run/pids" "$run/gateway" "$run/handover" "$run/scale" "$run/logs/previous"
	mkdir -p "$run/logs/previous" "$run/pids" "$run/scale" "$data/redis"
	[ -z "$HANDOVER_DIR" ] || mkdir -p "$HANDOVER_DIR"
	find "$run/logs" -maxdepth 1 -name '*.log' -exec mv -f {} "$run/logs/previous" \;
}

need_free_port() { # port, name of the setting
	local host

	[ "$1" != 0 ] || return
	for host in $GATEWAY_BIND; do
		case $host in
		0.0.0.0 | '*') host=127.0.0.1 ;;
		'[::]') host=::1 ;;
		esac
		host=${host#[}
		is_listening "${host%]}" "$1" &&
			die 1 "port $1 is in use; $2=... make run takes another"
	done
}

make_jwt_secret() {
	[ -z "${JWT_SECRET:-}${JWT_SECRET_FILE:-}" ] || return 0
	if [ ! -s "$data/jwt.secret" ]; then
		head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$data/jwt.secret.new" &&
			mv "$data/jwt.secret.new" "$data/jwt.secret" ||
			die 1 "cannot write $data/jwt.secret"
		say "made $data/jwt.secret, which signs the session tokens"
	fi
	export JWT_SECRET_FILE=$data/jwt.secret
}

# Each run has a loopback address of its own, after its process id: two runs cannot meet there,
# whatever ports they find free.
loopback=127.$((64 + ($$ >> 16 & 63))).$(($$ >> 8 & 255)).$(($$ & 255))
next_port=4000
free_port() { # sets REPLY
	while is_listening "$loopback" "$next_port"; do
		next_port=$((next_port + 1))
	done
	REPLY=$next_port
	next_port=$((next_port + 1))
}

# Room for the sockets; kore walks through all numbers up to the limit, so not "unlimited".
raise_limits() {
	local limit

	limit=$(ulimit -H -n)
	[ "$limit" != unlimited ] && ((limit < 65536)) || limit=65536
	ulimit -S -n "$limit"
	# 256 are for the rest, as in shared/http/service.c. Of a number that was asked for the services
	# tell that it is too high.
	[ -n "$connections_asked" ] || ((limit - 256 >= CONNECTIONS_MAX)) ||
		export CONNECTIONS_MAX=$((limit - 256))
}

# ---- what is started -------------------------------------------------------------------
prepare_redis() {
	local host=$loopback password

	if [ -n "$redis_host" ]; then
		redis_url=${REDIS_URL:-$(<"${REDIS_URL_FILE:-/dev/null}")}
		wait_for_redis
	else
		free_port
		[ "$REDIS_PORT" = 0 ] || {
			host=127.0.0.1 REPLY=$REDIS_PORT
			is_listening $host "$REPLY" && die 1 "REDIS_PORT $REPLY is in use"
		}
		address[redis]=$host:$REPLY
		password=$(head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n')
		printf '%s\n' "bind $host" "port $REPLY" "requirepass $password" "daemonize no" \
			'save ""' "appendonly yes" "appendfsync everysec" \
			"maxmemory-policy noeviction" >"$run/redis.conf"
		redis_url=redis://:$password@$host:$REPLY
		services+=(redis)
	fi
	# By a file, for the environment of a process can be read in /proc.
	echo "$redis_url" >"$run/redis.url"
	unset REDIS_URL
	export REDIS_URL_FILE=$run/redis.url
}

wait_for_redis() {
	local host=$redis_host waited=0

	[[ $host != *:* ]] || host=[$host]
	address[redis]=$host:$redis_port
	until is_listening "$redis_host" "$redis_port"; do
		[ -z "$stop_asked" ] || exit 0
		((waited++ % 20)) || say "waiting for Redis at ${address[redis]}"
		sleep 0.5
	done
}

prepare_service() { # auth, number
	local name=$1$2

	free_port
	address[$name]=$loopback:$REPLY
	if [ "$1" != responder ]; then
		mkdir -p "$run/$name"
		ln -sfn "$build/$1.so" "$run/$name/$1.so"
		printf '%s\n' "load ./$1.so" "pidfile ./kore.pid" >"$run/$name/kore.conf"
	fi
	services+=("$name")
}

# Writes its configuration and lets nginx try it; on failure why, in REPLY, and the status: EX_CONFIG if it is
# a setting, which REPLY names then.
render_gateway() { # prefix
	local why status name=gateway

	REPLY=$(BUILD_DIR=$build "$root/gateway/render.sh" "$1" 2>&1) || {
		status=$?
		((status == EX_CONFIG)) || REPLY="gateway: ${REPLY%%$'\n'*}"
		return $status
	}
	why=$(nginx -t -q -p "$1" -e stderr -c conf/nginx.conf 2>&1) && return
	why=$(grep -m 1 emerg <<<"$why" || echo "$why")
	case $why in
	*'certificate key'* | *PrivateKey*) name=GATEWAY_TLS_KEY ;;
	*certificate*) name=GATEWAY_TLS_CERT ;;
	*'invalid network'*) name=GATEWAY_TRUSTED_PROXIES ;;
	*listen*) name=GATEWAY_BIND ;;
	esac
	REPLY="$name: $why"
	return $EX_CONFIG
}

# Where it may answer this machine: nginx' addresses. ([::] is one that no connection comes in by if IPv6 is off.)
find_own_urls() {
	local address

	own_urls=()
	while read -r _ address _; do
		address=${address%;}
		case $address in
		0.0.0.0:* | '*:'*) address=127.0.0.1:${address##*:} ;;
		'[::]:'*) address=[::1]:${address##*:} ;;
		esac
		own_urls+=("http${GATEWAY_TLS_CERT:+s}://$address")
	done < <(grep '^listen ' "$run/gateway/conf/listen.conf")
}

prepare_gateway() {
	render_gateway "$run/gateway" || die $? "$REPLY"
	ln -sfn ../gateway/logs/access.log "$run/logs/access.log"
	services+=(follower gateway)
	find_own_urls
}

prepare() {
	local i kind count

	prepare_redis
	for kind in "${kinds[@]}"; do
		count=${kind^^}_PROCESSES
		for ((i = 1; i <= ${!count}; i++)); do
			prepare_service "$kind" "$i"
		done
	done
	prepare_gateway
	write_targets
}

# Where each process' /metrics is, as Prometheus reads it (file_sd_configs).
write_targets() {
	local name comma=

	for name in "${services[@]}"; do
		[ -z "${leaving[$name]:-}" ] || continue
		case $name in
		redis | follower | gateway) continue ;;
		responder*) set -- llm-responder ;;
		*) set -- "${name%%[0-9]*}" ;;
		esac
		printf '%s{"targets": ["%s"], "labels": {"service": "%s", "instance": "%s"}}' \
			"${comma:-[}" "${address[$name]}" "$1" "$name"
		comma=$',\n '
	done >"$run/targets.json"
	echo "]" >>"$run/targets.json"
}

# Becomes the process; secrets go only to those that need them.
become() { # name
	local kind=${1%%[0-9]*} number=${1##*[a-z]} clean

	exec 8>&- 9>&- </dev/null >>"$run/logs/$1.log" 2>&1
	clean=(env -i "PATH=$PATH" "TZ=${TZ:-}" "LANG=${LANG:-C.UTF-8}")
	unset INSTANCE # the old name of PROCESS_NAME
	export PROCESS_NAME=${kind:0:1}$number LISTEN=${address[$1]:-}
	case $kind in
	redis)
		cd "$data/redis" && set -- "${clean[@]}" redis-server "$run/redis.conf"
		;;
	gateway)
		cd "$run/gateway" && set -- "${clean[@]}" \
			nginx -p "$run/gateway" -e logs/error.log -c conf/nginx.conf
		;;
	follower)
		set -- "${clean[@]}" "REDIS_URL_FILE=$REDIS_URL_FILE" \
			"LOG_LEVEL=${LOG_LEVEL:-}" "$build/gateway-follow" "$run/gateway"
		;;
	responder)
		unset JWT_SECRET JWT_SECRET_FILE JWT_SECRET_PREVIOUS JWT_SECRET_PREVIOUS_FILE
		cd "$run" && set -- "$build/llm-responder"
		;;
	*)
		unset LLM_API_TOKEN LLM_API_KEY LLM_API_TOKEN_FILE LLM_API_KEY_FILE
		[ -z "${SERVICE_PRELOAD:-}" ] || export LD_PRELOAD=$SERVICE_PRELOAD
		cd "$run/$1" && set -- kore -f -n -r -q -c kore.conf
		;;
	esac || exit 1
	[ "$kind" != gateway ] || portless=()
	exec setsid setpriv --pdeathsig TERM "${portless[@]}" "$@"
}

# ---- readiness and warnings ------------------------------------------------------------
answers() { # url, status
	local host hosts=$ALLOWED_HOSTS

	read -r host _ <<<"${hosts//,/ }" # it may know no other
	[ "$(curl -sk ${host:+-H "Host: $host"} -o /dev/null -m 1 -w '%{http_code}' "$1")" = "$2" ]
}

redis_answers() {
	local password=${redis_url#redis://:}

	(
		exec 3<>"/dev/tcp/${address[redis]%:*}/${address[redis]##*:}" || exit 1
		printf 'AUTH %s\r\nPING\r\n' "${password%%@*}" >&3
		read -r -t 1 _ <&3 && read -r -t 1 <&3 && [[ $REPLY == +PONG* ]]
	) 2>/dev/null
}

# Does the gateway know it, if it is to?
is_known() { # name
	[[ $1 != @(auth|message|presence)* ]] ||
		grep -qs " ${address[$1]} up\$" "$run/gateway/run/members"
}

# This goes through all the others, so it is asked last.
gateway_answers() {
	local url

	for url in "${own_urls[@]}"; do
		answers "$url/api/users" 401 && return
	done
	return 1
}

are_followed() {
	local name

	for name in "${services[@]}"; do
		is_known "$name" || return
	done
}

is_answering() { # name
	readiness=
	case $1 in
	redis) redis_answers ;;
	gateway) [ "$missing" = "" ] && gateway_answers ;;
	follower) are_followed ;;
	*)
		readiness=$(curl -s -m 1 "http://${address[$1]}/readyz")
		[[ $readiness == *'"db":"up"'* ]]
		;;
	esac
}

# Of the service that is_answering was asked about: is it up, and waits for a database that others
# run?
is_waiting() { # name
	[[ -n $mongo && $readiness == *'"db":"down"'* ]] &&
		waits_for="MongoDB at $mongo; $run/logs/$1.log says why"
}

# From now on: these services' warnings and errors, as they are logged, and what is no log line
# at all.
show_warnings() { # names...
	local name files=()

	for name in "$@"; do
		: >>"$run/logs/$name.log"
		[ "$name" = redis ] || [ -n "${is_shown[$name]:-}" ] || files+=("$run/logs/$name.log")
		is_shown[$name]=1
	done
	[ ${#files[@]} -gt 0 ] || return 0
	setpriv --pdeathsig KILL "${portless[@]}" tail -q -n +1 -F "${files[@]}" 8>&- 9>&- 2>/dev/null \
		> >(exec 8>&- 9>&- setpriv --pdeathsig clear "${portless[@]}" grep --line-buffered -E '"lvl":"(warn|error)"|^[^{]') &
	helper_pids+=($!)
}

last_line() { # name
	local line

	line=$(grep -v '^[[:space:]]*$' "$run/logs/$1.log" | tail -n 1)
	[ -n "$line" ] || line=$(tail -n 1 "$run/gateway/logs/error.log" 2>/dev/null)
	echo "${line:-it wrote nothing}"
}

setting_or() { # variable names..., text if none is set
	while [ $# -gt 1 ]; do
		[ -z "${!1:-}" ] || return 1
		shift
	done
	echo "$1"
}

announce() {
	local llm

	llm=$(setting_or LLM_API_URL LLM_API_TOKEN LLM_API_KEY LLM_API_TOKEN_FILE \
		LLM_API_KEY_FILE "none; who writes to a busy user gets the standard text") || {
		llm=${LLM_API_URL:-https://router.huggingface.co}
		llm=${llm#*://}
		llm=${llm%%/*}
		llm=${llm##*@}
	}
	cat <<-END
		Parley is at http${GATEWAY_TLS_CERT:+s}://localhost:$PORT
		  store      ${mongo:+MongoDB at }${mongo:-SQLite in $data}
		  Redis      ${address[redis]}$([[ ${services[0]} = redis ]] || echo ', external')
		  LLM        $llm
		  front end  ${WWW_DIR:-$root/gateway/web}
		  processes  ${services[*]}
		  logs       $run/logs
		  metrics    $run/targets.json, the addresses for Prometheus
	END
	show_warnings "${services[@]}"
}

# ---- run ---------------------------------------------------------------------------------
trap 'stop_asked=1' INT TERM HUP
read_settings
drop_root
need_programs
take_folders
need_free_port "$PORT" PORT
need_free_port "$GATEWAY_HTTP_PORT" GATEWAY_HTTP_PORT
make_jwt_secret
# Else the driver of MongoDB leaves a file of counters in /dev/shm whenever a process is killed.
export MONGOC_DISABLE_SHM=1
raise_limits
prepare

supervise
say "stopping"
end_everything
exit 0
