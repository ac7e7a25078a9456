/*
 * etag: answers that the client may keep, and asks about before it uses them again.
 *
 *   ETag: W/"..."  Cache-Control: private, no-cache      pl_reply_etag(), then the answer
 *   304 with the same                                    ... then pl_reply_not_modified()
 *
 *   Cache-Control: public, max-age=31536000, immutable   pl_reply_for_good() in between
 *
 * The tags are weak: one names what an answer says, compressed or not. No shared cache
 * keeps these answers, and none is used unasked, so that a session that ended shows
 * nothing. The tag of an answer that depends on the caller has to depend on them, too.
 *
 * What the client has is copied, because a tag is often made on a store thread, by which
 * time the request may be gone.  Threads: the loop's, but for pl_etags_have(). Source: RFC
 * 9110 §8.8.3, §13.
 */
#ifndef PL_HTTP_ETAG_H
#define PL_HTTP_ETAG_H

#include "base/buf.h"
#include "base/digest.h"
#include "http/request.h"

/* The tags that a client has. */
struct pl_etags {
	struct pl_buf lines; /* of If-None-Match, each with a newline after it */
};

void pl_etags_read(struct pl_etags *tags, const struct pl_request *rq);
void pl_etags_fini(struct pl_etags *tags);
/* Any thread. */
bool pl_etags_have(const struct pl_etags *tags, const struct pl_digest *tag);

/* The answer that follows has this tag. */
void pl_reply_etag(struct pl_request *rq, const struct pl_digest *tag);
/* After it: what this address gives is for everybody, and never changes, so that anybody
 * may keep it for good (RFC 8246). */
void pl_reply_for_good(struct pl_request *rq);
/* 304, after pl_reply_etag(). */
void pl_reply_not_modified(struct pl_request *rq);

#endif
