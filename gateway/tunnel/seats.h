/*
 * seats: how many sockets and waiting polls an address has, in memory that nginx' workers
 * share.
 *
 *   zone -> tree: key (bytes of an address) -> struct place -> struct seat of each worker
 *
 * nginx' own limit_conn counts as long as a request lives; a tunnel (tunnel.h) outlives
 * its request, and so needs a seat that can be handed on. And what a worker had that was
 * killed limit_conn counts forever; here it is free once another worker begins, or its
 * address would be refused.
 * Threads: none; workers take the zone's lock.
 */
#ifndef PARLEY_GATEWAY_SEATS_H
#define PARLEY_GATEWAY_SEATS_H

#include <ngx_config.h>
#include <ngx_core.h>

struct seat; /* those of an address that one worker has */

/* For zone->init. zone->data is the seats from then on, also of a configuration read
 * anew. */
ngx_int_t seats_zone_init(ngx_shm_zone_t *zone, void *old);

/* As init_process: what workers had that were killed is free. */
void seats_begin(ngx_shm_zone_t *zone);

/* One more for key; NULL if it has most already, or if the zone is full. */
struct seat *seats_take(ngx_shm_zone_t *zone, ngx_str_t *key, ngx_uint_t most);

/* seat, which seats_take() gave, is free again. */
void seats_leave(ngx_shm_zone_t *zone, struct seat *seat);

#endif
