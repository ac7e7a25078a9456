/*
 * dial: from a host's name to a socket that is connecting. A numeric address is dialled
 * at once; a name is looked up on a thread, because that may take seconds. Of several
 * addresses each attempt takes the next.  Threads: the loop's.
 */
#ifndef PL_REDIS_DIAL_H
#define PL_REDIS_DIAL_H

#include "loop/loop.h"

#define PL_REDIS_DIAL_FAILED (-1)
#define PL_REDIS_DIAL_LATER  (-2)

struct pl_redis_dial;

/* on_dialled is given what the lookup of a name led to: a descriptor, or
 * PL_REDIS_DIAL_FAILED. */
struct pl_redis_dial *pl_redis_dial_new(struct pl_loop *loop, const char *host,
    uint16_t port, void (*on_dialled)(void *arg, int fd), void *arg);
void pl_redis_dial_free(struct pl_redis_dial *d);
/* A non-blocking socket, which the caller closes, whose connect() is under way,
 * PL_REDIS_DIAL_FAILED, or PL_REDIS_DIAL_LATER: in the last case on_dialled is called
 * once, unless d is freed before. */
int pl_redis_dial_start(struct pl_redis_dial *d);

#endif
