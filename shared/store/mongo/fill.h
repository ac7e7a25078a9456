/*
 * fill: correspondents found by the messages that are there, for those that something
 * else than this version stored: an old database, a MERN app that still runs beside us,
 * an older process.
 *
 * A thread walks over all messages in their order, once, and notes who wrote to whom. How
 * far it has come is in the collection, so that the next process goes on there:
 *
 *   parley_correspondents  {_id: "filled", at: <createdAt> [, isWhole: true]}
 *
 * From then on it looks every PL_FILL_INTERVAL_MS at what came since, and at the last
 * PL_FILL_OVERLAP_MS before that: another's clock is not ours, and a write takes its
 * time. What is stored later with an older createdAt is not found (`make adopt`, which
 * does that, has it all walked over again). Several processes may do it at once: what one
 * has noted is there for all. Only store/ uses it.  Threads: any; the calls block.
 */
#ifndef PL_STORE_MONGO_FILL_H
#define PL_STORE_MONGO_FILL_H

#include "store/mongo/session.h"

#define PL_FILL_INTERVAL_MS 15000
#define PL_FILL_OVERLAP_MS                                                               \
	60000 /* mongoose sets createdAt, then waits up to 30 s for a server */

/* Once a process: start the thread. It logs the first walk, at its start and its end, and
 * whom it finds later. */
void pl_mongo_fill_start(const char *uri);
/* One walk or look; s: of pl_mongo_connect(), patient. */
enum pl_err pl_mongo_fill(struct pl_mongo *s) PL_MUST_CHECK;
/* All messages are to be walked over again, by whoever fills. */
enum pl_err pl_mongo_fill_again(struct pl_mongo *s) PL_MUST_CHECK;

#endif
