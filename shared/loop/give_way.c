#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A struct of this name is the C library's, too. */
#define sched_param kernel_sched_param
#include <linux/sched/types.h>
#undef sched_param

#include "base/clock.h"
#include "base/log.h"
#include "loop/give_way.h"

#ifndef sigev_notify_thread_id /* glibc 2.36 has no name for it */
#define sigev_notify_thread_id _sigev_un._tid
#endif

#define SLICE_NS      100000 /* the least that Linux takes */
#define REST_EACH_NS  1000000
#define WORK_LEAST_US 500 /* of processor time, before a rest */
#define REST_NS       1   /* and what the kernel adds: 50 us */

/* To Linux, 0 is this thread alone, and no thread may take its priority back. */
static void
be_nice(const char *thread, int nice)
{
	struct sched_attr attr = {.size = sizeof(attr),
	    .sched_policy = SCHED_OTHER,
	    .sched_nice = nice,
	    .sched_runtime = SLICE_NS};

	if (syscall(SYS_sched_setattr, 0, &attr, 0) != 0)
		pl_log_warn("thread could not be made nice, and takes turns as others do",
		    PL_L_CSTR("thread", thread), PL_L_INT("errno", errno));
}

/* By pl_clock_thread_us(); first used on its thread outside of a signal, in which it must
 * not be allocated. */
static _Thread_local int64_t rested_us;

/* Who has waited for a processor since the last rest has not worked: on a machine where all
 * is taken it would rest each time it comes to work. (nanosleep() is a plain call to the
 * system in glibc and musl.) */
static void
rest(int signal)
{
	int error = errno;
	int64_t now_us = pl_clock_thread_us();

	(void)signal;
	if (now_us - rested_us >= WORK_LEAST_US) {
		rested_us = now_us;
		(void)nanosleep(&(struct timespec){.tv_nsec = REST_NS}, NULL);
	}
	errno = error;
}

/* Threads of ours take no signals (loop/thread.h), but for this one. */
static void
take_signal(void)
{
	struct sigaction action = {.sa_handler = rest, .sa_flags = SA_RESTART};
	sigset_t one;

	(void)sigaction(SIGRTMIN, &action, NULL);
	sigemptyset(&one);
	sigaddset(&one, SIGRTMIN);
	(void)pthread_sigmask(SIG_UNBLOCK, &one, NULL);
}

static void
make_timer(struct pl_give_way *g, const char *thread)
{
	struct sigevent event = {
	    .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN};

	event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
	take_signal();
	g->has_timer = timer_create(CLOCK_MONOTONIC, &event, &g->timer) == 0;
	if (!g->has_timer)
		pl_log_warn("thread has no timer, and does not rest while it works",
		    PL_L_CSTR("thread", thread), PL_L_INT("errno", errno));
}

void
pl_give_way_init(struct pl_give_way *g, const char *thread, int nice)
{
	*g = (struct pl_give_way){.has_timer = false};
	if (getpriority(PRIO_PROCESS, 0) >= nice)
		return;
	rested_us = pl_clock_thread_us();
	be_nice(thread, nice);
	make_timer(g, thread);
}

void
pl_give_way_fini(struct pl_give_way *g)
{
	if (g->has_timer)
		(void)timer_delete(g->timer);
	g->has_timer = false;
}

/* ns: 0 for never. */
static void
rest_each(struct pl_give_way *g, long ns)
{
	const struct itimerspec each = {
	    .it_interval.tv_nsec = ns, .it_value.tv_nsec = ns};

	if (g->has_timer)
		(void)timer_settime(g->timer, 0, &each, NULL);
}

void
pl_give_way_begin(struct pl_give_way *g)
{
	rest_each(g, REST_EACH_NS);
}

void
pl_give_way_end(struct pl_give_way *g)
{
	rest_each(g, 0);
}
