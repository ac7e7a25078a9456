#!/bin/sh
# Puts a page in the place of the one that is being served: each file whole, and the one that names the
# others last. Pages that are open go on with the modules of their version, for a week from now.
#
#   usage: put_page.sh NEW PAGE        two folders of one file system; NEW is gone afterwards
set -eu
new=$1
page=$2
mkdir -p "$page/v"
shown=$(sed -n 's,.*"/v/\([0-9a-f]*\)/.*,\1,p' "$page/index.html" 2>/dev/null | head -n 1)
for version in "$new"/v/*; do
	[ -e "$page/v/${version##*/}" ] || mv "$version" "$page/v"
	for kept in "$shown" "${version##*/}"; do
		[ -z "$kept" ] || [ ! -d "$page/v/$kept" ] || touch "$page/v/$kept"
	done
done
rm -rf "$new/v"
(cd "$new" && find . -type d) | while IFS= read -r folder; do
	mkdir -p "$page/$folder"
done
(cd "$new" && find . -type f ! -path ./index.html) | while IFS= read -r file; do
	mv -f "$new/$file" "$page/$file"
done
mv -f "$new/index.html" "$page/index.html"
rm -rf "$new"
find "$page/v" -mindepth 1 -maxdepth 1 -mtime +7 -exec rm -rf {} +
