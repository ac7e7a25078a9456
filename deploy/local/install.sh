#!/bin/bash
# Installs the Debian packages that Parley needs; does nothing if all are there.
#
#   usage: install.sh KIND
#
#   build     to build Parley
#   run       to build it and run it
#   deb       to build the Debian package
#   test      all that make test needs
#   lint, fuzz, units, valgrind, coverage, mongo, k8s, node, stack, browser
#             what a part of the tests needs: "mongo" to make the stand-in for MongoDB, "node" to
#             run JavaScript, "stack" to run Parley and JavaScript that asks it, "browser" to look at
#             its page, too
#
# Needs root or sudo only if something is missing. The nginx and Redis that come with the
# packages are for Parley to start: the system's own services of them are neither started now nor
# with the machine, unless they were there before.
set -eu

die() {
	echo "install: $*" >&2
	exit 1
}

# A program may have come from elsewhere than Debian's package (program:package if the names
# differ); a library may not.
by_program=
by_package=
need() { # kind
	case $1 in
	build)
		by_program+=" gcc make kore pkg-config"
		by_package+=" libc6-dev libjwt-dev libhiredis-dev libseccomp-dev libsodium-dev libjansson-dev libsqlite3-dev
			libcurl4-openssl-dev libmicrohttpd-dev libmongoc-dev libcrypt-dev libutf8proc-dev
			libssl-dev libpq-dev libpng-dev libjpeg62-turbo-dev libwebp-dev"
		;;
	run)
		need build
		by_program+=" redis-server nginx curl setpriv:util-linux"
		by_package+=" libnginx-mod-http-lua ca-certificates"
		;;
	deb)
		need build
		by_program+=" dpkg-buildpackage:dpkg-dev dh:debhelper"
		by_package+=" build-essential" # dpkg-buildpackage insists on it
		;;
	lint)
		need build
		by_program+=" git clang clang-format clang-tidy cppcheck"
		;;
	fuzz)
		need build
		by_program+=" clang"
		by_package+=" libclang-rt-dev"
		;;
	mongo) by_program+=" javac:default-jdk-headless mvn:maven" ;;
	units)
		need build
		by_program+=" redis-server"
		by_package+=" libcmocka-dev libwslay-dev unicode-data"
		;;
	valgrind)
		need units
		by_program+=" valgrind"
		;;
	coverage)
		need units
		by_program+=" gcov:gcc sqlite3 promtool:prometheus"
		;;
	k8s) by_package+=" python3-venv" ;;
	node)
		node=$(node --version 2>/dev/null) || node=v0
		node=${node#v}
		[ "${node%%.*}" -ge 18 ] || by_package+=" nodejs"
		by_program+=" npm"
		;;
	stack)
		need run
		need node
		;;
	bench)
		need stack
		by_program+=" g++ python3"
		;;
	browser)
		need stack
		by_program+=" chromium"
		;;
	test)
		for kind in browser units coverage mongo k8s deb; do
			need $kind
		done
		by_program+=" git caddy lintian systemd-analyze:systemd"
		;;
	*) die "usage: install.sh build | run | deb | test | lint | fuzz | units | valgrind | coverage | mongo | k8s | node | stack | bench | browser" ;;
	esac
}
[ $# = 1 ] || set -- none
need "$1"

# Two that come at once, as make -j lets them, wait for each other.
exec 9<"$0"
flock 9

PATH=$PATH:/usr/sbin:/sbin
missing=
for entry in $by_program; do
	command -v "${entry%%:*}" >/dev/null || missing+=" ${entry#*:}"
done
# If there is no dpkg to ask, the compiler will tell whether a library is there.
if command -v dpkg-query >/dev/null; then
	installed=" $(dpkg-query -W -f='${db:Status-Status} ${Package}\n' 2>/dev/null |
		sed -n 's/^installed //p' | tr '\n' ' ')"
	for package in $by_package; do
		[[ $installed = *" $package "* ]] || missing+=" $package"
	done
fi
[ -n "$missing" ] || exit 0
# Once each, for kinds share packages.
missing=" $(printf '%s\n' $missing | sort -u | paste -sd ' ')"

command -v apt-get >/dev/null ||
	die "this is no Debian; these packages, or their like, are missing:$missing"
echo "install: installing$missing"
as_root=
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || die "as root: apt-get install --no-install-recommends$missing"
	as_root=sudo
fi

# While this file is there, package scripts start no service.
policy=/usr/sbin/policy-rc.d
restore() {
	if [ -e $policy.before-parley ]; then
		$as_root mv $policy.before-parley $policy
	else
		$as_root rm -f $policy
	fi
}
if [ -e $policy ] && ! grep -q parley $policy; then
	$as_root mv $policy $policy.before-parley
fi
trap restore EXIT
trap 'exit 1' INT TERM HUP
printf '#!/bin/sh\n# by parley, install.sh\nexit 101\n' | $as_root tee $policy >/dev/null
$as_root chmod 755 $policy

apt() {
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y "$@"
}
apt update || die "apt-get update failed"
# shellcheck disable=SC2086 # a list
apt install --no-install-recommends $missing || die "apt-get could not install$missing"
for service in redis-server nginx prometheus caddy; do
	case " $missing " in
	*" $service"*)
		$as_root systemctl --quiet disable "$service" 2>/dev/null ||
			$as_root update-rc.d "$service" disable || true
		;;
	esac
done
