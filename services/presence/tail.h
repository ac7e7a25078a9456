/*
 * tail: what the bus did not tell. While Redis is away, and for a while after each break of it,
 * the latest messages are read from the store every second and handed to the sockets here. What
 * they have had already they do not get again (presence/seen).
 *
 * A break is: the bus is down, a subscription had to be made again, or this process itself
 * stood still so long that Redis may have given it up.
 * Threads: the loop's.
 */
#ifndef PRESENCE_TAIL_H
#define PRESENCE_TAIL_H

#include <stdbool.h>

void tail_start(void);
void tail_stop(void);
void tail_wake(void); /* something was missed */
/* What was missed is not handed out yet: what the bus brings now stands behind it, and is better
 * read from the store, too (tail_wake), for the sake of the order. No longer than the store
 * answers. */
bool tail_is_behind(void);

#endif
