#!/bin/bash
# The whole of Parley on this machine: `make run`, or this once everything is built.
#
# Starts Redis (unless REDIS_URL names one), the services, llm-responder and the gateway, starts
# again what dies, and ends them all on Ctrl-C or SIGTERM. Whoever kills this script ends them
# too: each child asks the kernel for SIGTERM once its parent is gone.
#
# Settings, from the environment:
#   PORT         of the gateway                                          (5000)
#   GATEWAY_BIND addresses it listens on; 0.0.0.0 for other machines     (127.0.0.1 [::1])
#   DATA_DIR     what must survive: store, secret, Redis                 (./data)
#   RUN_DIR      what need not: configuration, logs/, pids/              ($DATA_DIR/run)
#   BUILD_DIR    where the services were built                           (./build)
#   REDIS_URL    an external Redis; none is started then                 (none)
#   REDIS_PORT   the own one's port                                      (a free one)
#   MONGO_DB_URI a MongoDB to keep everything in, in place of SQLite      (none)
#   AUTH_INSTANCES, MESSAGE_INSTANCES, PRESENCE_INSTANCES, RESPONDER_INSTANCES   (1)
#                how many; scale.sh changes it while they run, upgrade.sh replaces them
#   WWW_DIR      another front end                                       (gateway/web)
#   GATEWAY_TLS_CERT, GATEWAY_TLS_KEY   PEM files: https instead of http (none)
#   NODE_ENV     cookies without Secure in "development"                 (development)
#   DRAIN_SECONDS   over which sockets are closed; Ctrl-C waits for it   (1)
#   JWT_SECRET   else made at the first start: $DATA_DIR/jwt.secret
#   SERVICE_PRELOAD   LD_PRELOAD for the services: a sanitizer's library (none)
# All others go to the services as they are; see env.example.
#
# Exit status: 0 after Ctrl-C or SIGTERM, 78 for a bad setting, else 1 and one line that says why.
set -u
umask 077
root=$(cd "$(dirname "$0")/../.." && pwd)
PATH=$PATH:/usr/sbin:/sbin

declare -A address=() # name -> host:port
declare -A is_shown=() # name -> whether its warnings are
drain_s=1             # DRAIN_SECONDS
services=()           # names, in the order they are started
kinds=(auth message presence responder) # of which there may be several
# One host, or several; what has a meaning of its own in a URI is percent-encoded in a password.
MONGO_HOST='([A-Za-z0-9._%-]+|\[[0-9A-Fa-f:.]+])(:[0-9]+)?'
MONGO_URI="^mongodb(\+srv)?://([^@/?]+@)?$MONGO_HOST(,$MONGO_HOST)*(/[^@/?]*)?(\?[^@]*)?$"
. "$root/deploy/local/supervise.sh"
. "$root/deploy/local/orders.sh"

# ---- settings --------------------------------------------------------------------------
whole_number() { # name, value, least, most
	[[ $2 =~ ^(0|[1-9][0-9]{0,8})$ ]] && (($2 >= $3 && $2 <= $4)) ||
		die $EX_CONFIG "$1 must be a whole number from $3 to $4, not '$2'"
}

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
	[ -n "$redis_url" ] || command -v redis-server >/dev/null || missing+=" redis-server"
	[ -z "$missing" ] || die 1 "not installed:$missing; deploy/local/install.sh run installs it"
	for program in auth.so message.so presence.so llm-responder gateway-follow; do
		[ -e "$build/$program" ] || die 1 "$build/$program is not built; make builds it"
	done
	"$root/deploy/audit/audit.sh" --warn
}

read_settings() {
	local name

	port=${PORT:-5000}
	whole_number PORT "$port" 1 65535
	for name in AUTH MESSAGE PRESENCE; do
		whole_number "${name}_INSTANCES" "$(instances "$name")" 1 64
	done
	whole_number RESPONDER_INSTANCES "$(instances RESPONDER)" 0 64
	whole_number REDIS_PORT "${REDIS_PORT:-0}" 0 65535
	whole_number GATEWAY_HTTP_PORT "${GATEWAY_HTTP_PORT:-0}" 0 65535
	whole_number DRAIN_SECONDS "${DRAIN_SECONDS:-1}" 0 600
	drain_s=${DRAIN_SECONDS:-1}
	data=$(absolute "${DATA_DIR:-$root/data}")
	run=$(absolute "${RUN_DIR:-$data/run}")
	build=$(absolute "${BUILD_DIR:-$root/build}")
	bind=${GATEWAY_BIND:-127.0.0.1 [::1]}
	for name in WWW_DIR GATEWAY_TLS_CERT GATEWAY_TLS_KEY; do
		[ -z "${!name:-}" ] || export "$name=$(absolute "${!name}")"
	done

	redis_url=${REDIS_URL:-}
	if [ -n "${REDIS_URL_FILE:-}" ]; then
		[ -z "$redis_url" ] || die $EX_CONFIG "REDIS_URL and REDIS_URL_FILE are both set"
		redis_url=$(cat "$REDIS_URL_FILE" 2>/dev/null) ||
			die $EX_CONFIG "REDIS_URL_FILE names a file that cannot be read"
		[ -n "$redis_url" ] || die $EX_CONFIG "REDIS_URL_FILE names an empty file"
	fi
	refuse_other_redis "${redis_url,,}"
	[[ -z $redis_url || $redis_url =~ ^redis://([^@/]*@)?[^:@/]+(:[0-9]+)?(/[0-9]*)?$ ]] ||
		die $EX_CONFIG "REDIS_URL must look like redis://[:password@]host:port[/db]"
	name=${redis_url##*@}
	[[ ! $name =~ :0*([0-9]+)(/|$) ]] || ((BASH_REMATCH[1] > 0 && BASH_REMATCH[1] < 65536)) ||
		die $EX_CONFIG "REDIS_URL must have a port from 1 to 65535"
	find_mongo
}

# As shared/redis/url.c says it, before anything is started.
refuse_other_redis() { # url in lower case
	case ${1%%:*} in
	*sentinel* | *cluster*)
		die $EX_CONFIG "REDIS_URL names sentinels or a cluster, which Parley does not ask: name one server," \
			"or a proxy (HAProxy) that follows the master, as in redis://:password@host:6379"
		;;
	/* | *unix* | *socket*)
		die $EX_CONFIG "REDIS_URL names a Unix socket, which Parley does not use: let Redis listen on a" \
			"local port, as in redis://:password@127.0.0.1:6379"
		;;
	rediss | valkeys | redis+tls | redis+ssl)
		die $EX_CONFIG "REDIS_URL asks for TLS, which Parley does not speak to Redis: let a tunnel (stunnel," \
			"spiped) beside it do that, and name its local port, as in redis://:password@127.0.0.1:6380"
		;;
	esac
}

# Sets $mongo to hosts and database of the MongoDB to use, for people to read; to nothing where the
# store is SQLite. A password never gets there: what is not clearly a host ends the start.
find_mongo() {
	local name uri= file=

	mongo=
	for name in MONGO_DB_URI MONGODB_URI MONGO_DB_URI_FILE MONGODB_URI_FILE; do
		[ -n "${!name:-}" ] || continue
		uri=${!name}
		[[ $name != *_FILE ]] || uri=$(cat "$uri" 2>/dev/null) ||
			die $EX_CONFIG "$name names a file that cannot be read"
		break
	done
	[ -n "$uri" ] || return 0
	[[ $uri =~ $MONGO_URI ]] ||
		die $EX_CONFIG "$name must look like mongodb://[user:password@]host[:port][,...][/database][?options]"
	mongo=${uri#*://}
	mongo=${mongo%%\?*}
	mongo=${mongo##*@}
}

instances() { # AUTH
	local name=$1_INSTANCES

	echo "${!name:-1}"
}

# One run a folder: two would write the same files. Children do not keep the locks.
take_folders() {
	own_folder DATA_DIR "$data"
	own_folder RUN_DIR "$run"
	exec 8>"$data/lock" 9>"$run/lock"
	flock -n 8 || die 1 "DATA_DIR $data is in use by another run"
	flock -n 9 || die 1 "RUN_DIR $run is in use by another run"
	rm -rf "$run/pids" "$run/gateway" "$run/scale" "$run/logs/previous"
	mkdir -p "$run/logs/previous" "$run/pids" "$run/scale" "$data/redis"
	mv -f "$run"/logs/*.log "$run/logs/previous" 2>/dev/null
}

need_free_port() { # port, name of the setting
	local host

	[ "$1" != 0 ] || return
	for host in $bind; do
		case $host in
		0.0.0.0 | '[::]' | '*') host=127.0.0.1 ;;
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
	((limit > 20256)) || export CONNECTIONS_MAX=${CONNECTIONS_MAX:-$((limit - 256))}
}

# ---- what is started -------------------------------------------------------------------
prepare_redis() {
	local host=$loopback password

	if [ -n "$redis_url" ]; then
		wait_for_redis
	else
		free_port
		[ "${REDIS_PORT:-0}" = 0 ] || {
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
	local host=${redis_url#redis://} port waited=0

	host=${host##*@}
	host=${host%%/*}
	port=${host##*:}
	[ "$port" != "$host" ] || port=6379
	address[redis]=${host%:*}:$port
	until is_listening "${host%:*}" "$port"; do
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

# Writes its configuration and lets nginx try it; on failure why, and by which setting, in REPLY.
render_gateway() { # prefix
	local why name=gateway

	REPLY=$("$root/gateway/render.sh" "$1" 2>&1) || return
	why=$(nginx -t -q -p "$1" -e stderr -c conf/nginx.conf 2>&1) && return
	why=$(grep -m 1 emerg <<<"$why" || echo "$why")
	case $why in
	*'certificate key'* | *PrivateKey*) name=GATEWAY_TLS_KEY ;;
	*certificate*) name=GATEWAY_TLS_CERT ;;
	*'invalid network'*) name=GATEWAY_TRUSTED_PROXIES ;;
	*listen*) name=GATEWAY_BIND ;;
	esac
	REPLY="$name: $why"
	return 1
}

prepare_gateway() {
	local host

	render_gateway "$run/gateway" || die $EX_CONFIG "$REPLY"
	ln -sfn ../gateway/logs/access.log "$run/logs/access.log"
	services+=(follower gateway)
	host=${bind%% *}
	case $host in
	0.0.0.0 | '[::]' | '*') host=127.0.0.1 ;;
	esac
	own_url=http${GATEWAY_TLS_CERT:+s}://$host:$port
}

prepare() {
	local i kind

	prepare_redis
	for kind in "${kinds[@]}"; do
		for ((i = 1; i <= $(instances "${kind^^}"); i++)); do
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
	export INSTANCE=${kind:0:1}$number LISTEN=${address[$1]:-}
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
			"LOG_LEVEL=${LOG_LEVEL:-info}" "$build/gateway-follow" "$run/gateway"
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
	exec setsid setpriv --pdeathsig TERM "$@"
}

# ---- readiness and warnings ------------------------------------------------------------
answers() { # url, status
	[ "$(curl -sk -o /dev/null -m 1 -w '%{http_code}' "$1")" = "$2" ]
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
is_member() { # name
	[[ $1 != @(auth|message|presence)* ]] ||
		grep -qs " ${address[$1]} up\$" "$run/gateway/run/members"
}

are_followed() {
	local name

	for name in "${services[@]}"; do
		is_member "$name" || return
	done
}

is_answering() { # name
	readiness=
	case $1 in
	redis) redis_answers ;;
	gateway) [ "$missing" = "" ] && answers "$own_url/api/users" 401 ;; # through all: the last
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
	setpriv --pdeathsig KILL tail -q -n +1 -F "${files[@]}" 8>&- 9>&- 2>/dev/null \
		> >(exec 8>&- 9>&- grep --line-buffered -E '"lvl":"(warn|error)"|^[^{]') &
	helper_pids+=($!)
}

last_line() { # name
	local line

	line=$(grep -v '^[[:space:]]*$' "$run/logs/$1.log" | tail -n 1)
	[ -n "$line" ] || line=$(tail -n 1 "$run/gateway/logs/error.log" 2>/dev/null)
	echo "${line:-it wrote nothing}"
}

setting_or() { # variable names..., text where none is set
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
		Parley is at http${GATEWAY_TLS_CERT:+s}://localhost:$port
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
need_programs
take_folders
need_free_port "$port" PORT
need_free_port "${GATEWAY_HTTP_PORT:-0}" GATEWAY_HTTP_PORT
make_jwt_secret
# Else the driver of MongoDB leaves a file of counters in /dev/shm whenever a process is killed.
export MONGOC_DISABLE_SHM=1
export NODE_ENV=${NODE_ENV:-development} DATA_DIR=$data DRAIN_SECONDS=${DRAIN_SECONDS:-1}
raise_limits
prepare

supervise
say "stopping"
end_everything
exit 0
