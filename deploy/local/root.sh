# Started as root, a run goes on as another user: sourced by run.sh.
#
#   RUN_USER     whom it is; unset: parley-run, made at the first start, or nobody if that cannot be
#
# What an earlier run left to root below DATA_DIR and RUN_DIR becomes that user's: Parley's own files,
# by their names, and nothing else. The right to listen on ports below 1024 goes along, for nginx alone.
#
# The user has to reach what is served and started, and what settings name. Who cloned this below root's
# home (0700), or gives a certificate that root alone may read, would be left without: then the run stays
# root's, and says why. Not so if RUN_USER is set: that is an error.
#
# From run.sh:  $root, $build, $data, $run, the settings
# To it:        $portless

RUN_USER_OWN=parley-run
drop=()
portless=() # options of setpriv: without the right to low ports, which the run itself may have
((EUID == 0)) || portless=(--inh-caps -all --ambient-caps -all)

# Whose it is to be, in REPLY.
find_run_user() {
	REPLY=${RUN_USER:-$RUN_USER_OWN}
	id "$REPLY" >/dev/null 2>&1 && return
	[ -z "$RUN_USER" ] || die $EX_CONFIG "RUN_USER: there is no user $RUN_USER"
	useradd --system --user-group --no-create-home --home-dir /nonexistent \
		--shell /usr/sbin/nologin "$REPLY" >/dev/null 2>&1
	id "$REPLY" >/dev/null 2>&1 || REPLY=nobody
	id "$REPLY" >/dev/null 2>&1 || REPLY=65534 # no accounts at all
}

needs_low_port() {
	((PORT < 1024 || (GATEWAY_HTTP_PORT > 0 && GATEWAY_HTTP_PORT < 1024)))
}

make_drop() { # user
	local user=$1 group caps=-all

	group=$(id -g "$user" 2>/dev/null) || group=65534
	needs_low_port && caps=-all,+net_bind_service
	drop=(setpriv --reuid "$user" --regid "$group" --clear-groups --pdeathsig keep
		--inh-caps "$caps" --ambient-caps "$caps" --bounding-set "$caps")
}

# A folder that is not there is the user's, its parents everybody's to pass.
make_folder() { # path
	(umask 022 && mkdir -p "${1%/*}") 2>/dev/null
	[ -d "$1" ] || mkdir "$1" 2>/dev/null
}

# An earlier run as root may still go on.
is_in_use() { # folder
	[ -e "$1/lock" ] && ! flock -n "$1/lock" true
}

make_folders() {
	make_folder "$data"
	! is_in_use "$data" || die 1 "DATA_DIR $data is in use by another run"
	make_folder "$run"
	! is_in_use "$run" || die 1 "RUN_DIR $run is in use by another run"
}

# What Parley keeps in a folder, as conditions of find.
of_data=(-name 'parley.db*' -o -name 'jwt.secret*' -o -name redis -o -name lock)
of_run=(-name logs -o -name pids -o -name scale -o -name handover -o -name 'gateway*' -o -name lock -o -name 'redis.*'
	-o -name targets.json -o -name '*[0-9]')

# The folder only if all that is in it is ours, and that only if the folder is the user's then. No link is
# followed, and what is another's stays theirs.
hand_over() { # user, folder, conditions...
	local user=$1 folder

	folder=$(readlink -f "$2")
	shift 2
	[ -d "$folder" ] || return 0
	[ -n "$(find "$folder" -mindepth 1 -maxdepth 1 ! \( "$@" -o -name run -o -name '*.partial' \) -print -quit)" ] ||
		chown -h --from=0 "$user:" "$folder"
	[ "$(stat -c %u "$folder")" = "$(id -u "$user" 2>/dev/null || echo "$user")" ] || return 0
	find "$folder" -mindepth 1 -maxdepth 1 \( "$@" \) -exec chown -RhP --from=0 "$user:" {} +
}

hand_all_over() { # user
	hand_over "$1" "$data" "${of_data[@]}"
	hand_over "$1" "$run" "${of_run[@]}"
}

# What the user cannot do of what it has to, in REPLY; as that user, for only the kernel knows. The last line
# is the reason, and the status tells whether there is one: a linker or bash may warn of something else before.
is_kept_out() {
	local name reads=("$build"/{auth,message,presence}.so "$build/gateway-follow" "$0")

	for name in JWT_SECRET JWT_SECRET_PREVIOUS REDIS_URL MONGO_DB_URI MONGODB_URI LLM_API_URL LLM_API_TOKEN LLM_API_KEY; do
		name=${name}_FILE
		reads+=("${!name:-}")
	done
	reads+=("$GATEWAY_TLS_CERT" "$GATEWAY_TLS_KEY" ${SERVICE_PRELOAD:-})
	REPLY=$("${drop[@]}" "$BASH" -c '
		no() {
			echo "cannot $*"
			exit 1
		}
		run() { # a program
			[ -x "$1" ] || no start "$1"
		}
		enter() { # the folder of a path
			local at= rest=${1#/}

			while [[ $rest == */* ]]; do
				at=$at/${rest%%/*} rest=${rest#*/}
				[ ! -d "$at" ] || [ -x "$at" ] || no enter "$at"
			done
		}
		enter "$1"
		enter "$2/"
		run "$2/llm-responder"
		run "$2/parley-settings"
		run "$3/gateway/render.sh"
		run "$3/gateway/put_page.sh"
		for folder in "$3/gateway" "${4:-$3/gateway/web}"; do
			enter "$folder/"
			closed=$(find "$folder" \( ! -readable -o -type d ! -executable \) -print -quit 2>/dev/null)
			[ -z "$closed" ] || no read "$closed"
		done
		shift 4
		for file in "$@"; do
			[ -z "$file" ] || [ ! -e "$file" -a -r "${file%/*}" ] || [ -r "$file" ] ||
				no read "$file"
		done' drop "$data" "$build" "$root" "$WWW_DIR" "${reads[@]}" 2>&1) && return 1
	REPLY=${REPLY##*$'\n'}
}

# As that, of the two folders, once they are handed over.
cannot_write() {
	REPLY=$("${drop[@]}" "$BASH" -c '
		for folder in "$@"; do
			[ -w "$folder" ] && [ -x "$folder" ] || { echo "cannot write to the folder $folder"; exit 1; }
		done' drop "$data" "$run" 2>&1) && return 1
	REPLY=${REPLY##*$'\n'}
}

# As root: goes on as another user, from the beginning.
drop_root() {
	local user kind

	[ "$EUID" = 0 ] && [ "$RUN_USER" != root ] || return 0
	find_run_user
	user=$REPLY
	[ "$(id -u "$user" 2>/dev/null)" != 0 ] || return 0
	make_drop "$user"
	make_folders
	if is_kept_out || { hand_all_over "$user"; cannot_write; }; then
		[ -z "$RUN_USER" ] || die $EX_CONFIG "RUN_USER: $user $REPLY"
		say "runs as root, for the user $user $REPLY; RUN_USER=root says that this is meant"
		drop=()
		return 0
	fi
	# It is told of old names once.
	for kind in AUTH MESSAGE PRESENCE RESPONDER; do
		unset "${kind}_INSTANCES"
		export "${kind}_PROCESSES"
	done
	say "goes on as the user $user"
	HOME=/nonexistent exec "${drop[@]}" "$BASH" "$0"
}
