#!/bin/bash
# Installs the Debian packages that Parley needs; does nothing where all are there.
#
#   usage: install.sh run | test | deb
#
#   run   to build Parley and run it
#   test  besides that, what its tests need
#   deb   to build the Debian package
#
# Needs root or sudo only where something is missing. The nginx and Redis that come with the
# packages are for Parley to start: the system's own services of them are neither started now nor
# with the machine, unless they were there before.
set -eu

die() {
	echo "install: $*" >&2
	exit 1
}

# A program may have come from elsewhere than Debian's package; a library may not.
to_make_a_package="dpkg-buildpackage:dpkg-dev dh:debhelper"
by_program="gcc make kore redis-server:redis-server nginx:nginx curl pkg-config
	setpriv:util-linux"
by_package="libc6-dev libjwt-dev libhiredis-dev libsodium-dev libjansson-dev libsqlite3-dev
	libcurl4-openssl-dev libmicrohttpd-dev libmongoc-dev libcrypt-dev libutf8proc-dev libssl-dev libpq-dev
	libnginx-mod-http-lua ca-certificates"
case ${1:-} in
run) ;;
deb)
	by_program="$by_program $to_make_a_package"
	by_package="$by_package build-essential" # dpkg-buildpackage insists on it
	;;
test)
	by_program="$by_program sqlite3 promtool:prometheus chromium gcovr javac:default-jdk-headless mvn:maven
		$to_make_a_package lintian systemd-analyze:systemd"
	by_package="$by_package libcmocka-dev libwslay-dev python3-venv build-essential"
	node=$(node --version 2>/dev/null) || node=v0
	node=${node#v}
	[ "${node%%.*}" -ge 18 ] || by_package="$by_package nodejs"
	by_program="$by_program npm"
	;;
*) die "usage: install.sh run | test | deb" ;;
esac

PATH=$PATH:/usr/sbin:/sbin
missing=
for entry in $by_program; do
	command -v "${entry%%:*}" >/dev/null || missing="$missing ${entry#*:}"
done
for package in $by_package; do
	[ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
		missing="$missing $package"
done
[ -n "$missing" ] || exit 0

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
for service in redis-server nginx prometheus; do
	case " $missing " in
	*" $service"*) $as_root update-rc.d "$service" disable || true ;;
	esac
done
