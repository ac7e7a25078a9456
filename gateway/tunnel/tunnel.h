/*
 * tunnel: an open WebSocket without the request that it began as.
 *
 *   client ── nginx' request, its pools and buffers, 16 KB ── service    until the 101 is out
 *   client ── struct tunnel, 100 bytes ── service                        from then on
 *
 * nginx keeps all of a request as long as its connection lives. Once the handshake is
 * through, and nothing of either side is on its way, nginx' request ends, with its line
 * in the access log, and its two sockets go on here: what one side writes is read into a
 * buffer that all share, and written to the other. Only what the other does not take at
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

/* Copies of two connected sockets become a tunnel; the two themselves stay with whoever
 * has them. times are borrowed for as long as the worker lives. seat (NULL: none) is
 * taken, and left in zone at the end. NGX_ERROR if there is no room: then nothing has
 * changed. */
ngx_int_t tunnel_open(ngx_socket_t client, ngx_socket_t service,
    const struct tunnel_times *times, ngx_shm_zone_t *zone, struct seat *seat);

#endif
