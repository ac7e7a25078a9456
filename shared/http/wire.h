/*
 * wire: a connection of kore, with fewer system calls a request, and answers without
 * copies.
 *
 *   kore 4.1.0                         here
 *   recv, and one more for EAGAIN      recv; what came short of the room has taken all
 *   send for each 8 KiB                send for all of a buffer
 *   each header copied three times     one buffer, which is sent
 *
 * A recv() that was short has emptied the socket: what comes later is another event
 * (epoll(7), edge-triggered). The note of it is a bit of the connection's flags that kore
 * does not use, and goes with each event, for that may be of bytes that came since.
 *
 * Only http/ and sockets/ use it.  Threads: the loop's.
 * Source: kore 4.1.0, src/net.c, src/http.c.
 */
#ifndef PL_HTTP_WIRE_H
#define PL_HTTP_WIRE_H

#include <kore.h>
#include <http.h>

#include "base/buf.h"

/* A new connection is read and written this way, from its beginning. */
void pl_wire_take(struct connection *c);
/* Has all been read of what kore has announced? Then the next bytes are announced. */
bool pl_wire_has_read_all(const struct connection *c);
/*
 * Queue the answer to req: status, what HTTP says of the connection and the length,
 * headers (lines with their ends), body. Then kore reads on, unless the connection is
 * busy or closes after this. Both are copied.
 */
void pl_wire_respond(
    struct http_request *req, int status, struct pl_str headers, struct pl_str body);

#endif
