#!/bin/bash
# The checks that run no code of ours but the settings tool:  make lint
# One line a check; what one found stands below it.
set -u
cd "$(dirname "$0")/../.." || exit 1

fail=0
check() { # title, command...
	local title=$1 output
	shift
	if output=$("$@" 2>&1); then
		echo "ok    $title"
	else
		echo "FAIL  $title"
		printf '%s\n' "$output" | sed 's/^/      | /'
		fail=1
	fi
}

formatted() {
	git ls-files -z '*.c' '*.h' | xargs -0 clang-format --dry-run -Werror
}

# clang builds in a folder of its own; -Werror stands in the Makefile.
with_clang() {
	make -s -j"$(nproc)" B=build/clang CC=clang all
}

check "format" formatted
check "layers" tests/lint/layers.sh
check "banned calls" tests/lint/banned.sh
check "times of the gateway" tests/lint/times.sh
check "READMEs of the rooms" tests/lint/readmes.sh
check "gcc -Werror" make -s -j"$(nproc)" all
check "public functions in use" tests/lint/unused.sh
check "clang -Werror" with_clang
check "fuzz targets compile" make -s fuzz-compiles
check "clang-tidy" make -s -k -j"$(nproc)" lint-tidy
check "gcc -fanalyzer" make -s -k -j"$(nproc)" lint-analyzer
check "cppcheck" make -s -k -j"$(nproc)" lint-cppcheck
check "the same bytes in any folder" tests/lint/same_bytes.sh
check "README and env.example" tests/lint/current.sh
check "settings are judged in one place" tests/lint/settings.sh
check "limits and their tests" tests/lint/limits.sh
exit "$fail"
