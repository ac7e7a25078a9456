#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/clock.h"
#include "store/sqlite/at_once.h"

/* A page of messages, of which each may be on a page of the file by itself, and the paths
 * to them: with a great file two pages each. */
#define READS_MAX 192

typedef ssize_t pread_fn(int fd, void *out, size_t len, off_t offset);

static pread_fn *usual;
static int (*usual_sleep)(sqlite3_vfs *vfs, int us);
static _Thread_local unsigned reads_left;   /* 0: outside, or too many */
static _Thread_local int64_t begun_mono_ms; /* 0: outside */
static _Thread_local int *descriptor;       /* NULL: nobody asks */

static ssize_t
read_at_once(int fd, void *out, size_t len, off_t offset)
{
	struct iovec to = {.iov_base = out, .iov_len = len};
	ssize_t n;

	if (descriptor != NULL)
		*descriptor = fd;
	if (begun_mono_ms == 0)
		return usual(fd, out, len, offset);
	if (!pl_sqlite_at_once_take()) {
		errno = EAGAIN;
		return -1;
	}
	n = preadv2(fd, &to, 1, offset, RWF_NOWAIT);
	if (n != 0)
		return n;
	errno = EAGAIN; /* Linux 5.9 and 5.10 give 0 in the middle of a file, too */
	return -1;
}

static int
sleep_unless_at_once(sqlite3_vfs *vfs, int us)
{
	return begun_mono_ms != 0 ? us : usual_sleep(vfs, us);
}

void
pl_sqlite_at_once_install(sqlite3_vfs *own, sqlite3_vfs *layer)
{
	static const char *const names[] = {"pread64", "pread"}; /* it uses one */
	sqlite3_syscall_ptr found = NULL;

	usual_sleep = own->xSleep;
	layer->xSleep = sleep_unless_at_once;
	if (own->iVersion < 3 || own->xGetSystemCall == NULL ||
	    own->xSetSystemCall == NULL)
		return;
	for (size_t i = 0; found == NULL && i < sizeof(names) / sizeof(names[0]); i++) {
		found = own->xGetSystemCall(own, names[i]);
		usual = (pread_fn *)found;
		if (found != NULL && own->xSetSystemCall(own, names[i],
					 (sqlite3_syscall_ptr)read_at_once) != SQLITE_OK)
			usual = NULL;
	}
}

bool
pl_sqlite_at_once_begin(void)
{
	begun_mono_ms = usual != NULL ? pl_clock_mono_ms() : 0;
	reads_left = READS_MAX;
	return begun_mono_ms != 0;
}

void
pl_sqlite_at_once_end(void)
{
	begun_mono_ms = 0;
}

int64_t
pl_sqlite_at_once_begun_mono_ms(void)
{
	return begun_mono_ms;
}

bool
pl_sqlite_at_once_take(void)
{
	if (reads_left == 0)
		return false;
	reads_left--;
	return true;
}

/* SQLite does not tell: but it reads by it. */
int
pl_sqlite_at_once_descriptor(sqlite3_file *file)
{
	char byte;
	int found = -1;

	descriptor = &found;
	(void)file->pMethods->xRead(file, &byte, 1, 0);
	descriptor = NULL;
	return found;
}
