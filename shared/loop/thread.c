#include <signal.h>
#include <stdlib.h>

#include "base/log.h"
#include "loop/thread.h"

/* 0, or the number of the error. */
static int
start(pthread_t *thread, const char *name, void *(*run)(void *arg), void *arg)
{
	sigset_t all, old;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	error = pthread_create(thread, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (error == 0)
		pthread_setname_np(*thread, name);
	return error;
}

pthread_t
pl_thread_start(const char *name, void *(*run)(void *arg), void *arg)
{
	pthread_t thread;
	int error = start(&thread, name, run, arg);

	if (error != 0) {
		pl_log_error("thread could not be started, giving up",
		    PL_L_CSTR("thread", name), PL_L_INT("errno", error));
		abort();
	}
	return thread;
}

bool
pl_thread_try(pthread_t *thread, const char *name, void *(*run)(void *arg), void *arg)
{
	return start(thread, name, run, arg) == 0;
}

bool
pl_thread_start_detached(const char *name, void *(*run)(void *arg), void *arg)
{
	pthread_t thread;

	if (start(&thread, name, run, arg) != 0)
		return false;
	pthread_detach(thread);
	return true;
}
