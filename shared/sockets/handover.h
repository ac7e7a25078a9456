/*
 * handover: connections that a gateway on the same machine gives away. Once a WebSocket is
 * open, the gateway has nothing to do with it but pass its bytes on; so, its client's
 * descriptor goes to the process that has the session, and no byte takes the way round.
 *
 *   gateway, a process of nginx (NAME)              this process
 *   GET ..., "parley-handover: NAME"        ──►     pl_handover_promise()
 *                                           ◄──     204, "parley-handover: LINK TICKET"
 *   TICKET, what its client has written,
 *   its descriptor                          ──►     take
 *                                           ◄──     TICKET, once it is over: its address
 *                                                   may have another (gateway/tunnel/seats.h)
 *
 * The first two lines are an ordinary request and its answer, so all that may be said
 * against a handshake goes the ordinary way. The others are packets of a socket of the
 * file system, HANDOVER_DIR/NAME, which this process opens when it is first named: LINK
 * are 8 bytes that it says of itself there first, TICKET 8 that count; in the header as
 * hexadecimal digits. Where there is no such socket, for the gateway is elsewhere, nobody
 * promises anything, and the WebSocket is one through the gateway.
 *
 * If the gateway's process ends, what it gave away goes on.
 * Threads: the loop's.
 */
#ifndef PL_SOCKETS_HANDOVER_H
#define PL_SOCKETS_HANDOVER_H

#include "base/str.h"

#define PL_HANDOVER_HEADER     "parley-handover"
#define PL_HANDOVER_TEXT_BYTES 33 /* LINK and TICKET, and a NUL */

struct pl_handover;

/* The connection is there: fd is the caller's. early, len bytes, came from it before; it may
 * be changed in place and is gone after the call. Or fd is -1, as the gateway's process has
 * ended: pl_handover_end() is due before the return. Once at most, and not after
 * pl_handover_end(). */
typedef void pl_handover_take(void *arg, int fd, char *early, size_t len);

/* The connection of a request that says name in its header; NULL if it cannot be handed
 * over. pl_handover_end() is due. */
struct pl_handover *pl_handover_promise(
    struct pl_str name, pl_handover_take *take, void *arg);
/* What the answer says in its header. */
void pl_handover_say(const struct pl_handover *h, char text[PL_HANDOVER_TEXT_BYTES]);
/* The connection is over, or is not wanted any more. */
void pl_handover_end(struct pl_handover *h);
/* No gateway is listened to any more, once all of it has ended. */
void pl_handover_close(void);

#endif
