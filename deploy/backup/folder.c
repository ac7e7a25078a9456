#include "folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

/* Files, which is all that we put there. */
static void
empty(int fd)
{
	DIR *dir = fdopendir(dup(fd));
	struct dirent *entry;

	if (dir != NULL)
		rewinddir(dir); /* a copy of fd reads on from the end of the last look */
	while (dir != NULL && (entry = readdir(dir)) != NULL)
		(void)unlinkat(fd, entry->d_name, 0);
	if (dir != NULL)
		closedir(dir);
}

/* Never through a link: what is in the folder is removed. */
static int
open_partial(const char *path)
{
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return -1;
	return open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Whoever had the lock may have given the folder its name after our open() and before our
 * lock: then we hold a finished backup. */
static bool
is_still_partial(const struct folder *f)
{
	struct stat held, named;

	return fstat(f->lock_fd, &held) == 0 && lstat(f->partial, &named) == 0 &&
	       held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

enum pl_err
folder_begin(struct folder *f, const char *name, struct pl_buf *why)
{
	size_t len = strlen(name);
	struct pl_buf path;
	struct stat st;

	*f = (struct folder){.name = name, .lock_fd = -1};
	if (lstat(name, &st) == 0) {
		(void)pl_buf_printf(why, "%s is there already", name);
		return PL_E_CONFLICT;
	}
	pl_buf_init(&path, PL_BUF_UNLIMITED);
	while (len > 1 && name[len - 1] == '/')
		len--;
	(void)pl_buf_printf(&path, "%.*s.partial", (int)len, name);
	f->partial = pl_buf_take(&path);
	f->lock_fd = open_partial(f->partial);
	if (f->lock_fd < 0) {
		(void)pl_buf_printf(why, "the folder %s cannot be made", f->partial);
		return PL_E_IO;
	}
	if (flock(f->lock_fd, LOCK_EX | LOCK_NB) != 0 || !is_still_partial(f)) {
		close(f->lock_fd);
		f->lock_fd = -1;
		(void)pl_buf_printf(why, "another backup writes to %s", f->partial);
		return PL_E_BUSY;
	}
	empty(f->lock_fd);
	return PL_OK;
}

static bool
flush_parent(const char *name)
{
	char *copy = pl_mem_strdup(name);
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool is_done = fd >= 0 && fsync(fd) == 0;

	if (fd >= 0)
		close(fd);
	pl_mem_free(copy);
	return is_done;
}

enum pl_err
folder_finish(struct folder *f, struct pl_buf *why)
{
	if (rename(f->partial, f->name) != 0) {
		(void)pl_buf_printf(why, "%s cannot be given its name", f->partial);
		return PL_E_IO;
	}
	close(f->lock_fd);
	f->lock_fd = -1;
	if (flush_parent(f->name))
		return PL_OK;
	(void)pl_buf_printf(
	    why, "%s is whole, but its name may not be on the disk", f->name);
	return PL_E_IO;
}

void
folder_drop(struct folder *f)
{
	if (f->lock_fd >= 0) {
		empty(f->lock_fd);
		(void)rmdir(f->partial);
		close(f->lock_fd);
	}
	pl_mem_free(f->partial);
	*f = (struct folder){.lock_fd = -1};
}
