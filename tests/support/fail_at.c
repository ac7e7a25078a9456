#include "support/fail_at.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/resource.h>

__attribute__((weak)) extern void __gcov_dump(void);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	enum fail_kind kind;
	unsigned n, times, calls, failed;
	int error;
} plan;

const char *
fail_kind_name(enum fail_kind kind)
{
	static const char *const names[FAIL_KINDS] = {"nothing", "alloc", "mem", "open",
	    "read", "write", "sync", "truncate", "lock", "shm", "socket", "connect",
	    "send", "recv", "reply"};

	return names[kind];
}

void
fail_at(enum fail_kind kind, unsigned n, unsigned times, int error)
{
	pthread_mutex_lock(&lock);
	plan.kind = kind;
	plan.n = n;
	plan.times = times;
	plan.error = error;
	plan.calls = plan.failed = 0;
	pthread_mutex_unlock(&lock);
}

unsigned
fail_at_end(void)
{
	unsigned failed;

	pthread_mutex_lock(&lock);
	plan.kind = FAIL_NOTHING;
	failed = plan.failed;
	pthread_mutex_unlock(&lock);
	return failed;
}

bool
fail_at_now(enum fail_kind kind, int *error)
{
	bool fails;

	pthread_mutex_lock(&lock);
	fails = plan.kind == kind && ++plan.calls >= plan.n && plan.failed < plan.times;
	if (fails) {
		plan.failed++;
		*error = plan.error;
	}
	pthread_mutex_unlock(&lock);
	return fails;
}

static void
on_abort(int number)
{
	(void)number;
	(void)fail_at_end(); /* what writes the counts needs memory itself */
	if (__gcov_dump != NULL)
		__gcov_dump();
}

void
fail_at_expect_abort(void)
{
	const struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
	signal(SIGABRT, on_abort);
}
