#!/bin/bash
# Which file may include what, read from the include lines.
#
#   base <- proto auth model ops loop <- store bus <- web <- services
#
# A layer includes itself and those below it; no service includes another; each third-party
# header stands in one module's .c files only. Prints what breaks this, one line each.
set -u
cd "$(dirname "$0")/../.." || exit 1

# layer: the layers it may include besides itself
declare -A below=(
	[base]=""
	[proto]="base" [auth]="base" [model]="base" [ops]="base" [loop]="base"
	[store]="base proto auth model ops loop"
	[redis]="base ops loop"
	[bus]="base proto auth model ops loop redis"
	[processes]="base ops loop redis bus"
	[online]="base ops loop redis bus processes"
	[web]="base proto auth model ops loop store redis bus processes online"
)
layers="base proto auth model ops loop store redis bus processes online web"

# third-party header, and the files that may include it; both are patterns
third_party='
jansson\.h              shared/base/json[a-z_]*\.c
utf8proc\.h             shared/base/utf8\.c
sodium\.h               shared/(base/(map|mem|random)|auth/(jwt|password))\.c
openssl/.*              shared/(proto/ws_handshake|redis/script)\.c
jwt\.h                  shared/auth/jwt\.c
crypt\.h                shared/services/auth/password\.c
hiredis/.*              shared/redis/[a-z_]*\.[ch]
sqlite3\.h              shared/store/sqlite[a-z_]*\.[ch]
(mongoc|bson)/.*        shared/store/mongo[a-z_]*\.[ch]
curl/.*                 services/llm-responder/[a-z_]*\.[ch]
(kore/)?(kore|http)\.h  shared/(http|sockets)/[a-z_]*\.[ch]
'

fail=0
complain() {
	echo "$1"
	fail=1
}

check_own() { # file, layer of the file or a service, header
	local file=$1 layer=$2 header=$3 target=${3%%/*}

	case " $layers " in
	*" $target "*) ;;
	*)
		[ -e "$(dirname "$file")/$header" ] && return
		complain "$file: \"$header\" is neither a layer's nor beside it"
		return
		;;
	esac
	[ "$layer" = service ] || [ "$layer" = "$target" ] && return
	case " ${below[$layer]} " in
	*" $target "*) ;;
	*) complain "$file: $layer must not include \"$header\"" ;;
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
	shared/*) layer=${file#shared/} layer=${layer%%/*} ;;
	*) layer=service ;;
	esac
	header=${line#*[<\"]}
	header=${header%%[>\"]*}
	case $line in
	*\"*) check_own "$file" "$layer" "$header" ;;
	*) check_third_party "$file" "$header" ;;
	esac
done < <(grep -rE --include='*.[ch]' '^#[[:space:]]*include' shared services gateway)
exit "$fail"
