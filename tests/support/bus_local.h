/*
 * bus_local: a bus within one process, for tests: what is published is delivered at the loop's
 * next turn, and it is always up. It has no Redis.  Threads: the loop's.
 */
#ifndef PL_TESTS_BUS_LOCAL_H
#define PL_TESTS_BUS_LOCAL_H

#include "bus/bus.h"

struct pl_bus *bus_local_new(struct pl_loop *loop);

#endif
