/*
 * clock_jump: put under one service (LD_PRELOAD), makes its wall clock wrong by what a
 * file says, from the moment on in which the file says so. The monotonic clock goes on as
 * it should.
 *
 *   PARLEY_CLOCK_OF     PROCESS_NAME of the process that it is for; all others keep their time
 *   PARLEY_CLOCK_FILE   eight bytes: seconds to add, of the machine's byte order
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *jump_s; /* NULL: this process keeps its time */

__attribute__((constructor)) static void
begin(void)
{
	const char *file = getenv("PARLEY_CLOCK_FILE");
	const char *whose = getenv("PARLEY_CLOCK_OF");
	const char *name = getenv("PROCESS_NAME");
	void *bytes;
	int fd;

	if (file == NULL || whose == NULL || name == NULL || strcmp(whose, name) != 0 ||
	    (fd = open(file, O_RDONLY | O_CLOEXEC)) == -1)
		return;
	bytes = mmap(NULL, sizeof(*jump_s), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (bytes != MAP_FAILED)
		jump_s = bytes;
}

int
/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): glibc has __tp */
clock_gettime(clockid_t id, struct timespec *out)
{
	int (*next)(clockid_t, struct timespec *) =
	    (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	int result = next(id, out);

	if (result == 0 && id == CLOCK_REALTIME && jump_s != NULL)
		out->tv_sec += *jump_s;
	return result;
}
