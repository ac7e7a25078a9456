#include <pthread.h>

#include "base/clock.h"
#include "store/mongo/session.h"

/* A process has one thread that writes, so nobody waits here for long. */
static struct {
	pthread_mutex_t lock;
	struct pl_message_pos newest;
	int64_t newest_revocation_unix_ms;
} order = {.lock = PTHREAD_MUTEX_INITIALIZER};

void
pl_mongo_order_lock(void)
{
	pthread_mutex_lock(&order.lock);
}

void
pl_mongo_order_unlock(void)
{
	pthread_mutex_unlock(&order.lock);
}

/* Put pos after other: at its time, or a millisecond later if the id alone would not
 * do. */
static void
put_behind(struct pl_message_pos *pos, const struct pl_message_pos *other)
{
	if (pos->created_unix_ms < other->created_unix_ms)
		pos->created_unix_ms = other->created_unix_ms;
	if (pos->created_unix_ms == other->created_unix_ms &&
	    pl_oid_compare(&pos->id, &other->id) <= 0)
		pos->created_unix_ms++;
}

struct pl_message_pos
pl_mongo_order_next(const struct pl_message_pos *floor)
{
	struct pl_message_pos pos = {.created_unix_ms = pl_clock_unix_ms()};

	pl_oid_new(&pos.id);
	put_behind(&pos, &order.newest);
	order.newest = pos;
	/* Another process' clock, or an old database, must not set our time for all that
	 * follows. */
	if (floor != NULL)
		put_behind(&pos, floor);
	return pos;
}

int64_t
pl_mongo_order_next_revocation(void)
{
	int64_t now = pl_clock_unix_ms();

	if (order.newest_revocation_unix_ms < now)
		order.newest_revocation_unix_ms = now;
	return order.newest_revocation_unix_ms;
}
