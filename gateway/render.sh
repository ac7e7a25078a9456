#!/bin/sh
# Writes the gateway's configuration to PREFIX/conf, ready for: nginx -p PREFIX -c conf/nginx.conf
#
#   usage: render.sh PREFIX
#
# Settings come from the environment: those that README.md says the gateway reads. parley-settings judges
# them; what it lets pass stays in PREFIX/settings, for who starts nginx.
set -eu
set -f # an address may look like a pattern for files: *, [::1]

die() {
	echo "gateway: $*" >&2
	exit 78
}

here=$(cd "$(dirname "$0")" && pwd)
[ $# -eq 1 ] || die "usage: render.sh PREFIX"
prefix=$1

# In the tree it stands in build/, in an image and in the package beside this folder.
for judge in "${BUILD_DIR:-}" "$here/../build" "$here/.."; do
	judge=$judge/parley-settings
	[ ! -x "$judge" ] || break
done
[ -x "$judge" ] || die "parley-settings is not there; make builds it"
checked=$("$judge" --check gateway) || exit
eval "$checked"

www=${WWW_DIR:-$here/web}
[ -f "$www/index.html" ] || die "WWW_DIR: there is no index.html in $www"
addresses() { # port
	for host in $GATEWAY_BIND; do
		# A machine may have IPv6 switched off.
		[ "$host" != '[::1]' ] || grep -qs '^0*1 ' /proc/net/if_inet6 || continue
		echo "$host:$1"
	done
}
listens_at=${GATEWAY_LISTEN:-$(addresses "$PORT")}
# Told of none, nginx would listen on all of them.
[ -n "$listens_at" ] || die "GATEWAY_BIND: this machine has IPv6 switched off, and no other address is named"
cores=$(nproc)
workers=${GATEWAY_WORKERS:-$((cores < 4 ? cores : 4))}
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

# Our own module (tunnel/), if it was built, and for this nginx: else sockets stay requests of nginx'.
tunnel=$(dirname "$judge")/gateway-tunnel.so
is_for_this_nginx() { # module
	[ -f "$1" ] && mkdir -p "$prefix/conf" || return
	echo "load_module \"$1\"; events {} pid /dev/null;" >"$prefix/conf/module.conf"
	nginx -p "$prefix" -e stderr -c conf/module.conf -t -q 2>/dev/null
}
if is_for_this_nginx "$tunnel"; then
	# By a name that changes with it: else an nginx that reads its configuration anew would go on with the one it has.
	module=conf/tunnel-$(cksum <"$tunnel" | cut -d ' ' -f 1).so # below PREFIX
	ln -sfn "$(realpath "$tunnel")" "$prefix/$module" # it may be there: PREFIX stays over a restart
	load_modules="$load_modules load_module $module;"
else
	module=
	tunnel=
fi

for name in GATEWAY_TLS_CERT GATEWAY_TLS_KEY; do
	eval "file=\$$name"
	[ -z "$file" ] || { [ -f "$file" ] && [ -r "$file" ]; } || die "$name: $file cannot be read"
done

# ---- files that depend on how much there is --------------------------------------------
# With forward secrecy and authenticated encryption, as Mozilla's "intermediate" has them.
ciphers=ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384
ciphers=$ciphers:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305
listen() {
	tls=
	[ -z "$GATEWAY_TLS_CERT" ] || tls=" ssl http2"
	# nginx reads a body by as much as has come, and nobody else has their turn meanwhile: of the kernel's own
	# megabytes that takes milliseconds.
	for address in $listens_at; do
		echo "listen $address$tls rcvbuf=128k;"
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
	[ -n "$GATEWAY_TRUSTED_PROXIES" ] || return 0
	cat <<-'END'
		set_by_lua_block $is_translated {
			if ngx.var.is_own_proxy == "1" then
				require("forwarded").translate()
			end
		}
	END
}

# Of a server: only ALLOWED_HOSTS are served.
hosts() { # what follows 421
	[ -n "$ALLOWED_HOSTS" ] || return 0
	cat <<-END
		set_by_lua_block \$is_other_host {
			return require("hosts").is_other()
		}
		if (\$is_other_host) {
			return 421$1;
		}
	END
}

# Of the server, if there is our module: what it knows to be as checks.conf wants it passes at once.
usual() {
	[ -n "$tunnel" ] || return 0
	[ -z "$ALLOWED_HOSTS" ] || cat <<-'END'
		set $is_other_host "";
		if ($is_head_usual) {
			set_by_lua_block $is_other_host {
				return require("hosts").is_other()
			}
		}
		if ($is_other_host) {
			return 421;
		}
	END
	cat <<-'END'
		if ($is_head_usual = 2) {
			rewrite ^/socket\.io/(.*)$ /-/socket/$1 last; # routes/socket_io.conf
		}
		if ($is_head_usual) {
			break;
		}
	END
}

# Of http: who chooses the lines of the access log. A request keeps what Lua knows of it until its end, which
# is long only of a socket (routes/socket_io.conf).
lines() {
	if [ -n "$tunnel" ]; then
		echo "log_lines $GATEWAY_LOG_LINES_PER_SECOND;"
	else
		cat <<-'END'
			lua_shared_dict lines 1m;
			header_filter_by_lua_block {
				lines.choose_again()
			}
		END
	fi
}

# The port that people's browsers try first.
redirect() {
	[ "$GATEWAY_HTTP_PORT" != 0 ] || return 0
	echo "server {"
	addresses "$GATEWAY_HTTP_PORT" | sed 's/.*/	listen &;/'
	shown_port=:$PORT
	[ "$PORT" != 443 ] || shown_port=
	hosts ' '\''{"error":"This host is not served here","code":"UNKNOWN_HOST"}'\'
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
	if [ -z "$GATEWAY_TRUSTED_PROXIES" ]; then
		echo 'map "" $scheme_in_force { default $scheme; }'
		echo 'map "" $host_in_force { default $http_host; }'
		return
	fi
	printf 'geo $realip_remote_addr $is_own_proxy {\n\tdefault 0;\n'
	for network in $GATEWAY_TRUSTED_PROXIES; do
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
	for network in $GATEWAY_TRUSTED_PROXIES; do
		echo "set_real_ip_from $network;"
	done
	echo 'real_ip_header X-Forwarded-For;'
	echo 'real_ip_recursive on;'
}

# Which origin's pages are told what the gateway itself answers; services say it of theirs (proto/http_origin.h).
origins() {
	[ -n "$ALLOWED_ORIGINS" ] && vary=Origin || vary=
	printf 'map "" $vary_by_origin {\n\tdefault "%s";\n}\n' "$vary"
	printf 'map $http_origin $origin_listed {\n\tdefault "";\n'
	echo "$ALLOWED_ORIGINS" | tr ',' '\n' | sed -n \
		-e 's/^[ \t]*//; s/[ \t]*$//' \
		-e 's,^\(https://.*\):443$,\1,I; s,^\(http://.*\):80$,\1,I' \
		-e 's/[^A-Za-z0-9:\/-]/\\&/g' \
		-e 's/..*/\t"~*^&$" $http_origin;/p'
	echo '}'
}

# Our page's files are served under a path that changes with them, so that browsers may keep them for
# good; its index.html alone names that path. WWW_DIR is served as it is: also gateway/web, for whoever
# edits it.
version_of() { # folder
	(cd "$1" && find . -type f | LC_ALL=C sort | xargs sha256sum) | sha256sum | cut -c 1-12
}
page() {
	[ -z "${WWW_DIR:-}" ] || return 0
	cat <<-END
		location ^~ /v/$version/ {
			# What only a page needs of headers.conf would be a third of these bytes.
			add_header X-Content-Type-Options nosniff always;
			add_header Strict-Transport-Security \$stays_https always;
			add_header Cache-Control "public, max-age=31536000, immutable";
			add_header Last-Modified ""; # what never changes is never asked for again
			charset off; # a module is UTF-8 always, and styles are what the page is that names them
			etag off;
			gzip_static on; # made below
			try_files \$uri =404;
		}
		# Of another version: one that this gateway served before, or that another serves while they are
		# upgraded one after the other.
		location ~ ^/v/[0-9a-f]+(?<asset>/.+) {
			include headers.conf;
			add_header Content-Security-Policy "$csp" always;
			add_header Cache-Control no-cache always;
			gzip_comp_level 6;
			try_files \$uri \$asset =404;
		}
	END
}

# ---- the folder ------------------------------------------------------------------------
mkdir -p "$prefix/conf/routes" "$prefix/run" "$prefix/logs"
: >"$prefix/run/no_spill" # limits.conf
if [ -z "${WWW_DIR:-}" ]; then
	version=$(version_of "$www")
	new=$prefix/page.new
	rm -rf "$new"
	mkdir -p "$new/v"
	cp -r "$www" "$new/v/$version"
	# Comments, and what stands before a line, are for whoever reads the source, and not sent. (One with a quote in it is: it may be a string.)
	find "$new/v" -name '*.js' -exec sed -i -e '/^ *\/\//d; /^ *\/\*\*.*\*\//d; /^ *\/\*\*/,/\*\//d; /^$/d; s/^ *//' \
		-e "s/\([;,}{]\) \/\/ [^'\"\`]*\$/\1/" {} +
	# In our styles a space in a string stands beside none of these.
	find "$new/v" -name '*.css' -exec sed -i -e 's/^ *//; s/ *\/\*[^*]*\*\/$//; /^$/d; s/ \{0,1\}\([};,{]\) */\1/g; s/: /:/g' {} +
	# Compressed once, as well as can be: a length costs fewer bytes than chunks do.
	find "$new/v" -type f -size +199c -exec gzip -9kn {} +
	cp -r "$www/." "$new"
	sed "s,\(href\|src\)=\",&/v/$version/," "$www/index.html" >"$new/index.html"
	"$here/put_page.sh" "$new" "$prefix/page"
	www=page # below nginx' prefix, so that the same files make the same configuration wherever they are made
fi
printf '%s\n' "$checked" >"$prefix/settings"
host_sent='$host_in_force'
scheme_sent='$scheme_in_force'
if [ -z "$GATEWAY_TRUSTED_PROXIES" ]; then # what these would find, without their maps
	host_sent='$http_host'
	scheme_sent='$scheme'
fi
plain= # Of plain http no answer says to stay with https.
[ -n "$GATEWAY_TLS_CERT" ] || plain='/add_header .*\$stays_https/d'
user=
[ "$(id -u)" != 0 ] || user="user root; # the one who owns PREFIX"
status=
[ -z "$GATEWAY_STATUS_LISTEN" ] ||
	status="server { listen $GATEWAY_STATUS_LISTEN; access_log off; \
location = /healthz { return 200 '{\"status\":\"ok\"}'; } \
location = /stub_status { stub_status; } \
location = /metrics { content_by_lua_block { require('counts').show() } } location / { return 404; } }"
rate=$GATEWAY_REQUESTS_PER_SECOND
requests_key='""'
[ "$rate" = 0 ] || requests_key='$address_group'
at_once=$GATEWAY_REQUESTS_AT_ONCE
at_once_key='""'
[ "$at_once" = 0 ] || at_once_key='$address_group'
sockets=$GATEWAY_SOCKETS_PER_ADDRESS
sockets_key='""'
[ "$sockets" = 0 ] || sockets_key='$address_group'
sockets_zone="limit_conn_zone $sockets_key zone=sockets:4m;"
sockets_limit="limit_conn sockets $((sockets > 0 ? sockets : 1));"
request_pool=1k
tunnels='header_filter_by_lua_block { members.settle() lines.choose_again() }'
handover=
passes_to=
passes_here=
if [ -n "$tunnel" ]; then
	passes_to='passes_to \1;'
	passes_here='passes_here;'
	# No socket stays a request: all that one takes comes at once, in place of fourteen times; and who
	# serves it may be kept with it.
	[ -n "$GATEWAY_TLS_CERT" ] || { tunnels='passes_to presence;' && request_pool=12k; }
	tunnels="tunnel on; $tunnels"
	if [ -n "$HANDOVER_DIR" ] && [ -z "$GATEWAY_TLS_CERT" ]; then
		handover="handover \"$HANDOVER_DIR\";"
		tunnels="$tunnels proxy_set_header Parley-Handover \$handover_name; proxy_hide_header Parley-Handover;"
	fi
	if [ "$sockets" != 0 ]; then # the zone of limit_conn is only there so that the server's limit is not for them
		sockets_zone="limit_conn_zone '' zone=sockets:64k; tunnel_seats_zone 32m;"
		sockets_limit="limit_conn sockets 1; tunnel_seats \$address_group $sockets;"
	fi
fi
openings=$((sockets > 2000 ? 5 * sockets : 10000)) # at once, and a tenth a second

cd "$here"
set +f
for file in *.conf routes/*.conf; do
	sed -e "$plain" \
		-e "s|@USER@|$user|" \
		-e "s|@MODULES@|$load_modules|" \
		-e "s|@WORKERS@|$workers|" \
		-e "s|@CONNECTIONS@|$fds|" \
		-e "s|@REQUEST_POOL@|$request_pool|" \
		-e "s|@ERROR_LOG@|$GATEWAY_ERROR_LOG|" \
		-e "s|@ACCESS_LOG@|$GATEWAY_ACCESS_LOG|" \
		-e "s|@BODY_BYTES_MAX@|$BODY_BYTES_MAX|" \
		-e "s|@PACKET_BYTES_MAX@|$PACKET_BYTES_MAX|" \
		-e "s|@AVATAR_BYTES_MAX@|$AVATAR_BYTES_MAX|" \
		-e "s|@AVATAR_BUFFER@|$((2 * AVATAR_BYTES_MAX))|" \
		-e "s|@REQUESTS_KEY@|$requests_key|" \
		-e "s|@REQUESTS_RATE@|$((rate > 0 ? rate : 1))|" \
		-e "s|@REQUESTS_AT_ONCE@|$((rate > 0 ? rate * 2 : 1))|" \
		-e "s|@REQUESTS_BURST@|$((rate > 0 ? rate * 2 + rate / 2 : 1))|" \
		-e "s|@AT_ONCE_KEY@|$at_once_key|" \
		-e "s|@AT_ONCE_MAX@|$((at_once > 0 ? at_once : 1))|" \
		-e "s|@BODY_BUFFER@|$((2 * BODY_BYTES_MAX))|" \
		-e "s|@PACKET_BUFFER@|$((2 * PACKET_BYTES_MAX))|" \
		-e "s|@BODIES_OF_ADDRESS@|$GATEWAY_BODY_BYTES_PER_ADDRESS|" \
		-e "s|@BODIES_OF_ALL@|$GATEWAY_BODY_BYTES_IN_ALL|" \
		-e "s|@BODY_SECONDS@|$GATEWAY_BODY_SECONDS|" \
		-e "s|@LOG_LINES@|$GATEWAY_LOG_LINES_PER_SECOND|" \
		-e "s|@LOG_BYTES_MAX@|$LOG_BYTES_MAX|" \
		-e "s|@ALLOWED_HOSTS@|$ALLOWED_HOSTS|" \
		-e "s|@SOCKETS_ZONE@|$sockets_zone|" \
		-e "s|@SOCKETS_LIMIT@|$sockets_limit|" \
		-e "s|@TUNNELS@|$tunnels|" \
		-e "s|@HANDOVER@|$handover|" \
		-e "s|@PASSES_TO \([a-z]*\)@|$passes_to|" \
		-e "s|@PASSES_HERE@|$passes_here|" \
		-e "s|@SOCKETS_KEY@|$sockets_key|" \
		-e "s|@OPENINGS_RATE@|$((openings / 10))|" \
		-e "s|@OPENINGS_AT_ONCE@|$openings|" \
		-e "s|@STATUS_SERVER@|$status|" \
		-e "s|@HOST@|$host_sent|" \
		-e "s|@SCHEME@|$scheme_sent|" \
		-e "s|@COOKIE_NAME@|$COOKIE_NAME|" \
		-e "s|@WWW_DIR@|$www|" \
		-e "s|@CSP@|$csp|" \
		"$file" >"$prefix/conf/$file"
done
cp ./*.lua openapi.json "$prefix/conf/"
set -f
listen >"$prefix/conf/listen.conf"
proxies >"$prefix/conf/proxies.conf"
origins >"$prefix/conf/origins.conf"
forwarded >"$prefix/conf/forwarded.conf"
hosts '' >"$prefix/conf/hosts.conf"
usual >"$prefix/conf/usual.conf"
lines >"$prefix/conf/lines.conf"
echo "return '$module'" >"$prefix/conf/module.lua"
redirect >"$prefix/conf/redirect.conf"
page >"$prefix/conf/page.conf"
# Those that the configuration before this one named.
find "$prefix/conf" -name 'tunnel-*.so' ! -name "${module#conf/}" -exec rm -f {} +
