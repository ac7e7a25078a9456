/*
 * tail: messages from the store, while the bus is in doubt.
 *
 *   TRUSTED --a doubt--> DOUBTED     what the bus brings is not handed on: it only says that there
 *      ^                    |        is something to read, so that all comes in the store's order,
 *      |                    |        and nothing is left out
 *      '---- GO_ON_MS after the last doubt, once nothing is left to read
 *
 * A doubt is: the bus is down, answers slowly, or a subscription had to be made again; this
 * process stood still; or somebody could not publish (bus/gap). What sockets have had already
 * they do not get again (delivery/seen).  Threads: the loop's.
 */
#ifndef PRESENCE_DELIVERY_TAIL_H
#define PRESENCE_DELIVERY_TAIL_H

#include <stdbool.h>

void tail_start(void);
void tail_stop(void);
void tail_doubt(void); /* something may have been missed since the bus was last well */
/* The bus brought a message. True: it is read from the store, and comes by hub_deliver(). */
bool tail_takes_message(void);

#endif
