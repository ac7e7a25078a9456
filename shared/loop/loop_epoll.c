#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/loop_epoll.h"
#include "loop/loop_impl.h"

#define EVENTS_MAX 64 /* taken from the kernel at once; the rest come the next turn */

/*
 * A machine that stands still (a paused VM, a busy host) stops others along with us: what
 * we wait for could not come. Timers are mostly deadlines, and would all be over before
 * anybody had time to answer; so after a standstill they are put off, and what came is
 * read first.
 */
#define LOOK_MS  400 /* between two looks at the clock, while timers are started */
#define STILL_MS 300 /* a look that is later by so much comes after a standstill */
#define GRACE_MS 200 /* for others to answer, from then on */
#define FIRED    -1  /* no time: the alarm is set, whatever comes next */

struct epoll_loop {
	struct pl_loop base;
	int epoll_fd;
	struct pl_loop_fd posted; /* an eventfd: tasks wait, or the loop is to stop */
	struct pl_loop_fd alarm; /* a timerfd, set to the first timer, or the next look */
	int64_t alarm_mono_ms;   /* what it is set to; 0: nothing, or FIRED */
	bool is_alarm_stale;     /* it is set at the end of this turn */
	int64_t look_mono_ms;    /* the next look; 0: no timer is started */
	int64_t hold_mono_ms;    /* until then no timer fires */
	atomic_bool is_stopping;
	bool has_own; /* tasks that callbacks of this turn posted: they run at its end */
	void (*wake)(void); /* by the loop around this one; NULL: none offered it */
	/* The events of this turn; those from event_next on are still to be delivered. */
	struct epoll_event events[EVENTS_MAX];
	int event_count;
	int event_next;
};

/* The loop whose callbacks run on this thread. */
static _Thread_local const struct pl_loop *turning;
/* The loop of this thread that another loop around it wakes. */
static _Thread_local const struct pl_loop *inner;

static struct epoll_loop *
of(struct pl_loop *loop)
{
	return PL_CONTAINER(loop, struct epoll_loop, base);
}

/* The loop's own descriptors only fail if the system is out of them. */
static int
must(int result, const char *call)
{
	if (result < 0) {
		pl_log_error("event loop failed, giving up", PL_L_CSTR("call", call),
		    PL_L_INT("errno", errno));
		abort();
	}
	return result;
}

static void
epoll_watch(struct pl_loop *loop, struct pl_loop_fd *w, unsigned wanted)
{
	struct epoll_loop *el = of(loop);
	struct epoll_event event = {.data.ptr = w};
	int op = w->wanted == 0 ? EPOLL_CTL_ADD
		 : wanted == 0  ? EPOLL_CTL_DEL
				: EPOLL_CTL_MOD;

	if (wanted & PL_FD_READ)
		event.events |= EPOLLIN;
	if (wanted & PL_FD_WRITE)
		event.events |= EPOLLOUT;
	must(epoll_ctl(el->epoll_fd, op, w->fd, &event), "epoll_ctl");
	if (wanted != 0)
		return;
	/* w may be freed now, or watch another descriptor: forget its events of this
	 * turn. */
	for (int i = el->event_next; i < el->event_count; i++)
		if (el->events[i].data.ptr == w)
			el->events[i].data.ptr = NULL;
}

static void
ring(struct epoll_loop *el)
{
	uint64_t one = 1;

	/* Fails only if the counter is full, and then the loop wakes anyway. */
	if (write(el->posted.fd, &one, sizeof(one)) < 0)
		return;
}

/* 0: never. */
static int64_t
next_alarm(struct epoll_loop *el)
{
	const struct pl_timer *first = pl_timer_heap_first(&el->base.timers);
	int64_t due;

	if (first == NULL)
		return el->look_mono_ms = 0;
	if (el->look_mono_ms == 0)
		el->look_mono_ms = pl_clock_mono_ms() + LOOK_MS;
	due =
	    first->due_mono_ms > el->hold_mono_ms ? first->due_mono_ms : el->hold_mono_ms;
	return due < el->look_mono_ms ? due : el->look_mono_ms;
}

static void
epoll_wake(struct pl_loop *loop)
{
	if (turning == loop)
		of(loop)->has_own = true;
	else if (inner == loop)
		of(loop)->wake();
	else
		ring(of(loop));
}

static void
set_alarm(struct epoll_loop *el)
{
	int64_t due = next_alarm(el);
	struct itimerspec at = {0};

	el->is_alarm_stale = false;
	if (due == el->alarm_mono_ms)
		return;
	el->alarm_mono_ms = due;
	at.it_value.tv_sec = due / 1000;
	at.it_value.tv_nsec = due % 1000 * 1000000;
	must(timerfd_settime(el->alarm.fd, TFD_TIMER_ABSTIME, &at, NULL),
	    "timerfd_settime");
}

/* Once a turn, however many timers are started in it. */
static void
epoll_timers_changed(struct pl_loop *loop)
{
	if (turning == loop)
		of(loop)->is_alarm_stale = true;
	else
		set_alarm(of(loop));
}

static int64_t
epoll_now_ms(struct pl_loop *loop)
{
	(void)loop;
	return pl_clock_mono_ms();
}

static int64_t
epoll_start_ms(struct pl_loop *loop)
{
	struct timespec ts;

	(void)loop;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + (ts.tv_nsec + 999999) / 1000000;
}

static const struct pl_loop_ops epoll_ops = {
    .fd_watch = epoll_watch,
    .wake = epoll_wake,
    .timers_changed = epoll_timers_changed,
    .now_ms = epoll_now_ms,
    .start_ms = epoll_start_ms,
};

static void
swallow(int fd)
{
	uint64_t count;

	/* One read takes all that was counted. */
	if (read(fd, &count, sizeof(count)) < 0)
		return;
}

static void
on_posted(struct pl_loop_fd *w, unsigned ready)
{
	(void)ready;
	swallow(
	    w->fd); /* before the tasks are taken, or a task posted in between is lost */
	pl_loop_run_posted(w->arg);
}

/* Has the loop stood still since the last look? Not twice running: it may be that slow. */
static void
look(struct epoll_loop *el)
{
	int64_t now = pl_clock_mono_ms();
	bool is_late = el->look_mono_ms != 0 && now - el->look_mono_ms >= STILL_MS;

	if (is_late && el->hold_mono_ms == 0)
		el->hold_mono_ms = now + GRACE_MS;
	else if (now >= el->hold_mono_ms)
		el->hold_mono_ms = 0;
	el->look_mono_ms = now + LOOK_MS;
}

/* Setting it anew, or to nothing, takes back that it has fired: it need not be read. */
static void
on_alarm(struct pl_loop_fd *w, unsigned ready)
{
	struct pl_loop *loop = w->arg;

	(void)ready;
	of(loop)->alarm_mono_ms = FIRED;
	of(loop)->is_alarm_stale = true;
	look(of(loop));
	if (of(loop)->hold_mono_ms == 0)
		pl_loop_run_timers(loop);
}

static void
watch_own(struct pl_loop *loop, struct pl_loop_fd *w, int fd,
    void (*on_ready)(struct pl_loop_fd *, unsigned))
{
	*w = (struct pl_loop_fd){.fd = fd, .on_ready = on_ready, .arg = loop};
	pl_loop_fd_watch(loop, w, PL_FD_READ);
}

struct pl_loop *
pl_loop_epoll_new(void)
{
	struct epoll_loop *el = pl_mem_zalloc(sizeof(*el));

	pl_loop_init(&el->base, &epoll_ops);
	el->epoll_fd = must(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
	watch_own(&el->base, &el->posted,
	    must(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), "eventfd"), on_posted);
	watch_own(&el->base, &el->alarm,
	    must(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC),
		"timerfd_create"),
	    on_alarm);
	return &el->base;
}

void
pl_loop_epoll_free(struct pl_loop *loop)
{
	struct epoll_loop *el;

	if (loop == NULL)
		return;
	el = of(loop);
	if (inner == loop)
		inner = NULL;
	close(el->posted.fd);
	close(el->alarm.fd);
	close(el->epoll_fd);
	pl_loop_fini(loop);
	pl_mem_free(el);
}

static unsigned
ready_of(uint32_t events)
{
	unsigned ready = 0;

	if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		ready |= PL_FD_READ;
	if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
		ready |= PL_FD_WRITE;
	return ready;
}

static void
deliver(struct epoll_loop *el)
{
	while (el->event_next < el->event_count) {
		const struct epoll_event *event = &el->events[el->event_next++];
		struct pl_loop_fd *w = event->data.ptr;
		unsigned ready = w != NULL ? ready_of(event->events) & w->wanted : 0;

		if (ready != 0)
			w->on_ready(w, ready);
	}
}

/* Once: what these tasks post waits for the next turn, or a task that posts itself would
 * keep all others waiting. */
static void
run_own(struct epoll_loop *el)
{
	el->has_own = false;
	pl_loop_run_posted(&el->base);
	if (el->has_own)
		ring(el);
	el->has_own = false;
}

static void
end_turn(struct epoll_loop *el)
{
	if (el->has_own)
		run_own(el);
	if (el->is_alarm_stale)
		set_alarm(el);
}

void
pl_loop_epoll_step(struct pl_loop *loop, int wait_ms)
{
	struct epoll_loop *el = of(loop);
	int count = epoll_wait(el->epoll_fd, el->events, EVENTS_MAX, wait_ms);
	const struct pl_loop *outer = turning;

	if (count < 0 && errno == EINTR)
		return;
	el->event_count = must(count, "epoll_wait");
	el->event_next = 0;
	turning = loop;
	deliver(el);
	end_turn(el);
	turning = outer;
}

void
pl_loop_epoll_run(struct pl_loop *loop)
{
	while (!atomic_exchange(&of(loop)->is_stopping, false))
		pl_loop_epoll_step(loop, -1);
}

void
pl_loop_epoll_stop(struct pl_loop *loop)
{
	atomic_store(&of(loop)->is_stopping, true);
	ring(of(loop));
}

void
pl_loop_epoll_wake_by(struct pl_loop *loop, void (*wake)(void))
{
	inner = wake != NULL ? loop : NULL;
	of(loop)->wake = wake;
	/* The one before may not have come to it yet. */
	ring(of(loop));
}

void
pl_loop_epoll_run_own(struct pl_loop *loop)
{
	const struct pl_loop *outer = turning;

	turning = loop;
	of(loop)->has_own = true;
	end_turn(of(loop));
	turning = outer;
}

int
pl_loop_epoll_fd(struct pl_loop *loop)
{
	return of(loop)->epoll_fd;
}
