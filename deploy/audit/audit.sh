#!/bin/bash
# What Parley stands on here, against the least versions that are safe (least.tsv):  make audit
#
#   audit.sh          a line each; status 1 if one is too old
#   audit.sh --warn   only what is too old, and status 0: for a start
#
# A package that is not installed is passed over, because not every machine runs every part.
set -u
cd "$(dirname "$0")" || exit 2
warn=${1:-}
old=0

if ! command -v dpkg-query >/dev/null; then
	[ "$warn" = --warn ] && exit 0
	echo "audit: this is no Debian; least.tsv has the versions to compare by hand" >&2
	exit 2
fi

while IFS=$'\t' read -r package least advisory; do
	[[ $package = \#* ]] && continue
	installed=$(dpkg-query -W -f='${Version}' "$package" 2>/dev/null)
	[ -n "$installed" ] || continue
	verdict=ok
	if [ "$least" != - ] && dpkg --compare-versions "$installed" lt "$least"; then
		verdict="too old: $advisory, closed in $least"
		old=$((old + 1))
	fi
	if [ "$warn" != --warn ]; then
		printf '%-22s %-26s %s\n' "$package" "$installed" "$verdict"
	elif [ "$verdict" != ok ]; then
		echo "parley: $package $installed is $verdict; apt-get upgrade mends it" >&2
	fi
done <least.tsv
[ "$warn" = --warn ] || [ "$old" -eq 0 ]
