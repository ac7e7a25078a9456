/*
 * bus_local: a bus within one process, for tests: what is published is delivered at the
 * loop's next turn, and it is up unless a test says otherwise. It has no Redis.  Threads:
 * the loop's.
 */
#ifndef PL_TESTS_BUS_LOCAL_H
#define PL_TESTS_BUS_LOCAL_H

#include "bus/bus.h"

struct pl_bus *bus_local_new(struct pl_loop *loop);
/* Is it up from now on? It brings what it is given all the same. */
void bus_local_set_up(struct pl_bus *bus, bool is_up);
/* While it is stalled nothing comes: no message, and no word that a channel is listened
 * to. */
void bus_local_stall(struct pl_bus *bus, bool is_stalled);

#endif
