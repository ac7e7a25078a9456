#!/bin/sh
# Writes the gateway's configuration to PREFIX/conf, ready for: nginx -p PREFIX -c conf/nginx.conf
#
#   usage: render.sh PREFIX
#
# From the environment:
#   GATEWAY_LISTEN        addresses to listen on      (those of GATEWAY_BIND with PORT)
#   GATEWAY_BIND, PORT    "127.0.0.1 [::1]", without what this machine lacks, and 5000
#   WWW_DIR               the web client's folder          (default: web/ beside this file)
#   GATEWAY_CSP           its Content-Security-Policy      (strict for our own client)
#   BODY_BYTES_MAX        a request body                   (102400)
#   COOKIE_NAME           the session's cookie            (jwt)
#   PACKET_BYTES_MAX      a body at /socket.io/            (1000000)
#   GATEWAY_REQUESTS_PER_SECOND   of one address, bursts of twice that; 0: no limit   (0)
#   GATEWAY_SOCKETS_PER_ADDRESS   sockets and polls of one address; 0: no limit       (0)
#   GATEWAY_TRUSTED_PROXIES       networks of your own load balancers, whose X-Forwarded-For, -Proto
#                                 and -Host, or Forwarded, are believed: "10.0.0.0/8"  (none)
#   GATEWAY_TLS_CERT, GATEWAY_TLS_KEY   PEM files: serve https                         (none)
#   GATEWAY_HTTP_PORT     beside https: plain http here is sent there; 0: nothing      (0)
#   GATEWAY_STATUS_LISTEN  address of /healthz and /stub_status for operators          (none)
#   GATEWAY_ACCESS_LOG, GATEWAY_ERROR_LOG   paths  (logs/access.log, logs/error.log)
#   GATEWAY_WORKERS       processes                        (one a core, at most 4)
set -eu

die() {
	echo "gateway: $*" >&2
	exit 78
}

here=$(cd "$(dirname "$0")" && pwd)
[ $# -eq 1 ] || die "usage: render.sh PREFIX"
prefix=$1
www=${WWW_DIR:-$here/web}

# What goes into the configuration as text must not be able to end its quotes.
for value in "$www" "${GATEWAY_CSP:-}"; do
	case $value in
	*[\"\\\$\|\&]* | *"
"*) die "WWW_DIR and GATEWAY_CSP must not hold quotes, backslashes, or any of \$ | &" ;;
	esac
done
[ -f "$www/index.html" ] || die "WWW_DIR: there is no index.html in $www"

number() { # name, value, least, most
	case $2 in
	'' | *[!0-9]* | 0?* | ??????????*) ;;
	*) [ "$2" -lt "$3" ] || [ "$2" -gt "$4" ] || {
		echo "$2"
		return
	} ;;
	esac
	die "$1 must be a whole number from $3 to $4, not '$2'"
}
port=$(number PORT "${PORT:-5000}" 1 65535)
http_port=$(number GATEWAY_HTTP_PORT "${GATEWAY_HTTP_PORT:-0}" 0 65535)
[ "$http_port" = 0 ] || [ -n "${GATEWAY_TLS_CERT:-}" ] ||
	die "GATEWAY_HTTP_PORT sends to https, and needs GATEWAY_TLS_CERT and GATEWAY_TLS_KEY"
[ "$http_port" != "$port" ] || die "GATEWAY_HTTP_PORT must be another than PORT"
# Whether they are addresses nginx knows.
case ${GATEWAY_BIND:-} in
*[!]A-Za-z0-9.:*_[\ -]*) die "GATEWAY_BIND must be addresses with spaces between, not '$GATEWAY_BIND'" ;;
esac
case ${GATEWAY_TRUSTED_PROXIES:-} in
*[!A-Fa-f0-9.:/\ ]*)
	die "GATEWAY_TRUSTED_PROXIES must be networks with spaces between, not '$GATEWAY_TRUSTED_PROXIES'"
	;;
esac
addresses() { # port
	for host in ${GATEWAY_BIND:-127.0.0.1 [::1]}; do
		# A machine may have IPv6 switched off.
		[ "$host" != '[::1]' ] || grep -qs '^0*1 ' /proc/net/if_inet6 || continue
		echo "$host:$1"
	done
}
listens_at=${GATEWAY_LISTEN:-$(addresses "$port")}
body_bytes_max=$(number BODY_BYTES_MAX "${BODY_BYTES_MAX:-102400}" 1024 1048576)
packet_bytes_max=$(number PACKET_BYTES_MAX "${PACKET_BYTES_MAX:-1000000}" 1024 16000000)
rate=$(number GATEWAY_REQUESTS_PER_SECOND "${GATEWAY_REQUESTS_PER_SECOND:-0}" 0 1000000)
sockets=$(number GATEWAY_SOCKETS_PER_ADDRESS "${GATEWAY_SOCKETS_PER_ADDRESS:-0}" 0 65535)
cookie_name=${COOKIE_NAME:-jwt}
case $cookie_name in
*[!A-Za-z0-9._-]*) die "COOKIE_NAME must be 1 to 64 letters, digits, '-', '_' or '.'" ;;
esac
cores=$(nproc)
workers=$(number GATEWAY_WORKERS "${GATEWAY_WORKERS:-$((cores < 4 ? cores : 4))}" 1 1024)
fds=$(ulimit -n)
[ "$fds" != unlimited ] && [ "$fds" -lt 16384 ] || fds=16384

csp="default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
csp="$csp connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self';"
csp="$csp frame-ancestors 'none'"
if [ "$www" != "$here/web" ]; then # someone else's page: pictures and fonts from elsewhere
	csp="default-src 'self'; img-src 'self' data: blob: https:; font-src 'self' data: https:;"
	csp="$csp style-src 'self' 'unsafe-inline' https:; connect-src 'self' https: wss:;"
	csp="$csp object-src 'none'; base-uri 'self'; frame-ancestors 'none'"
fi
csp=${GATEWAY_CSP:-$csp}

load_modules=
for module in ndk_http_module ngx_http_lua_module; do
	module=/usr/lib/nginx/modules/$module.so
	[ -f $module ] || die "$module is missing, of the package libnginx-mod-http-lua"
	load_modules="$load_modules load_module $module;"
done

if [ -n "${GATEWAY_TLS_CERT:-}${GATEWAY_TLS_KEY:-}" ]; then
	[ -n "${GATEWAY_TLS_CERT:-}" ] && [ -n "${GATEWAY_TLS_KEY:-}" ] ||
		die "GATEWAY_TLS_CERT and GATEWAY_TLS_KEY go together, set both"
	for name in GATEWAY_TLS_CERT GATEWAY_TLS_KEY; do
		eval "file=\${$name:-}"
		case $file in
		/*[\"\\\$\|\&]* | *"
"*) die "$name must not hold quotes, backslashes, or any of \$ | &" ;;
		/*) ;;
		*) die "$name must be the absolute path of a PEM file" ;;
		esac
		[ -f "$file" ] && [ -r "$file" ] || die "$name: $file cannot be read"
	done
fi

# ---- files that depend on how much there is --------------------------------------------
# With forward secrecy and authenticated encryption, as Mozilla's "intermediate" has them.
ciphers=ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384
ciphers=$ciphers:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305
listen() {
	tls=
	[ -z "${GATEWAY_TLS_CERT:-}" ] || tls=" ssl http2"
	for address in $listens_at; do
		echo "listen $address$tls;"
	done
	[ -n "$tls" ] || return 0
	cat <<-END
		ssl_certificate "$GATEWAY_TLS_CERT";
		ssl_certificate_key "$GATEWAY_TLS_KEY";
		ssl_protocols TLSv1.2 TLSv1.3;
		ssl_ciphers $ciphers; # of 1.2; 1.3 has no others
		ssl_prefer_server_ciphers off;
		ssl_session_cache shared:tls:4m;
		ssl_session_timeout 1d;
		ssl_session_tickets off;
	END
}

# Of the server: what comes before nginx reads those headers.
forwarded() {
	[ -n "${GATEWAY_TRUSTED_PROXIES:-}" ] || return 0
	cat <<-'END'
		set_by_lua_block $is_translated {
			if ngx.var.is_own_proxy == "1" then
				require("forwarded").translate()
			end
		}
	END
}

# The port that people's browsers try first.
redirect() {
	[ "$http_port" != 0 ] || return 0
	echo "server {"
	addresses "$http_port" | sed 's/.*/	listen &;/'
	shown_port=:$port
	[ "$port" != 443 ] || shown_port=
	cat <<-END
		if (\$is_page_asked_for) {
			return 301 https://\$host$shown_port\$request_uri;
		}
		return 400 '{"error":"Use https","code":"BAD_REQUEST"}';
		}
	END
}

# The scheme and host that the client used, and its address, as one of our own proxies tells them.
# Each proxy on the way may have added its own to the lists: the first is the one next to the client.
# ws and wss are what Traefik calls http and https when a WebSocket is asked for.
proxies() {
	printf 'geo $realip_remote_addr $is_own_proxy {\n\tdefault 0;\n'
	for network in ${GATEWAY_TRUSTED_PROXIES:-}; do
		echo "	$network 1;"
	done
	echo '}'
	cat <<-'END'
		map "$is_own_proxy:$http_x_forwarded_proto" $scheme_in_force {
			default $scheme;
			"~*^1:[ \t,]*(?:https|wss)[ \t]*(?:,|$)" https;
			"~*^1:[ \t,]*(?:http|ws)[ \t]*(?:,|$)" http;
		}
		map "$is_own_proxy:$http_x_forwarded_host" $host_in_force {
			default $http_host;
			"~^1:[ \t,]*(?<told_host>[A-Za-z0-9._:\[\]-]{1,255})[ \t]*(?:,|$)" $told_host;
		}
	END
	[ -n "${GATEWAY_TRUSTED_PROXIES:-}" ] || return 0
	for network in $GATEWAY_TRUSTED_PROXIES; do
		echo "set_real_ip_from $network;"
	done
	echo 'real_ip_header X-Forwarded-For;'
	echo 'real_ip_recursive on;'
}

# ---- the folder ------------------------------------------------------------------------
mkdir -p "$prefix/conf/routes" "$prefix/run" "$prefix/logs" "$prefix/tmp"
user=
[ "$(id -u)" != 0 ] || user="user root; # the one who owns PREFIX"
status=
[ -z "${GATEWAY_STATUS_LISTEN:-}" ] ||
	status="server { listen $GATEWAY_STATUS_LISTEN; access_log off; \
location = /healthz { return 200 '{\"status\":\"ok\"}'; } \
location = /stub_status { stub_status; } location / { return 404; } }"
requests_key='""'
[ "$rate" = 0 ] || requests_key='$address_group'
sockets_key='""'
[ "$sockets" = 0 ] || sockets_key='$address_group'

cd "$here"
for file in *.conf routes/*.conf; do
	sed -e "s|@USER@|$user|" \
		-e "s|@MODULES@|$load_modules|" \
		-e "s|@WORKERS@|$workers|" \
		-e "s|@CONNECTIONS@|$fds|" \
		-e "s|@ERROR_LOG@|${GATEWAY_ERROR_LOG:-logs/error.log}|" \
		-e "s|@ACCESS_LOG@|${GATEWAY_ACCESS_LOG:-logs/access.log}|" \
		-e "s|@BODY_BYTES_MAX@|$body_bytes_max|" \
		-e "s|@PACKET_BYTES_MAX@|$packet_bytes_max|" \
		-e "s|@REQUESTS_KEY@|$requests_key|" \
		-e "s|@REQUESTS_RATE@|$((rate > 0 ? rate : 1))|" \
		-e "s|@REQUESTS_BURST@|$((rate > 0 ? rate * 2 : 1))|" \
		-e "s|@SOCKETS_KEY@|$sockets_key|" \
		-e "s|@SOCKETS_MAX@|$((sockets > 0 ? sockets : 1))|" \
		-e "s|@STATUS_SERVER@|$status|" \
		-e "s|@COOKIE_NAME@|$cookie_name|" \
		-e "s|@WWW_DIR@|$www|" \
		-e "s|@CSP@|$csp|" \
		"$file" >"$prefix/conf/$file"
done
listen >"$prefix/conf/listen.conf"
proxies >"$prefix/conf/proxies.conf"
forwarded >"$prefix/conf/forwarded.conf"
redirect >"$prefix/conf/redirect.conf"
cp ./*.lua "$prefix/conf/"
