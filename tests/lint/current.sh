#!/bin/bash
# What is generated from the settings table and kept in the tree is as the table says now.
# With --write it is made so.
#
#   README.md                   between the two markers
#   deploy/local/env.example    whole
set -u
cd "$(dirname "$0")/../.." || exit 1

tool=build/parley-settings
begin='<!-- settings: begin -->'
end='<!-- settings: end -->'
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT

"$tool" --env >"$new/env.example" || exit 1
"$tool" --markdown >"$new/table" || exit 1
grep -qF "$begin" README.md && grep -qF "$end" README.md || {
	echo "README.md has lost its markers: $begin $end"
	exit 1
}
{
	sed "/^$begin\$/q" README.md
	printf '\n'
	cat "$new/table"
	printf '\n'
	sed -n "/^$end\$/,\$p" README.md
} >"$new/README.md"

fail=0
for pair in README.md:README.md env.example:deploy/local/env.example; do
	file=${pair#*:}
	cmp -s "$new/${pair%%:*}" "$file" && continue
	if [ "${1:-}" = --write ]; then
		cp "$new/${pair%%:*}" "$file"
	else
		echo "$file is not as the settings table says: tests/lint/current.sh --write"
		fail=1
	fi
done
exit "$fail"
