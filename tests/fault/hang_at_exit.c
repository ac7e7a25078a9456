/*
 * hang_at_exit: a library whose clean-up never ends, as one does that waits for a lock
 * which nobody gives back. Put under the services (SERVICE_PRELOAD) it holds up each
 * process of ours that serves; kore's parent, which only waits for its worker, ends.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

static pid_t first; /* that was started by this program's name, and not forked */

__attribute__((constructor)) static void
begin(void)
{
	first = getpid();
}

__attribute__((destructor)) static void
hang(void)
{
	bool is_worker = getpid() != first;

	while (is_worker || strcmp(program_invocation_short_name, "llm-responder") == 0)
		sleep(1); /* which the sandbox allows */
}
