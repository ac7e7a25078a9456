# The gateway's module of nginx. It goes into Debian's nginx as it is, so it has no sanitizers; and if there
# are no headers of nginx, or the module is not for the nginx that is there, the gateway goes without it
# (headers.sh, render.sh).
TUNNEL_SRC := $(wildcard gateway/tunnel/*.c)
NGINX      := build/nginx
TUNNEL_CFLAGS = -std=gnu17 -O2 -g -fPIC $(PREFIX_MAP) $(WARN) -Wno-write-strings -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 \
	-fstack-protector-strong $(addprefix -isystem $(NGINX)/,src/core src/event src/event/modules src/os/unix \
	src/http src/http/modules src/http/v2 objs)

$(NGINX)/.asked: gateway/tunnel/headers.sh | needs-build
	@echo "  headers $(@D)"
	@gateway/tunnel/headers.sh $(@D) || rm -rf $(@D)/objs
	@touch $@

all: $B/.gateway-tunnel
$B/.gateway-tunnel: $(TUNNEL_SRC) $(wildcard gateway/tunnel/*.h) $(NGINX)/.asked
	@mkdir -p $(@D)
	@[ ! -d $(NGINX)/objs ] || { echo "  ld $B/gateway-tunnel.so" && \
		$(CC) -shared $(TUNNEL_CFLAGS) -Wl,-Bsymbolic -Wl,-z,relro,-z,now,-z,noexecstack -o $B/gateway-tunnel.so.new $(TUNNEL_SRC) && \
		mv $B/gateway-tunnel.so.new $B/gateway-tunnel.so; }
	@touch $@
