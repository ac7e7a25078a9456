#!/bin/bash
# The texts that lead into the tree are true to it:
#
#   every folder of shared/    has a README.md of at most 30 lines, whose "May include:" names the
#                              rooms that layers.sh lets it include, in that order
#   these and the other texts  name no file or folder that is not there
#
# A name is a word in backquotes that looks like a path, or the target of a link. It is looked
# for beside the text, in the root, and in the places that the texts speak of by short names.
# Prints what breaks this, one line each.
set -u
cd "$(dirname "$0")/../.." || exit 1

LINES_MAX=30
PLACES=". shared services services/* tests/e2e tests/contract"
TEXTS="README.md CONTRIBUTING.md docs/*.md services/README.md gateway/README.md"

fail=0
complain() {
	echo "$1"
	fail=1
}

# The rows of layers.sh: below[room] is what the room may include besides itself.
eval "$(sed -n '/^pure=/p; /^declare -A below=(/,/^)/p' tests/lint/layers.sh)"
rooms=${!below[*]}

is_there() { # text, name
	local place
	for place in "$(dirname "$1")" $PLACES; do
		[ -e "$place/$2" ] || [ -e "$place/$2.h" ] || [ -e "$place/$2.c" ] && return
	done
	return 1
}

is_path() { # name
	local first=${1%%/*}
	[[ $1 =~ ^[A-Za-z0-9_./-]+$ && $1 != /* ]] || return 1
	[[ $1 =~ [a-z0-9_]\.(c|h|lua|sh|md|mjs)$ || $1 =~ ^\.\./ ]] && return
	[[ $1 == */?* && " $rooms shared services docs " == *" $first "* ]]
}

check_names() { # text
	local name
	while read -r name; do
		is_path "$name" || continue
		is_there "$1" "$name" || complain "$1 names $name, which is not there"
	done < <(grep -oE '`[^` ]+`' "$1" | tr -d '`' | sort -u)
	while read -r name; do
		name=${name%%#*}
		[[ -z $name || $name == *:* ]] && continue
		[ -e "$(dirname "$1")/$name" ] || complain "$1 links to $name, which is not there"
	done < <(grep -oE '\]\([^)]+\)' "$1" | sed 's/^](//; s/)$//' | sort -u)
}

# "May include: `base`, `loop`." of a README, perhaps over two lines, as "base loop".
said_below() { # text
	tr '\n' ' ' <"$1" | sed -n 's/.*May include: \([^.]*\)\..*/\1/p' | tr -d '`,' | tr -s ' '
}

check_floor() { # folder, its README
	local room=${1#shared/} want
	room=${room%%/*}
	want=${below[$room]-}
	[ "$1" = shared/redis/lua ] && want=
	[ "$(said_below "$2")" = "${want:-nothing}" ] ||
		complain "$2 must say \"May include:\" as layers.sh does: ${want:-nothing}"
}

while read -r folder; do
	text=$folder/README.md
	if [ ! -f "$text" ]; then
		complain "$folder has no README.md"
		continue
	fi
	lines=$(wc -l <"$text")
	[ "$lines" -le "$LINES_MAX" ] || complain "$text has $lines lines, more than $LINES_MAX"
	[ "$folder" = shared ] || check_floor "$folder" "$text"
	check_names "$text"
done < <(find shared -type d ! -empty)
for text in $TEXTS; do
	check_names "$text"
done
exit "$fail"
