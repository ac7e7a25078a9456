/*
 * heads: connections that have sent the beginning of a request, but not its whole head.
 *
 *   first byte ---> half --- whole ---> a request
 *                   |  |
 *                   |  '---- 10 s ----> 408
 *                   '- a second later, if PL_HEADS_MAX others are half, too ---> closed
 *
 * The gateway sends heads whole. A client that comes without it holds a buffer of 8 KiB
 * by one byte, and kore alone would leave it that for as long as a client that has asked
 * before.
 * Threads: the loop's.
 */
#ifndef PL_HTTP_HEADS_H
#define PL_HTTP_HEADS_H

#include "loop/loop.h"

#define PL_HEADS_MAX     50
#define PL_HEADS_WAIT_MS 9000 /* from the look that finds it: 9 to 10.5 s in all */

void pl_heads_start(struct pl_loop *loop);
void pl_heads_stop(struct pl_loop *loop);

#endif
