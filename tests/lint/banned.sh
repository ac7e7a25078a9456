#!/bin/bash
# Calls that have no place in the code that we ship, each with what to use instead. Prints where they are.
set -u
cd "$(dirname "$0")/../.." || exit 1

fail=0
ban() { # pattern, reason
	local found

	# A word of its own that is called; comments and strings count too: say it otherwise.
	found=$(grep -rnE --include='*.[ch]' "(^|[^A-Za-z0-9_>.])($1)[[:space:]]*\(" \
		shared services gateway deploy)
	[ -n "$found" ] || return
	printf '%s\n' "$found" | sed "s/\$/    <- $2/"
	fail=1
}

ban 'sprintf|vsprintf|strcpy|strcat|strncpy|strncat|stpcpy|gets' 'snprintf, or pl_buf'
ban 'strtok|strtok_r|strsep' 'pl_str'
ban 'atoi|atol|atoll|atof|scanf|sscanf|fscanf' 'pl_str_to_u64'
ban 'alloca' 'pl_mem'
ban 'system|popen|execlp|execvp' 'nothing: services start no programs'
ban 'tmpnam|tempnam|mktemp' 'mkstemp'
ban 'rand|random|srand|drand48' 'pl_random'
ban 'localtime|gmtime|asctime|ctime' 'pl_clock'
exit "$fail"
