/*
 * health: may this process be given work? Asked for by GET /readyz.
 *
 *   200 {"status":"ok","db":"up","redis":"up"}
 *   200 {"status":"degraded:redis",...}   Redis is away: all goes on, a little later
 *   503 {"status":"unavailable",...}      the database does not answer in PL_HEALTH_DB_MS
 *   503 {"status":"draining",...}         the process ends
 *
 * Pure: no kore.  Threads: the loop's.
 */
#ifndef PL_HEALTH_HEALTH_H
#define PL_HEALTH_HEALTH_H

#include "bus/bus.h"
#include "store/store_async.h"

#define PL_HEALTH_DB_MS 500

/* body: JSON, borrowed for the call. */
typedef void pl_health_on_answer(void *arg, int status, struct pl_str body);

struct pl_health_question {
	struct pl_loop *loop;
	struct pl_store_async *store;
	struct pl_bus *bus;
	bool is_draining;
	/* Is all known that must be read from the database? Asked at the answer; NULL:
	 * yes. */
	bool (*is_current)(void);
	pl_health_on_answer *on_answer;
	void *arg;
};

/* question is copied. It is answered once, perhaps from inside the call. */
void pl_health_ask(const struct pl_health_question *question);

#endif
