#include "store/sqlite/at_once.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* A page of messages, of which each may be on a page of the file by itself, and the paths
 * to them. */
#define READS_MAX 96

typedef ssize_t pread_fn(int fd, void *out, size_t len, off_t offset);

static pread_fn *usual;
static int (*usual_sleep)(sqlite3_vfs *vfs, int us);
static _Thread_local unsigned reads_left; /* 0: outside, or too many */
static _Thread_local bool is_at_once;

static ssize_t
read_at_once(int fd, void *out, size_t len, off_t offset)
{
	struct iovec to = {.iov_base = out, .iov_len = len};
	ssize_t n;

	if (!is_at_once)
		return usual(fd, out, len, offset);
	if (reads_left == 0) {
		errno = EAGAIN;
		return -1;
	}
	reads_left--;
	n = preadv2(fd, &to, 1, offset, RWF_NOWAIT);
	if (n != 0)
		return n;
	errno = EAGAIN; /* Linux 5.9 and 5.10 give 0 in the middle of a file, too */
	return -1;
}

static int
sleep_unless_at_once(sqlite3_vfs *vfs, int us)
{
	return is_at_once ? us : usual_sleep(vfs, us);
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
	is_at_once = usual != NULL;
	reads_left = READS_MAX;
	return is_at_once;
}

void
pl_sqlite_at_once_end(void)
{
	is_at_once = false;
}
