/*
 * run_program: what SERVICE_PRELOAD puts under the services to do what one who had taken a process
 * over would do first: at the first PUBLISH that holds "run a program", run one.
 *
 *   PARLEY_FAULT_FILE   made when it happens, so that it happens once; without it nothing does
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool
holds(const void *bytes, size_t len, const char *text)
{
	return memmem(bytes, len, text, strlen(text)) != NULL;
}

ssize_t
/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): glibc has __buf */
send(int fd, const void *bytes, size_t len, int flags)
{
	ssize_t (*next)(int, const void *, size_t, int) =
	    (ssize_t(*)(int, const void *, size_t, int))dlsym(RTLD_NEXT, "send");
	const char *file = getenv("PARLEY_FAULT_FILE");

	if (file != NULL && holds(bytes, len, "PUBLISH") &&
	    holds(bytes, len, "run a program") &&
	    /* cppcheck-suppress leakReturnValNotUsed ; the process ends */
	    open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) != -1)
		execl("/bin/sleep", "sleep", "60", (char *)NULL);
	return next(fd, bytes, len, flags);
}
