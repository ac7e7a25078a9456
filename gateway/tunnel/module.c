/*
 * The gateway's module of nginx: an open WebSocket goes to its service (handover.h), or goes
 * on as a tunnel (tunnel.h), and sockets are counted by seats (seats.h), which either takes
 * along. It also says which requests the access log has (lines.h), and which process gets a
 * usual request (members.h). Seven directives:
 *
 *   handover FOLDER;                   http: services on this machine are told $handover_name
 *   tunnel_seats_zone 32m;             http: the memory of the seats
 *   tunnel_seats $address_group 2000;  location: at most so many requests and tunnels of an
 *                                      address; 429 for more
 *   log_lines 200;                     http: at most so many lines a second of an address
 *   tunnel on;                         location: what is answered by 101 becomes a tunnel
 *   passes_to message;                 location: what is usual goes to a process of this
 *                                      service without Lua
 *   passes_here;                       upstream: by which it does, behind Lua's balancer
 *
 * and functions that Lua finds by their names (heads.h).
 *
 * With TLS, which nginx has to speak, a socket stays a request of nginx'.
 */
#include <stdbool.h>

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#include "context.h"
#include "handover.h"
#include "members.h"
#include "upgrade.h"

/* As ngx_http_limit_conn_module has it: the variable $limit_conn_status says REJECTED. */
#define STATUS_REJECTED 2

ngx_module_t parley_tunnel_module;

/* ---- seats ------------------------------------------------------------------------ */

static void
leave(void *data)
{
	struct context *context = data;

	seats_leave(context->conf->zone, context->seat);
}

static ngx_int_t
refuse(ngx_http_request_t *r)
{
	r->main->limit_conn_status = STATUS_REJECTED;
	return NGX_HTTP_TOO_MANY_REQUESTS;
}

static ngx_int_t
take_seat(ngx_http_request_t *r)
{
	struct location_conf *conf =
	    ngx_http_get_module_loc_conf(r, parley_tunnel_module);
	ngx_http_variable_value_t *value;
	struct context *context;

	if (conf->seats_max == 0)
		return NGX_DECLINED;
	value = ngx_http_get_indexed_variable(r, (ngx_uint_t)conf->key);
	context = context_of(r);
	if (value == NULL || context == NULL)
		return NGX_HTTP_INTERNAL_SERVER_ERROR;
	context->leaving = ngx_pool_cleanup_add(r->pool, 0);
	if (context->leaving == NULL)
		return NGX_HTTP_INTERNAL_SERVER_ERROR;
	context->seat = seats_take(
	    conf->zone, &(ngx_str_t){value->len, value->data}, conf->seats_max);
	if (context->seat == NULL)
		return refuse(r);
	context->leaving->handler = leave;
	context->leaving->data = context;
	return NGX_DECLINED;
}

/* ---- lines ------------------------------------------------------------------------ */

static const struct lines *
lines_of(ngx_http_request_t *r)
{
	const struct main_conf *conf =
	    ngx_http_get_module_main_conf(r, parley_tunnel_module);

	return &conf->lines;
}

static ngx_int_t
before_access(ngx_http_request_t *r)
{
	lines_choose(r, lines_of(r));
	return take_seat(r);
}

/* ending.lua has nothing to do where Lua had no part in a request. Weak: render.sh tries this
 * module alone. */
extern ngx_int_t ngx_http_lua_log_handler(ngx_http_request_t *r) __attribute__((weak));

static ngx_int_t
at_end_of_lua(ngx_http_request_t *r)
{
	return members_are_done(r) ? NGX_DECLINED : ngx_http_lua_log_handler(r);
}

static ngx_int_t
at_end(ngx_http_request_t *r)
{
	lines_note(r, lines_of(r));
	return NGX_OK;
}

/* For Lua. */
ngx_uint_t parley_lines_left_out(void);

ngx_uint_t
parley_lines_left_out(void)
{
	const struct main_conf *conf =
	    ngx_http_cycle_get_module_main_conf(ngx_cycle, parley_tunnel_module);

	return lines_left_out(&conf->lines);
}

/* ---- what is answered ------------------------------------------------------------- */

static ngx_http_output_header_filter_pt next_filter;

static ngx_int_t
filter_head(ngx_http_request_t *r)
{
	ngx_int_t rc;

	lines_choose_again(r, lines_of(r));
	rc = upgrade_take(r);
	return rc == NGX_DECLINED ? next_filter(r) : rc;
}

/* ---- configuration ---------------------------------------------------------------- */

static void *
create_main(ngx_conf_t *cf)
{
	return ngx_pcalloc(cf->pool, sizeof(struct main_conf));
}

static void *
create_location(ngx_conf_t *cf)
{
	struct location_conf *conf = ngx_pcalloc(cf->pool, sizeof(*conf));

	if (conf != NULL)
		conf->is_tunnel = NGX_CONF_UNSET;
	return conf;
}

/* Seats are of one location alone, as an error's answer takes none. */
static char *
merge_location(ngx_conf_t *cf, void *parent, void *child)
{
	struct location_conf *above = parent, *conf = child;

	(void)cf;
	ngx_conf_merge_value(conf->is_tunnel, above->is_tunnel, 0);
	return NGX_CONF_OK;
}

static char *
set_zone(ngx_conf_t *cf, ngx_command_t *command, void *data)
{
	static ngx_str_t name = ngx_string("tunnel_seats");
	struct main_conf *conf = data;
	ngx_str_t *words = cf->args->elts;
	ssize_t bytes = ngx_parse_size(&words[1]);

	(void)command;
	if (bytes < (ssize_t)(8 * ngx_pagesize))
		return "has too few bytes";
	conf->zone =
	    ngx_shared_memory_add(cf, &name, (size_t)bytes, &parley_tunnel_module);
	if (conf->zone == NULL)
		return NGX_CONF_ERROR;
	conf->zone->init = seats_zone_init;
	return NGX_CONF_OK;
}

static char *
set_seats(ngx_conf_t *cf, ngx_command_t *command, void *data)
{
	struct location_conf *conf = data;
	struct main_conf *above =
	    ngx_http_conf_get_module_main_conf(cf, parley_tunnel_module);
	ngx_str_t *words = cf->args->elts;
	ngx_str_t name = {words[1].len - 1, words[1].data + 1};
	ngx_int_t most = ngx_atoi(words[2].data, words[2].len);

	(void)command;
	if (above->zone == NULL)
		return "comes before tunnel_seats_zone";
	if (words[1].data[0] != '$' || most <= 0)
		return "needs a variable and a number";
	conf->key = ngx_http_get_variable_index(cf, &name);
	if (conf->key == NGX_ERROR)
		return NGX_CONF_ERROR;
	conf->zone = above->zone;
	conf->seats_max = (ngx_uint_t)most;
	return NGX_CONF_OK;
}

static char *
set_lines(ngx_conf_t *cf, ngx_command_t *command, void *data)
{
	struct main_conf *conf = data;
	ngx_str_t *words = cf->args->elts;
	ngx_int_t per_second = ngx_atoi(words[1].data, words[1].len);

	(void)command;
	if (per_second < 0)
		return "needs a number";
	return lines_init(cf, &conf->lines, (ngx_uint_t)per_second) == NGX_OK
		   ? NGX_CONF_OK
		   : NGX_CONF_ERROR;
}

static ngx_int_t
add_variables(ngx_conf_t *cf)
{
	static ngx_str_t name = ngx_string("handover_name");
	ngx_http_variable_t *variable = ngx_http_add_variable(cf, &name, 0);

	if (variable == NULL)
		return NGX_ERROR;
	variable->get_handler = upgrade_handover_name;
	return heads_init(cf);
}

static ngx_int_t
begin_worker(ngx_cycle_t *cycle)
{
	struct main_conf *conf =
	    ngx_http_cycle_get_module_main_conf(cycle, parley_tunnel_module);

	if (conf == NULL)
		return NGX_OK;
	if (conf->members != NULL)
		members_begin_worker(conf->members);
	if (conf->zone != NULL)
		seats_begin(conf->zone);
	if (conf->handover.len > 0 && ngx_process != NGX_PROCESS_HELPER)
		(void)handover_listen(cycle, &conf->handover);
	return NGX_OK;
}

static void
end_worker(ngx_cycle_t *cycle)
{
	(void)cycle;
	handover_end();
}

/* In place of Lua's own handler, if it has one. */
static void
replace_end_of_lua(ngx_array_t *handlers)
{
	ngx_http_handler_pt *all = handlers->elts;

	for (ngx_uint_t i = 0; i < handlers->nelts; i++)
		if (all[i] == ngx_http_lua_log_handler)
			all[i] = at_end_of_lua;
}

static bool
add(ngx_array_t *handlers, ngx_http_handler_pt handler)
{
	ngx_http_handler_pt *new = ngx_array_push(handlers);

	if (new != NULL)
		*new = handler;
	return new != NULL;
}

/* nginx runs the handlers of a phase from the last to the first. */
static bool
add_to_run_last(ngx_array_t *handlers, ngx_http_handler_pt handler)
{
	ngx_http_handler_pt *first;

	if (ngx_array_push(handlers) == NULL)
		return false;
	first = handlers->elts;
	ngx_memmove(first + 1, first, (handlers->nelts - 1) * sizeof(*first));
	*first = handler;
	return true;
}

static ngx_int_t
begin(ngx_conf_t *cf)
{
	ngx_http_core_main_conf_t *core =
	    ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
	ngx_http_phase_t *phases = core->phases;

	replace_end_of_lua(&phases[NGX_HTTP_LOG_PHASE].handlers);
	/* before_access after realip, which says whose the address is, and after limit_req,
	 * whose refusals take no seat; what passes does so before Lua is asked. */
	if (!add(&phases[NGX_HTTP_LOG_PHASE].handlers, at_end) ||
	    !add_to_run_last(&phases[NGX_HTTP_PREACCESS_PHASE].handlers, before_access) ||
	    !add(&phases[NGX_HTTP_ACCESS_PHASE].handlers, members_choose))
		return NGX_ERROR;
	next_filter = ngx_http_top_header_filter;
	ngx_http_top_header_filter = filter_head;
	return NGX_OK;
}

static ngx_command_t commands[] = {
    {ngx_string("handover"), NGX_HTTP_MAIN_CONF | NGX_CONF_TAKE1, ngx_conf_set_str_slot,
	NGX_HTTP_MAIN_CONF_OFFSET, offsetof(struct main_conf, handover), NULL},
    {ngx_string("tunnel_seats_zone"), NGX_HTTP_MAIN_CONF | NGX_CONF_TAKE1, set_zone,
	NGX_HTTP_MAIN_CONF_OFFSET, 0, NULL},
    {ngx_string("tunnel_seats"), NGX_HTTP_LOC_CONF | NGX_CONF_TAKE2, set_seats,
	NGX_HTTP_LOC_CONF_OFFSET, 0, NULL},
    {ngx_string("log_lines"), NGX_HTTP_MAIN_CONF | NGX_CONF_TAKE1, set_lines,
	NGX_HTTP_MAIN_CONF_OFFSET, 0, NULL},
    {ngx_string("tunnel"), NGX_HTTP_LOC_CONF | NGX_CONF_FLAG, ngx_conf_set_flag_slot,
	NGX_HTTP_LOC_CONF_OFFSET, offsetof(struct location_conf, is_tunnel), NULL},
    {ngx_string("passes_to"), NGX_HTTP_LOC_CONF | NGX_CONF_TAKE1, members_set_service,
	NGX_HTTP_LOC_CONF_OFFSET, 0, NULL},
    {ngx_string("passes_here"), NGX_HTTP_UPS_CONF | NGX_CONF_NOARGS, members_set_upstream,
	0, 0, NULL},
    ngx_null_command,
};

static ngx_http_module_t callbacks = {
    .preconfiguration = add_variables,
    .postconfiguration = begin,
    .create_main_conf = create_main,
    .create_loc_conf = create_location,
    .merge_loc_conf = merge_location,
};

ngx_module_t parley_tunnel_module = {
    NGX_MODULE_V1,
    .ctx = &callbacks,
    .commands = commands,
    .type = NGX_HTTP_MODULE,
    .init_process = begin_worker,
    .exit_process = end_worker,
};

/* What nginx looks for in the file of a module. */
extern ngx_module_t *ngx_modules[];
extern char *ngx_module_names[];
extern char *ngx_module_order[];
ngx_module_t *ngx_modules[] = {&parley_tunnel_module, NULL};
char *ngx_module_names[] = {"parley_tunnel_module", NULL};
char *ngx_module_order[] = {NULL};
