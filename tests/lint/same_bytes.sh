#!/bin/bash
# Builds in two folders are equal bytes: nothing that is built holds the path of its folder.
# Some objects are built in two copies of the sources, and compared.
set -eu
cd "$(dirname "$0")/../.."
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
# With asserts, which name their file; with a script of Lua built in; one that knows kore.
objects=(build/shared/loop/loop.o build/shared/online/set.o build/shared/http/service.o)

for copy in "$dir/one" "$dir/two/deeper"; do
	mkdir -p "$copy"
	git ls-files -z Makefile shared deploy/local/install.sh | xargs -0 cp --parents -t "$copy"
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -s -C "$copy" "${objects[@]}" >/dev/null
done
for object in "${objects[@]}"; do
	cmp "$dir/one/$object" "$dir/two/deeper/$object"
done
