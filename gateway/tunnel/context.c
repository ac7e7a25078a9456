#include "context.h"

struct context *
context_of(ngx_http_request_t *r)
{
	struct context *context = ngx_http_get_module_ctx(r, parley_tunnel_module);

	if (context == NULL) {
		context = ngx_pcalloc(r->pool, sizeof(*context));
		if (context == NULL)
			return NULL;
		context->conf = ngx_http_get_module_loc_conf(r, parley_tunnel_module);
		ngx_http_set_ctx(r, context, parley_tunnel_module);
	}
	return context;
}
