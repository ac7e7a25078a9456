#include "members.h"

#include "context.h"

#define METHODS (NGX_HTTP_GET | NGX_HTTP_HEAD | NGX_HTTP_POST | NGX_HTTP_PATCH)
#define BRIEF   (NGX_HTTP_GET | NGX_HTTP_HEAD)

/* What nginx asks for a process. */
struct peer {
	ngx_event_get_peer_pt get;
	ngx_event_free_peer_pt free;
	void *data;
};

struct choice {
	const struct service *service;
	ngx_addr_t process; /* its own copy: the list may be another before it ends */
	ngx_uint_t tries;
	struct peer lua;
	enum { CHOSEN, ASKED, LUAS } state;
};

/* NULL if the configuration has none. */
static struct members *
members_now(void)
{
	struct main_conf *conf =
	    ngx_http_cycle_get_module_main_conf(ngx_cycle, parley_tunnel_module);

	return conf->members;
}

static struct members *
members_of(ngx_http_request_t *r)
{
	struct main_conf *conf = ngx_http_get_module_main_conf(r, parley_tunnel_module);

	return conf->members;
}

static struct choice *
choice_of(ngx_http_request_t *r)
{
	const struct context *context = ngx_http_get_module_ctx(r, parley_tunnel_module);

	return context != NULL ? context->choice : NULL;
}

/* ---- who serves ------------------------------------------------------------------- */

/* NULL if no location has it. */
static struct service *
find(struct members *members, const ngx_str_t *name)
{
	for (ngx_uint_t i = 0; i < members->count; i++) {
		struct service *service = &members->services[i];

		if (service->name.len == name->len &&
		    ngx_memcmp(service->name.data, name->data, name->len) == 0)
			return service;
	}
	return NULL;
}

void
parley_members_begin(void)
{
	struct members *members = members_now();

	if (members == NULL)
		return;
	if (members->pool != NULL)
		ngx_destroy_pool(members->pool);
	members->pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, ngx_cycle->log);
	members->are_whole = members->pool != NULL;
	for (ngx_uint_t i = 0; i < members->count && members->are_whole; i++)
		members->are_whole = ngx_array_init(&members->services[i].up,
					 members->pool, 4, sizeof(ngx_addr_t)) == NGX_OK;
}

static bool
add(struct members *members, struct service *service, ngx_str_t text)
{
	ngx_addr_t *process = ngx_array_push(&service->up);

	if (process == NULL)
		return false;
	process->name = (ngx_str_t){text.len, ngx_pstrdup(members->pool, &text)};
	return process->name.data != NULL &&
	       ngx_parse_addr_port(members->pool, process, process->name.data,
		   process->name.len) == NGX_OK;
}

void
parley_member_is(
    const char *service, size_t service_len, const char *address, size_t address_len)
{
	struct members *members = members_now();
	ngx_str_t name = {service_len, (u_char *)(uintptr_t)service};
	ngx_str_t text = {address_len, (u_char *)(uintptr_t)address};
	struct service *found = members != NULL ? find(members, &name) : NULL;

	if (found != NULL)
		members->are_whole = members->are_whole && add(members, found, text);
}

void
parley_members_known(ngx_uint_t ms)
{
	struct members *members = members_now();

	if (members != NULL)
		members->known_until = ngx_current_msec + ms;
}

static bool
are_known(const struct members *members)
{
	return members->are_whole &&
	       (ngx_msec_int_t)(members->known_until - ngx_current_msec) > 0;
}

/* ---- who is asked ----------------------------------------------------------------- */

/* Each begins elsewhere. */
void
members_begin_worker(struct members *members)
{
	for (ngx_uint_t i = 0; i < members->count; i++)
		members->services[i].turn = (ngx_uint_t)ngx_pid;
}

/* A copy of from, of the request's memory. */
static bool
copy(ngx_pool_t *pool, const ngx_addr_t *from, ngx_addr_t *to)
{
	u_char *bytes = ngx_palloc(pool, from->socklen + from->name.len);

	if (bytes == NULL)
		return false;
	ngx_memcpy(bytes, from->sockaddr, from->socklen);
	ngx_memcpy(bytes + from->socklen, from->name.data, from->name.len);
	*to = (ngx_addr_t){.sockaddr = (struct sockaddr *)(void *)bytes,
	    .socklen = from->socklen,
	    .name = {from->name.len, bytes + from->socklen}};
	return true;
}

/* NULL if there is no room. */
static struct choice *
next_in_turn(ngx_http_request_t *r, struct service *service)
{
	const ngx_addr_t *up = service->up.elts;
	struct choice *choice = ngx_pcalloc(r->pool, sizeof(*choice));

	if (choice == NULL ||
	    !copy(r->pool, &up[service->turn++ % service->up.nelts], &choice->process))
		return NULL;
	choice->service = service;
	choice->tries = service->up.nelts;
	return choice;
}

/* Then it is for the process that has the session: Lua finds it. */
static bool
is_of_session(ngx_http_request_t *r)
{
	static u_char name[] = "sid";
	ngx_str_t id;

	return ngx_http_arg(r, name, sizeof(name) - 1, &id) == NGX_OK;
}

/* As members.lua: an answer, but for a socket's, begins within them, where another process
 * could be asked. */
static bool
has_times_of_its_own(ngx_http_request_t *r, const struct location_conf *conf)
{
	return (r->method & BRIEF) != 0 && !conf->is_tunnel &&
	       conf->service->up.nelts > 1;
}

static bool
may_pass(ngx_http_request_t *r, const struct location_conf *conf)
{
	ngx_int_t bytes;

	if ((r->method & METHODS) == 0 || conf->service->up.nelts == 0 ||
	    has_times_of_its_own(r, conf) || is_of_session(r))
		return false;
	bytes = parley_plain_body(r);
	return bytes == 0 || (bytes > 0 && parley_is_body_here(r) != 0);
}

ngx_int_t
members_choose(ngx_http_request_t *r)
{
	const struct location_conf *conf =
	    ngx_http_get_module_loc_conf(r, parley_tunnel_module);
	struct members *members = members_of(r);
	struct context *context;

	if (conf->service == NULL || !are_known(members) || !may_pass(r, conf))
		return NGX_DECLINED;
	context = context_of(r);
	if (context == NULL || parley_draw_id(r) == 0)
		return NGX_DECLINED;
	context->choice = next_in_turn(r, conf->service);
	return context->choice != NULL ? NGX_OK : NGX_DECLINED;
}

bool
members_are_done(ngx_http_request_t *r)
{
	const struct choice *choice = choice_of(r);

	return choice != NULL && choice->state != LUAS &&
	       r->headers_out.status < NGX_HTTP_INTERNAL_SERVER_ERROR;
}

ngx_int_t
parley_passed(ngx_http_request_t *r, ngx_str_t *service, ngx_str_t *address)
{
	struct choice *choice = choice_of(r);

	if (choice == NULL)
		return 0;
	choice->state = LUAS;
	*service = choice->service->name;
	*address = choice->process.name;
	return 1;
}

/* ---- as nginx' upstream ----------------------------------------------------------- */

static ngx_int_t
get(ngx_peer_connection_t *peer, void *data)
{
	struct choice *choice = data;

	if (choice->state != CHOSEN)
		return choice->lua.get(peer, choice->lua.data);
	choice->state = ASKED;
	peer->sockaddr = choice->process.sockaddr;
	peer->socklen = choice->process.socklen;
	peer->name = &choice->process.name;
	peer->cached = 0;
	peer->connection = NULL;
	return NGX_OK;
}

static void
leave(ngx_peer_connection_t *peer, void *data, ngx_uint_t state)
{
	struct choice *choice = data;

	if (choice->state == LUAS) {
		choice->lua.free(peer, choice->lua.data, state);
		return;
	}
	if (peer->tries > 0)
		peer->tries--;
}

static ngx_int_t
init_peer(ngx_http_request_t *r, ngx_http_upstream_srv_conf_t *upstream)
{
	ngx_peer_connection_t *peer = &r->upstream->peer;
	struct choice *choice = choice_of(r);
	ngx_int_t rc = members_of(r)->init_peer(r, upstream);

	if (rc != NGX_OK || choice == NULL)
		return rc;
	choice->lua = (struct peer){peer->get, peer->free, peer->data};
	peer->get = get;
	peer->free = leave;
	peer->data = choice;
	peer->tries = choice->tries;
	return NGX_OK;
}

/* ---- configuration ---------------------------------------------------------------- */

static ngx_int_t
init_upstream(ngx_conf_t *cf, ngx_http_upstream_srv_conf_t *upstream)
{
	struct main_conf *conf =
	    ngx_http_conf_get_module_main_conf(cf, parley_tunnel_module);

	if (conf->members->init_upstream(cf, upstream) != NGX_OK)
		return NGX_ERROR;
	conf->members->init_peer = upstream->peer.init;
	upstream->peer.init = init_peer;
	return NGX_OK;
}

/* Those of the configuration, new ones at first; NULL if there is no room. */
static struct members *
members_in(ngx_conf_t *cf)
{
	struct main_conf *conf =
	    ngx_http_conf_get_module_main_conf(cf, parley_tunnel_module);

	if (conf->members == NULL)
		conf->members = ngx_pcalloc(cf->pool, sizeof(*conf->members));
	return conf->members;
}

char *
members_set_upstream(ngx_conf_t *cf, ngx_command_t *command, void *data)
{
	struct members *members = members_in(cf);
	ngx_http_upstream_srv_conf_t *upstream =
	    ngx_http_conf_get_module_srv_conf(cf, ngx_http_upstream_module);

	(void)command;
	(void)data;
	if (members == NULL)
		return NGX_CONF_ERROR;
	if (members->init_upstream != NULL)
		return "is duplicate";
	if (upstream->peer.init_upstream == NULL)
		return "comes before the balancer";
	members->init_upstream = upstream->peer.init_upstream;
	upstream->peer.init_upstream = init_upstream;
	return NGX_CONF_OK;
}

char *
members_set_service(ngx_conf_t *cf, ngx_command_t *command, void *data)
{
	struct location_conf *conf = data;
	ngx_http_core_loc_conf_t *location =
	    ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
	struct members *members = members_in(cf);
	const ngx_str_t *words = cf->args->elts;

	(void)command;
	if (members == NULL)
		return NGX_CONF_ERROR;
	conf->service = find(members, &words[1]);
	if (conf->service == NULL) {
		if (members->count == SERVICES_MAX)
			return "names too many";
		conf->service = &members->services[members->count++];
		conf->service->name = words[1];
	}
	location->satisfy =
	    NGX_HTTP_SATISFY_ANY; /* what passes here is not asked again */
	return NGX_CONF_OK;
}
