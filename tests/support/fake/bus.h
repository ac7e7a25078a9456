/*
 * fake bus: what is published waits here until the test says what became of it. Nothing
 * is delivered, and no channel is ever listened to.  Threads: the loop's.
 */
#ifndef PL_TESTS_FAKE_BUS_H
#define PL_TESTS_FAKE_BUS_H

#include "bus/bus.h"

struct pl_bus *fake_bus_new(struct pl_loop *loop);
/* How many wait whose payload holds text, such as the event's name, or its channel. */
size_t fake_bus_count(struct pl_bus *bus, const char *text);
/* Answer the oldest of them, which must be there. */
void fake_bus_end(struct pl_bus *bus, const char *text, enum pl_err err);
/* And all others. */
void fake_bus_end_all(struct pl_bus *bus, enum pl_err err);

#endif
