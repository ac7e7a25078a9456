/*
 * context: what the module (module.c) keeps of a configuration, and of a request.
 * Threads: none.
 */
#ifndef PARLEY_GATEWAY_CONTEXT_H
#define PARLEY_GATEWAY_CONTEXT_H

#include "heads.h"
#include "lines.h"
#include "seats.h"
#include "tunnel.h"

struct members;
struct service;
struct choice;

struct main_conf {
	struct heads heads; /* the first: heads.h */
	struct lines lines;
	struct members *members; /* members.h; NULL: nothing passes without Lua */
	ngx_shm_zone_t *zone;
	ngx_str_t handover; /* its folder; empty: none */
};

struct location_conf {
	ngx_flag_t is_tunnel;
	struct service *service; /* members.h; NULL: as above */
	ngx_uint_t seats_max;    /* 0: not counted */
	ngx_int_t key;           /* index of the variable */
	ngx_shm_zone_t *zone;
	struct tunnel_times times; /* those of its proxy_pass, once it has a tunnel */
};

/* Of a request. */
struct context {
	struct seat *seat;
	ngx_pool_cleanup_t *leaving; /* gives the seat back, until a tunnel does */
	struct location_conf *conf;
	struct choice *choice; /* NULL: Lua's */
	ngx_event_t try;
	int tries;
};

extern ngx_module_t parley_tunnel_module;

/* Made if it has none yet; NULL if there is no room. */
struct context *context_of(ngx_http_request_t *r);

#endif
