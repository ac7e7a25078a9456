#include <errno.h>
#include <stdlib.h>

#include <kore.h>
#include <http.h>

#include "base/clock.h"
#include "loop/loop_epoll.h"
#include "http/cork.h"
#include "http/loop_kore.h"

/* kore looks for connections that are idle for too long only after something happened: so
 * let something happen. */
#define KORE_TICK_MS  500
#define DRAIN_STEP_MS 20

/* kore keeps the address of the event as long as it lives, so it is static. */
static struct {
	struct kore_event event; /* first: kore casts */
	struct pl_loop *loop;
} inner;

static void
on_ready(void *arg, int error)
{
	(void)arg;
	(void)error;
	inner.event.flags = 0; /* kore only ever sets them */
	pl_loop_epoll_step(inner.loop, 0);
	pl_cork_release(); /* a task of a task would come a turn later */
}

static void
on_own(void *arg, u_int64_t now)
{
	(void)arg;
	(void)now;
	pl_loop_epoll_run_own(inner.loop);
	pl_cork_release();
}

/* kore runs its timers after the events of each turn. */
static void
wake(void)
{
	kore_timer_add(on_own, 0, NULL, KORE_TIMER_ONESHOT);
}

static void
on_tick(void *arg, u_int64_t now)
{
	(void)arg;
	(void)now;
	pl_cork_release(); /* of a walk that http_request_ms cut off */
}

struct pl_loop *
pl_loop_kore_new(void)
{
	inner.loop = pl_loop_epoll_new();
	inner.event.type = KORE_MSG_APP_BASE;
	inner.event.handle = on_ready;
	kore_platform_event_level_read(pl_loop_epoll_fd(inner.loop), &inner);
	kore_timer_add(on_tick, KORE_TICK_MS, NULL, 0);
	pl_loop_epoll_wake_by(inner.loop, wake);
	return inner.loop;
}

void
pl_loop_kore_free(struct pl_loop *loop)
{
	pl_loop_epoll_free(loop);
}

void
pl_loop_kore_drain(
    struct pl_loop *loop, bool (*is_done)(void *arg), void *arg, int64_t limit_ms)
{
	int64_t end = pl_clock_mono_ms() + limit_ms;

	pl_loop_epoll_wake_by(loop, NULL); /* kore's timers run no more */
	while (!is_done(arg) && pl_clock_mono_ms() < end) {
		kore_platform_event_wait(DRAIN_STEP_MS);
		http_process();
		kore_connection_prune(KORE_CONNECTION_PRUNE_DISCONNECT);
	}
}
