/*
 * handover: open WebSockets that go to the service itself, which is on the same machine: not
 * a byte of them comes here any more, and nothing is kept of them but a seat.
 *
 *   this process of nginx (NAME: digits)            presence
 *   GET ..., "Parley-Handover: NAME"        ──►
 *                                           ◄──     204, "Parley-Handover: LINK TICKET"
 *   TICKET, what its client has written,
 *   its descriptor                          ──►
 *                                           ◄──     TICKET, once it is over
 *
 * shared/sockets/handover.h has the other side. The first two lines are a request and its
 * answer; the others are packets of a socket in the file system, FOLDER/NAME, which those
 * connect to that are promised something: the first packet of each says its LINK. Who may
 * write to that socket is as good as the gateway: it is for its user alone.
 *
 * A service that is gone gives all of its seats back. This process may end: what it gave
 * goes on, and is not counted any more.
 * Threads: none.
 */
#ifndef PARLEY_GATEWAY_HANDOVER_H
#define PARLEY_GATEWAY_HANDOVER_H

#include <stdbool.h>

#include <ngx_config.h>
#include <ngx_core.h>

#include "seats.h"

/* Listen in folder, as init_process; false, with a line in the log, if that cannot be:
 * then nobody is asked to promise anything. */
bool handover_listen(ngx_cycle_t *cycle, const ngx_str_t *folder);
/* As exit_process. */
void handover_end(void);
/* What services are told; empty if nothing can be handed over. */
ngx_str_t handover_name(void);

/* client, with early, which was read of it, goes to whoever answered with promise, and seat
 * (NULL: none) with it, to be left in zone. Then nginx is told of client no more, but has to
 * close its own descriptor. False: nothing has happened. */
bool handover_give(ngx_connection_t *client, const ngx_buf_t *early,
    const ngx_str_t *promise, ngx_shm_zone_t *zone, struct seat *seat);

#endif
