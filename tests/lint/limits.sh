#!/bin/bash
# Each row of docs/limits.md names tests that are there, and settings that are. Prints what breaks this, one
# line each.
set -u
cd "$(dirname "$0")/../.." || exit 1

fail=0
bad() {
	echo "docs/limits.md: $*"
	fail=1
}

settings=$(build/parley-settings --env) || exit 1
while IFS='|' read -r _ what _ setting _ _ tests _; do
	found=$(grep -o '`tests/[^`]*`' <<<"$tests" | tr -d '`')
	[ -n "$found" ] || bad "no test:$what"
	for file in $found; do
		[ -f "$file" ] || bad "$file is not there:$what"
	done
	for name in $(grep -o '`[A-Z][A-Z0-9_]*`' <<<"$setting" | tr -d '`'); do
		grep -q "^#\?$name=" <<<"$settings" || bad "$name is no setting:$what"
	done
done < <(grep '^|' docs/limits.md | grep -v '^| \(what\|---\)')
exit "$fail"
