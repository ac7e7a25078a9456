#include "loop/daemon.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

int
pl_daemon_prepare(void)
{
	const struct rlimit none = {0, 0};
	pid_t parent = getppid();
	sigset_t set;

	(void)setrlimit(RLIMIT_CORE, &none);
	(void)signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	/* The parent is gone already, and with it the reason to run. */
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		exit(0);
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}
