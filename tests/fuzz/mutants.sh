#!/bin/bash
# Does each target find the bugs that are planted for it?  make fuzz-mutants
#
# For each of mutants.list, the file is built with the bug in it, and its target searches from the seeds
# for SECONDS_EACH at most. A bug that is not found has escaped; so has one whose text is no longer there
# once, for then the list has to follow the code. Started by fuzz.mk, which gives COMPILE, LINK and LIBS.
#
#   ONLY="jwt sio"   the bugs of these targets
set -u
cd "$(dirname "$0")/../.." || exit 1

list=tests/fuzz/mutants.list
out=build/fuzz/mutants
found=0
escaped=0

says() { # verdict, reason
	printf '%s  %s %s: %s\n' "$1" "$target" "$file" "$2"
	if [ "$1" = found ]; then
		found=$((found + 1))
	else
		escaped=$((escaped + 1))
	fi
}

# The file with the bug in it, and the target made of it.
plant() { # what stands there, what shall
	local text rest object=build/fuzz/${file%.c}.o

	text=$(cat "$file" && echo .)
	text=${text%.}
	rest=${text#*"$1"}
	[ "$rest" != "$text" ] && [[ $rest != *"$1"* ]] || return 2
	printf '%s' "${text%%"$1"*}$2$rest" >"$out/mutant.c"
	# shellcheck disable=SC2086 # lists
	$COMPILE -iquote "$(dirname "$file")" -w -c "$out/mutant.c" -o "$out/mutant.o" 2>"$out/build.log" || return 1
	objects=$(cat "build/fuzz/fuzz_$target.objects")
	# First, so that an archive's own object of that file is not taken.
	# shellcheck disable=SC2086
	$LINK -o "$out/mutant" "$out/mutant.o" ${objects/"$object"/} build/fuzz/libparley.a $LIBS 2>"$out/build.log"
}

# Finds an input that fails with the bug, in $out/input.
search() {
	rm -rf "$out/corpus" "$out/input"
	mkdir "$out/corpus"
	# shellcheck disable=SC2086
	! "$out/mutant" -max_total_time="$SECONDS_EACH" $FLAGS -exact_artifact_path="$out/input" \
		$([ -e "tests/fuzz/$target.dict" ] && echo "-dict=tests/fuzz/$target.dict") \
		"$out/corpus" "tests/fuzz/corpus/$target" </dev/null >"$out/run.log" 2>&1
}

try() { # what stands there, what shall
	local begin=$SECONDS

	plant "$1" "$2"
	case $? in
	0) ;;
	2) says ESCAPED "not there once: $1" && return ;;
	*) says ESCAPED "does not build: $(head -n 3 "$out/build.log")" && return ;;
	esac
	if ! search; then
		says ESCAPED "$2"
	elif [ ! -e "$out/input" ]; then
		says ESCAPED "did not run: $(tail -n 1 "$out/run.log")"
	elif ! "build/fuzz/fuzz_$target" "$out/input" </dev/null >"$out/run.log" 2>&1; then
		says ESCAPED "what was found fails without the bug, too: build/fuzz/fuzz_$target $out/input"
	else
		says found "in $((SECONDS - begin)) s: $2"
	fi
}

mkdir -p "$out"
while IFS= read -r line; do
	case $line in
	'' | \#*) ;;
	-*) from=${line#-} ;;
	+*) [[ -n "${ONLY:-}" && " $ONLY " != *" $target "* ]] || try "$from" "${line#+}" ;;
	*) read -r target file <<<"$line" ;;
	esac
done <"$list"
echo "fuzz-mutants: $found found, $escaped escaped"
[ "$found" -gt 0 ] && [ "$escaped" -eq 0 ]
