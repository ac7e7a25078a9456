#!/bin/bash
# What the table of settings says no script says again: it asks parley-settings. Prints what breaks
# this, one line each.
#
# Of scripts, units, images and manifests, without comments:
#   - no default of a setting, ${NAME:-5000}; one that is computed begins with $
#   - no line with a setting's name and its greatest value or its default, if these have two digits
#   - no greatest value of seven digits, or of five that is not round, anywhere: such a number is hardly
#     anything else
#   - no words by which a value is refused
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

# file and name: a default of its own, as deploy/README.md says; Compose cannot ask; of LLM_API_URL, what
# stands for it if a token alone is set
allowed='
deploy/local/run.sh LLM_API_URL
deploy/local/run.sh NODE_ENV
deploy/local/run.sh DRAIN_SECONDS
docker-compose.yml NODE_ENV
docker-compose.yml PORT
'

mapfile -t files < <(git ls-files 'deploy/*.sh' 'deploy/debian/parley.p*' deploy/debian/rules 'deploy/docker/*' \
	'deploy/systemd/*' 'deploy/k8s/*' gateway/render.sh docker-compose.yml)

build/parley-settings --markdown | awk -v allowed="$allowed" '
	BEGIN {
		n = split(allowed, rows, "\n")
		for (i = 1; i <= n; i++)
			own[rows[i]] = 1
	}
	function complain(what) {
		print FILENAME ":" FNR ": " what
		fail = 1
	}
	# Does the number stand in text by itself?
	function has(text, number) {
		return match(text, "(^|[^0-9A-Za-z_.])" number "([^0-9A-Za-z_]|$)")
	}
	function is_telling(number) {
		return length(number) > 6 || (length(number) > 4 && number !~ /000$/)
	}
	# | `NAME` (or `ALIAS`) | `default` | 1 to 65535 | readers | sentence |
	FILENAME == "-" {
		split($0, cell, "|")
		if (match(cell[2], /`[A-Z_]+`/) == 0)
			next
		name = substr(cell[2], RSTART + 1, RLENGTH - 2)
		preset[name] = cell[3] ~ /^ `[0-9][0-9]+` $/ ? substr(cell[3], 3, length(cell[3]) - 4) : ""
		most[name] = ""
		if (match(cell[4], /to [0-9][0-9]+/))
			most[name] = substr(cell[4], RSTART + 3, RLENGTH - 3)
		next
	}
	/^[ \t]*#/ { next }
	/must be (a|one of|[0-9])|must be .*(letters|digits)|must not hold/ {
		complain("refuses a value, which is for parley-settings")
	}
	{
		for (name in most) {
			if (is_telling(most[name]) && has($0, most[name])) {
				complain(most[name] " is the most of " name)
				break
			}
		}
		for (name in most) {
			if (match($0, "(^|[^A-Z_])" name "([^A-Z_]|$)") == 0)
				continue
			is_own = (FILENAME " " name) in own
			if (!is_own && match($0, "[{]" name ":?[-=][^$}]"))
				complain("a default of " name)
			else if (!is_own && preset[name] != "" && has($0, preset[name]))
				complain("the default of " name)
			if (most[name] != "" && !is_telling(most[name]) && has($0, most[name]))
				complain("the most of " name)
		}
	}
	END { exit fail }' - "${files[@]}"
