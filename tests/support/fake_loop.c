#include "support/fake_loop.h"

#include <assert.h>
#include <poll.h>
#include <stdlib.h>

#include "base/clock.h"
#include "loop/loop_impl.h"
#include "support/patience.h"

#define WATCHED_MAX 16
#define PATIENCE_MS 10000

struct fake_loop {
	struct pl_loop base;
	int64_t now_ms;
	struct pl_loop_fd *watched[WATCHED_MAX];
};

static struct fake_loop *
of(struct pl_loop *loop)
{
	return PL_CONTAINER(loop, struct fake_loop, base);
}

static void
fake_watch(struct pl_loop *loop, struct pl_loop_fd *w, unsigned wanted)
{
	struct pl_loop_fd *before = w->wanted != 0 ? w : NULL;
	size_t i = 0;

	while (i < WATCHED_MAX && of(loop)->watched[i] != before)
		i++;
	assert(i < WATCHED_MAX);
	of(loop)->watched[i] = wanted != 0 ? w : NULL;
}

static void
fake_nothing(struct pl_loop *loop)
{
	(void)loop;
}

static int64_t
fake_now_ms(struct pl_loop *loop)
{
	return of(loop)->now_ms;
}

static const struct pl_loop_ops fake_ops = {
    .fd_watch = fake_watch,
    .wake = fake_nothing,
    .timers_changed = fake_nothing,
    .now_ms = fake_now_ms,
    .start_ms = fake_now_ms,
};

struct pl_loop *
fake_loop_new(void)
{
	struct fake_loop *fl = calloc(1, sizeof(*fl));

	assert(fl != NULL);
	pl_loop_init(&fl->base, &fake_ops);
	fl->now_ms = FAKE_LOOP_START_MS;
	return &fl->base;
}

void
fake_loop_free(struct pl_loop *loop)
{
	pl_loop_fini(loop);
	free(of(loop));
}

static bool
run_ready(struct pl_loop *loop)
{
	bool any = false;

	for (size_t i = 0; i < WATCHED_MAX; i++) {
		struct pl_loop_fd *w = of(loop)->watched[i];
		struct pollfd p;
		unsigned ready = 0;

		if (w == NULL)
			continue;
		p = (struct pollfd){.fd = w->fd,
		    .events = (short)((w->wanted & PL_FD_READ ? POLLIN : 0) |
				      (w->wanted & PL_FD_WRITE ? POLLOUT : 0))};
		if (poll(&p, 1, 0) <= 0)
			continue;
		if (p.revents & (POLLIN | POLLERR | POLLHUP))
			ready |= PL_FD_READ;
		if (p.revents & (POLLOUT | POLLERR | POLLHUP))
			ready |= PL_FD_WRITE;
		any = true;
		w->on_ready(w, ready & w->wanted);
	}
	return any;
}

static bool
run_due(struct pl_loop *loop)
{
	const struct pl_timer *first = pl_timer_heap_first(&loop->timers);

	if (first == NULL || first->due_mono_ms > of(loop)->now_ms)
		return false;
	pl_loop_run_timers(loop);
	return true;
}

void
fake_loop_run(struct pl_loop *loop)
{
	while (pl_loop_run_posted(loop) || run_ready(loop) || run_due(loop))
		;
}

void
fake_loop_advance(struct pl_loop *loop, int64_t ms)
{
	int64_t end = of(loop)->now_ms + ms;
	const struct pl_timer *first;

	fake_loop_run(loop);
	while ((first = pl_timer_heap_first(&loop->timers)) != NULL &&
	       first->due_mono_ms <= end) {
		if (first->due_mono_ms > of(loop)->now_ms)
			of(loop)->now_ms = first->due_mono_ms;
		fake_loop_run(loop);
	}
	of(loop)->now_ms = end;
}

bool
fake_loop_until(struct pl_loop *loop, bool (*is_done)(void *arg), void *arg)
{
	int64_t end = awake_ms() + patient_ms(PATIENCE_MS);

	for (;;) {
		fake_loop_run(loop);
		if (is_done(arg))
			return true;
		if (awake_ms() > end)
			return false;
		(void)poll(NULL, 0, 1); /* let the threads work */
	}
}
