#!/bin/bash
# Which file may include what, read from the include lines.
#
#   base <- proto auth model ops loop <- store, redis <- bus <- processes <- online
#        <- limits, session, health <- sending <- http <- sockets <- services
#
# A room includes itself and those that its row names. A service includes rooms, what stands beside a
# file, and its own files by the service's name ("presence/hub.h"); no service includes another.
# The files of a service go round in no circle: a header and its source count as one, and what an
# upper one should hear a lower one says by a callback. Each third-party header stands in one
# module's files only. Prints what breaks this, one line each.
set -u
cd "$(dirname "$0")/../.." || exit 1

# room: the rooms it may include besides itself
pure="base proto auth model ops loop"
declare -A below=(
	[base]=""
	[proto]="base" [auth]="base" [model]="base" [ops]="base" [loop]="base"
	[store]="$pure"
	[redis]="base ops loop"
	[bus]="$pure redis"
	[processes]="base ops loop redis bus"
	[online]="base ops loop redis bus processes"
	[limits]="base ops loop redis"
	[session]="$pure store bus"
	[health]="base loop store redis bus"
	[sending]="$pure store redis bus processes online limits"
	[http]="$pure store redis bus processes online limits session health"
	[sockets]="$pure limits session http"
)
rooms="${!below[*]}"

# third-party header, and the files that may include it; both are patterns
third_party='
jansson\.h              shared/base/json[a-z_]*\.c
utf8proc\.h             shared/base/(utf8|fold)\.c
sodium\.h               (shared/(base/(digest|map|mem|random)|auth/(jwt|first_text))|services/auth/password)\.c
openssl/.*              shared/(proto/ws_handshake|redis/script)\.c
jwt\.h                  shared/auth/jwt\.c
crypt\.h                services/auth/password\.c
png\.h                  services/auth/avatar/png\.c
(jpeglib|jerror)\.h     services/auth/avatar/jpeg\.c
webp/.*                 services/auth/avatar/webp\.c
hiredis/.*              shared/redis/[a-z_]*\.[ch]
sqlite3\.h              shared/store/sqlite/[a-z_]*\.[ch]
(mongoc|bson)/.*        shared/store/mongo/[a-z_]*\.[ch]
curl/.*                 services/llm-responder/http_post\.[ch]
microhttpd\.h           services/llm-responder/ops_server\.c
(kore/)?(kore|http)\.h  shared/(http|sockets)/[a-z_]*\.[ch]
'

fail=0
edges= # "FILE FILE", without their ends: the first includes the second, of the same service
complain() {
	echo "$1"
	fail=1
}

check_own() { # file, room of the file or a service, header
	local file=$1 room=$2 header=$3 target=${3%%/*}

	case " $rooms " in
	*" $target "*) ;;
	*)
		if [ -e "$(dirname "$file")/$header" ]; then
			edges+="${file%.*} $(dirname "$file")/${header%.*}"$'\n'
			return
		elif [[ $file == "services/$target/"* && -e services/$header ]]; then
			edges+="${file%.*} services/${header%.*}"$'\n'
			return
		fi
		complain "$file: \"$header\" is neither a room's, beside it, nor its service's"
		return
		;;
	esac
	# A folder of a service may be named as a room is: then the compiler would look there first.
	[ -e "shared/$header" ] || complain "$file: \"$header\" is not in shared/"
	[ "$room" = service ] || [ "$room" = "$target" ] && return
	case " ${below[$room]} " in
	*" $target "*) ;;
	*) complain "$file: $room must not include \"$header\"" ;;
	esac
}

check_third_party() { # file, header
	local file=$1 header=$2 pattern homes

	while read -r pattern homes; do
		[[ -n $pattern && $header =~ ^($pattern)$ ]] || continue
		[[ $file =~ ^($homes)$ ]] || complain "$file: <$header> belongs behind its own module"
	done <<<"$third_party"
}

while IFS=: read -r file line; do
	case $file in
	shared/*) room=${file#shared/} room=${room%%/*} ;;
	*) room=service ;;
	esac
	header=${line#*[<\"]}
	header=${header%%[>\"]*}
	case $line in
	*\"*) check_own "$file" "$room" "$header" ;;
	*) check_third_party "$file" "$header" ;;
	esac
done < <(grep -rE --include='*.[ch]' '^#[[:space:]]*include' shared services gateway)
circle=$(tsort <<<"$edges" 2>&1 >/dev/null) ||
	complain "a circle:"$'\n'"$(sed -n 's/^tsort: services/  services/p' <<<"$circle")"
exit "$fail"
