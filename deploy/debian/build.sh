#!/bin/bash
# Builds the package into build/deb:  make deb
#
# The version is that of debian/changelog. The build happens in a copy, build/deb/parley, where this
# folder stands as debian/.
set -eu
cd "$(dirname "$0")/../.."
out=build/deb
rm -rf $out
mkdir -p $out/parley
cp -a Makefile README.md shared services gateway deploy $out/parley
ln -s deploy/debian $out/parley/debian
cd $out/parley
unset MAKEFLAGS MFLAGS MAKELEVEL # of the make that started this
dpkg-buildpackage -us -uc -b >../build.log 2>&1 || {
	tail -n 40 ../build.log >&2
	exit 1
}
cd .. && rm -rf parley
ls "$PWD"/parley_*.deb
