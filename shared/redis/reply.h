/*
 * reply: asking a hiredis reply what it is. All take NULL for "no reply".
 * Threads: one at a time.
 */
#ifndef PL_REDIS_REPLY_H
#define PL_REDIS_REPLY_H

#include <hiredis/hiredis.h>

#include "base/str.h"

static inline bool
pl_redis_reply_is(const struct redisReply *reply, int type)
{
	return reply != NULL && reply->type == type;
}

/* A string, status or error's bytes; empty for others. */
static inline struct pl_str
pl_redis_reply_str(const struct redisReply *reply)
{
	if (pl_redis_reply_is(reply, REDIS_REPLY_STRING) ||
	    pl_redis_reply_is(reply, REDIS_REPLY_STATUS) ||
	    pl_redis_reply_is(reply, REDIS_REPLY_ERROR))
		return pl_str_n(reply->str, reply->len);
	return PL_STR_NONE;
}

/* Is it an error that starts with code, "NOGROUP"? */
static inline bool
pl_redis_reply_is_error(const struct redisReply *reply, struct pl_str code)
{
	return pl_redis_reply_is(reply, REDIS_REPLY_ERROR) &&
	       pl_str_starts(pl_redis_reply_str(reply), code);
}

/* The array's element, or NULL. */
static inline const struct redisReply *
pl_redis_reply_at(const struct redisReply *reply, size_t index)
{
	if (!pl_redis_reply_is(reply, REDIS_REPLY_ARRAY) || index >= reply->elements)
		return NULL;
	return reply->element[index];
}

#endif
