/*
 * stream: an answer that is written in pieces, so that a long one is never in memory
 * whole: HTTP/1.1 chunks on the request's own connection, which stays usable.
 *
 *   pl_stream_start(rq, ...)   the head goes out
 *   on_more(rq)                the client took all that was written: write the next piece,
 *                              now or later, or end. With rq->is_gone, end.
 *   pl_stream_write(rq, ...)   once for each on_more
 *   pl_stream_end(rq)          ends the request, also right after the last piece
 *
 * A client that takes nothing for PL_STREAM_STALL_MS is cut off; that and one that leaves
 * show as on_more with is_gone.  Threads: the loop's. Source: kore 4.1.0, src/http.c,
 * net.c.
 */
#ifndef PL_HTTP_STREAM_H
#define PL_HTTP_STREAM_H

#include "http/request.h"

#define PL_STREAM_STALL_MS 30000 /* for one piece */

/* False: nothing more is wanted (the client has gone, or it was a HEAD), and rq is ended.
 * Otherwise on_more follows, never from here. */
bool pl_stream_start(struct pl_request *rq, int status, const char *content_type,
    void (*on_more)(struct pl_request *rq)) PL_MUST_CHECK;
/* piece is not empty, and copied; on_more follows, never from here. */
void pl_stream_write(struct pl_request *rq, struct pl_str piece);
void pl_stream_end(struct pl_request *rq);
/* Break the answer off: the connection is cut, so that the client does not take what it
 * has for the whole. */
void pl_stream_abort(struct pl_request *rq);

#endif
