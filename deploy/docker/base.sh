#!/bin/bash
# Makes the base image of deploy/docker/Dockerfile from Debian's packages, when no registry of
# images can be reached. As root; needs debootstrap and a running Docker engine.
#
#   usage: base.sh IMAGE        e.g. base.sh parley-base; then PARLEY_BASE=parley-base
set -eu
image=${1:?usage: base.sh IMAGE}
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
debootstrap --variant=minbase bookworm "$root" >"$root.log" || {
	tail -n 5 "$root.log" >&2
	exit 1
}
rm -f "$root.log"
# What a container does not need, as in Debian's own slim images.
rm -rf "$root"/usr/share/{doc,man,info,locale}/* "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* \
	"$root"/var/log/*
printf 'path-exclude /usr/share/%s/*\n' doc man info locale >"$root/etc/dpkg/dpkg.cfg.d/slim"
# The machine's own ways to Debian's packages.
cp /etc/apt/sources.list "$root/etc/apt/" 2>/dev/null || true
cp /etc/apt/sources.list.d/* "$root/etc/apt/sources.list.d/" 2>/dev/null || true
cp /etc/apt/apt.conf.d/*proxy* "$root/etc/apt/apt.conf.d/" 2>/dev/null || true
tar -C "$root" -c . | docker import - "$image"
