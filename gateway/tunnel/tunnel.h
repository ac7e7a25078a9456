/*
 * tunnel: an open WebSocket without the request that it began as.
 *
 *   client ── nginx' request, its pools and buffers, 16 KB ── service    until the 101 is out
 *   client ── struct tunnel, 100 bytes ── service                        from then on
 *
 * nginx keeps all of a request as long as its connection lives. Once the handshake is
 * through, and nothing of either side is on its way, nginx' request ends, with its line
 * in the access log, and its two connections go on here, as epoll knows them: what one side
 * writes is read into a buffer that all share, and written to the other. Only what the other does not take at
 * once is kept, in memory of its own, and until that is gone nothing more is read; so a
 * slow reader costs at most TUNNEL_BYTES a direction.
 *
 *   state      true in it
 *   open       both connections are there
 *   lingering  the service has ended: the client has all of its bytes and an end, and
 *              what it still writes is read and dropped, for a reset could overtake the
 *              close frame
 *
 * A service that is silent, or a side that takes nothing, ends it after nginx' own times.
 * Threads: none; all of it runs in the worker that has the connections.
 */
#ifndef PARLEY_GATEWAY_TUNNEL_H
#define PARLEY_GATEWAY_TUNNEL_H

#include <ngx_config.h>
#include <ngx_core.h>

#include "seats.h"

#define TUNNEL_BYTES 4096

struct tunnel_times {
	ngx_msec_t silent_ms; /* of the service: proxy_read_timeout */
	ngx_msec_t stuck_ms;  /* of who takes nothing: proxy_send_timeout */
};

struct tunnel;

/* Room for one; NULL if there is none. times are borrowed for as long as the worker lives.
 * tunnel_open() is to follow. */
struct tunnel *tunnel_new(const struct tunnel_times *times);

/* client and service, two connections that nginx tells of reading and of writing, are the
 * tunnel's from now on, and so is seat (NULL: none), which is left in zone at the end. The
 * request that had them is gone; their pools go here. */
void tunnel_open(struct tunnel *tunnel, ngx_connection_t *client,
    ngx_connection_t *service, ngx_shm_zone_t *zone, struct seat *seat);

#endif
