/*
 * members: which process gets a usual request, said without Lua. members.lua knows who
 * serves, and what to do with a process that does not answer; here only those that are up
 * are asked in turn, as long as Lua says that there is nothing else to think of:
 *
 *   Lua        parley_members_begin(), and parley_member_is() for each that is up, whenever
 *              that changes; and parley_members_known(100) each time it has looked: for so
 *              many ms requests may pass. So one request in 100 ms goes by Lua, which looks
 *              again, and all do while some process is avoided.
 *   a request  that is plain (heads.h), has its body here, and whose location has
 *              "passes_to SERVICE;", gets an id and a process, and Lua's handlers of
 *              access and of the end are left out. PUT and DELETE are for Lua, and so are
 *              what belongs to a session, and a GET where there are several, for it has
 *              times of its own; but not that of a socket.
 *   its first process does not answer
 *              Lua's balancer goes on from there, and asks by parley_passed() where that is.
 *
 * Threads: none; each worker has its own list.
 */
#ifndef PARLEY_GATEWAY_MEMBERS_H
#define PARLEY_GATEWAY_MEMBERS_H

#include <stdbool.h>

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#define SERVICES_MAX 4

struct service {
	ngx_str_t name;
	ngx_array_t up; /* of ngx_addr_t */
	ngx_uint_t turn;
};

/* Of the configuration, and what Lua said since. */
struct members {
	struct service services[SERVICES_MAX];
	ngx_uint_t count;
	ngx_pool_t *pool; /* of the lists; NULL: there are none */
	bool are_whole;
	ngx_msec_t known_until;
	/* What the upstream would be without us: Lua's balancer. */
	ngx_http_upstream_init_pt init_upstream;
	ngx_http_upstream_init_peer_pt init_peer;
};

/* Of a request. */
struct choice;

/* "passes_to SERVICE;" and "passes_here;", the latter in an upstream, behind its
 * balancer. */
char *members_set_service(ngx_conf_t *cf, ngx_command_t *command, void *data);
char *members_set_upstream(ngx_conf_t *cf, ngx_command_t *command, void *data);

/* As a worker begins. */
void members_begin_worker(struct members *members);

/* In the phase of access: NGX_OK if r passes without Lua. */
ngx_int_t members_choose(ngx_http_request_t *r);

/* At its end: it has passed, and nothing is left for Lua to note. */
bool members_are_done(ngx_http_request_t *r);

/* For Lua. The lists are empty; address, with a port, is one more of service, and if it
 * cannot be read, nothing passes until they begin anew; for so many ms they are known. */
void parley_members_begin(void);
void parley_member_is(
    const char *service, size_t service_len, const char *address, size_t address_len);
void parley_members_known(ngx_uint_t ms);

/* For Lua, if its balancer is asked after all: who was asked first, in vain, and of which
 * service; borrowed until r ends. 0 if nobody was. From then on r is Lua's. */
ngx_int_t parley_passed(ngx_http_request_t *r, ngx_str_t *service, ngx_str_t *address);

#endif
