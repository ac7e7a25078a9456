#!/bin/bash
# nginx' headers, as Debian built the nginx that is here, in FOLDER: src/ and objs/. They are those of the
# package nginx-dev: the installed one, or else only its file is fetched, for it asks for a dozen libraries
# that no module of ours needs. Fails, and says why, if there are none.
#
#   usage: headers.sh FOLDER
set -eu

die() {
	echo "gateway: built without its module, so an idle socket takes 16 KB there instead of 1: $*" >&2
	exit 1
}

[ $# -eq 1 ] || die "usage: headers.sh FOLDER"
rm -rf "$1"
mkdir -p "$1"
cd "$1"

installed=/usr/share/nginx/src
if [ -d $installed/src ]; then
	cp -r $installed/. .
else
	command -v apt-get >/dev/null || die "this is no Debian"
	version=$(dpkg-query -W -f '${Version}' nginx 2>/dev/null) || version=
	fetch() { # package
		timeout 60 apt-get -qq -o APT::Sandbox::User="$(id -un)" download "$1" >>fetched.log 2>&1
	}
	# An older nginx than the archive has is of the same sources, but for a patch.
	{ [ -n "$version" ] && fetch "nginx-dev=$version"; } || fetch nginx-dev || die "apt-get cannot fetch nginx-dev"
	dpkg-deb -x nginx-dev_*.deb package || die "nginx-dev cannot be read"
	mv package$installed/* .
	rm -rf package nginx-dev_*.deb
fi

# --with-compat makes what modules see the same whatever nginx was built with, but for the expressions.
# nginx refuses a module for which this is not so.
CC=${CC:-cc} bash ./configure --with-compat --with-debug --with-threads --with-http_ssl_module \
	--with-http_realip_module --with-http_stub_status_module --with-http_v2_module \
	--without-http_rewrite_module --without-http_gzip_module >configured.log 2>&1 ||
	die "$1/configured.log says why nginx' headers cannot be prepared"
cat >>objs/ngx_auto_config.h <<'END'
#define NGX_PCRE  1
#define NGX_PCRE2 1
END
[ -e /usr/include/pcre2.h ] || echo 'typedef struct pcre2_real_code_8 pcre2_code;' >objs/pcre2.h
