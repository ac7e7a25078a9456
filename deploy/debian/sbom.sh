#!/bin/bash
# What Parley is made of, as CycloneDX 1.5 in JSON:  make sbom  writes build/sbom.json
#
#   BUILD_DIR   where Parley was built (./build)
#
# Each program and module that was built, with the libraries that ldd finds for it; kore, which loads the
# modules, nginx and Redis. Of each the Debian package and its version, as dpkg has them on this machine.
# JavaScript is no part of it: tests/package.json is for tests alone. The same build on the same
# packages gives the same bytes; its time is that of debian/changelog.
set -eu -o pipefail
cd "$(dirname "$0")/../.."
build=${BUILD_DIR:-build}
PATH=$PATH:/usr/sbin

die() {
	echo "sbom: $*" >&2
	exit 1
}

# ---- what there is ----------------------------------------------------------------------
built=() # the modules first
for file in {auth,message,presence}.so llm-responder gateway-follow \
	parley-settings parley-migrate parley-backup parley-adopt parley-admin; do
	[ -e "$build/$file" ] || die "$build/$file is not there: make"
	built+=("$file")
done
[ ! -e "$build/gateway-tunnel.so" ] || built+=(gateway-tunnel.so)
declare -A libraries # of what is built: the files, one a line
files=()
for file in "${built[@]}"; do
	libraries[$file]=$(ldd "$build/$file" |
		sed -n 's/.* => \(\/[^ ]*\) .*/\1/p; s/^[[:space:]]*\(\/[^ ]*\) .*/\1/p')
	mapfile -t -O ${#files[@]} files <<<"${libraries[$file]}"
done
declare -A path_of
for program in kore nginx redis-server; do
	path_of[$program]=$(command -v $program) || die "$program is not there"
	files+=("${path_of[$program]}")
done

# ---- of which packages ------------------------------------------------------------------
# Three paths of a file, where /lib is a link to /usr/lib: dpkg knows the one that the package has.
names_of() { # file
	local real
	real=$(readlink -f "$1")
	printf '%s\n' "$1" "$real" "${real#/usr}"
}

declare -A package_at # path: package
mapfile -t files < <(printf '%s\n' "${files[@]}" | sort -u)
mapfile -t paths < <(for file in "${files[@]}"; do names_of "$file"; done | sort -u)
while read -r line; do
	package_at[${line##*: }]=${line%%[:,]*}
done < <(dpkg-query -S "${paths[@]}" 2>/dev/null || true)

declare -A ref_at # file: the component of its package
declare -A versions
while read -r name version arch; do
	[[ $name$version$arch =~ ^[A-Za-z0-9.+:~-]+$ ]] || die "$name $version $arch is no package"
	ref=$name@${version//:/%3A}?arch=$arch
	versions[$name]="pkg:deb/debian/${ref//+/%2B} $version"
done < <(dpkg-query -W -f '${Package} ${Version} ${Architecture}\n' "${package_at[@]}")

declare -A rows # component: what is said of it
for file in "${files[@]}"; do
	package=
	for name in $(names_of "$file"); do
		package=${package:-${package_at[$name]:-}}
	done
	[ -n "$package" ] || die "no package has $file"
	read -r ref version <<<"${versions[$package]}"
	ref_at[$file]=$ref
	type=library
	[[ " ${path_of[*]} " != *" $file "* ]] || type=application
	rows[$ref]="{\"type\": \"$type\", \"bom-ref\": \"$ref\", \"name\": \"$package\", \"version\": \"$version\", \"purl\": \"$ref\"}"
done

# ---- as JSON ----------------------------------------------------------------------------
quoted() { # text...: each once, in order
	printf '"%s"\n' "$@" | LC_ALL=C sort -u | paste -sd , | sed 's/,/, /g'
}

lines() { # element...
	printf '    %s\n' "$@" | LC_ALL=C sort | sed '$!s/$/,/'
}

version=$(sed -n '1s/^parley (\(.*\)) .*/\1/p' deploy/debian/changelog)
time=$(sed -n 's/^ -- .*>  //p;T;q' deploy/debian/changelog)
needs=()
for file in "${built[@]}"; do
	refs=()
	[ "$file" = "${file%.so}" ] || refs+=("${ref_at[${path_of[kore]}]}")
	for library in ${libraries[$file]}; do
		refs+=("${ref_at[$library]}")
	done
	sum=$(sha256sum <"$build/$file")
	rows[$file]="{\"type\": \"application\", \"bom-ref\": \"parley/$file\", \"name\": \"$file\", \"version\": \"$version\", \"hashes\": [{\"alg\": \"SHA-256\", \"content\": \"${sum%% *}\"}]}"
	needs+=("{\"ref\": \"parley/$file\", \"dependsOn\": [$(quoted "${refs[@]}")]}")
done
refs=("${built[@]/#/parley/}")
for path in "${path_of[@]}"; do
	refs+=("${ref_at[$path]}")
done
needs+=("{\"ref\": \"parley\", \"dependsOn\": [$(quoted "${refs[@]}")]}")

cat <<EOF
{
  "bomFormat": "CycloneDX",
  "specVersion": "1.5",
  "version": 1,
  "metadata": {
    "timestamp": "$(date -u -d "$time" +%Y-%m-%dT%H:%M:%SZ)",
    "component": {"type": "application", "bom-ref": "parley", "name": "parley", "version": "$version",
      "licenses": [{"license": {"id": "MIT"}}]}
  },
  "components": [
$(lines "${rows[@]}")
  ],
  "dependencies": [
$(lines "${needs[@]}")
  ]
}
EOF
