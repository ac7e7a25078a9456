#include "support/fail_sqlite.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "support/fail_at.h"

/* ---- memory ---- */

static sqlite3_mem_methods memory; /* SQLite's own */
static long live;

static void *
mem_alloc(int size)
{
	void *ptr;
	int error;

	if (fail_at_now(FAIL_ALLOC, &error))
		return NULL;
	ptr = memory.xMalloc(size);
	if (ptr != NULL)
		__atomic_add_fetch(&live, 1, __ATOMIC_RELAXED);
	return ptr;
}

static void
mem_free(void *ptr)
{
	__atomic_sub_fetch(&live, 1, __ATOMIC_RELAXED);
	memory.xFree(ptr);
}

static void *
mem_realloc(void *old, int size)
{
	int error;

	return fail_at_now(FAIL_ALLOC, &error) ? NULL : memory.xRealloc(old, size);
}

long
fail_sqlite_live(void)
{
	return __atomic_load_n(&live, __ATOMIC_RELAXED);
}

/* ---- files ---- */

struct file {
	sqlite3_file base;
	int last_errno; /* 0: ask the real one */
	sqlite3_file real[];
};

static sqlite3_vfs vfs;
static sqlite3_vfs *real_vfs;

#define REAL(f)      (((struct file *)(f))->real)
#define CALL(f, ...) REAL(f)->pMethods->__VA_ARGS__

/* rc, if the call has to fail; SQLITE_FULL if there is no room. */
static int
failure(sqlite3_file *f, enum fail_kind kind, int rc)
{
	struct file *file = (struct file *)f;
	int error;

	if (!fail_at_now(kind, &error))
		return SQLITE_OK;
	file->last_errno = error;
	return error == ENOSPC && kind == FAIL_WRITE ? SQLITE_FULL : rc;
}

static int
f_close(sqlite3_file *f)
{
	return CALL(f, xClose(REAL(f)));
}

static int
f_read(sqlite3_file *f, void *out, int len, sqlite3_int64 at)
{
	int rc = failure(f, FAIL_READ, SQLITE_IOERR_READ);

	return rc != SQLITE_OK ? rc : CALL(f, xRead(REAL(f), out, len, at));
}

static int
f_write(sqlite3_file *f, const void *data, int len, sqlite3_int64 at)
{
	int rc = failure(f, FAIL_WRITE, SQLITE_IOERR_WRITE);

	if (rc == SQLITE_OK)
		return CALL(f, xWrite(REAL(f), data, len, at));
	(void)CALL(f, xWrite(REAL(f), data, len / 2, at));
	return rc;
}

static int
f_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	int rc = failure(f, FAIL_TRUNCATE, SQLITE_IOERR_TRUNCATE);

	return rc != SQLITE_OK ? rc : CALL(f, xTruncate(REAL(f), size));
}

static int
f_sync(sqlite3_file *f, int flags)
{
	int rc = failure(f, FAIL_SYNC, SQLITE_IOERR_FSYNC);

	return rc != SQLITE_OK ? rc : CALL(f, xSync(REAL(f), flags));
}

static int
f_size(sqlite3_file *f, sqlite3_int64 *out)
{
	int rc = failure(f, FAIL_READ, SQLITE_IOERR_FSTAT);

	return rc != SQLITE_OK ? rc : CALL(f, xFileSize(REAL(f), out));
}

static int
f_lock(sqlite3_file *f, int lock)
{
	int rc = failure(f, FAIL_LOCK, SQLITE_IOERR_LOCK);

	return rc != SQLITE_OK ? rc : CALL(f, xLock(REAL(f), lock));
}

static int
f_unlock(sqlite3_file *f, int lock)
{
	return CALL(f, xUnlock(REAL(f), lock));
}

static int
f_check_lock(sqlite3_file *f, int *out)
{
	return CALL(f, xCheckReservedLock(REAL(f), out));
}

static int
f_control(sqlite3_file *f, int op, void *arg)
{
	struct file *file = (struct file *)f;

	if (op == SQLITE_FCNTL_LAST_ERRNO && file->last_errno != 0) {
		*(int *)arg = file->last_errno;
		return SQLITE_OK;
	}
	return CALL(f, xFileControl(REAL(f), op, arg));
}

static int
f_sector_size(sqlite3_file *f)
{
	return CALL(f, xSectorSize(REAL(f)));
}

static int
f_device(sqlite3_file *f)
{
	return CALL(f, xDeviceCharacteristics(REAL(f)));
}

static int
f_shm_map(sqlite3_file *f, int page, int size, int extends, void volatile **out)
{
	int rc = failure(f, FAIL_SHM, SQLITE_IOERR_SHMMAP);

	return rc != SQLITE_OK ? rc : CALL(f, xShmMap(REAL(f), page, size, extends, out));
}

static int
f_shm_lock(sqlite3_file *f, int at, int count, int flags)
{
	int rc = (flags & SQLITE_SHM_LOCK) != 0
		     ? failure(f, FAIL_LOCK, SQLITE_IOERR_SHMLOCK)
		     : SQLITE_OK;

	return rc != SQLITE_OK ? rc : CALL(f, xShmLock(REAL(f), at, count, flags));
}

static void
f_shm_barrier(sqlite3_file *f)
{
	CALL(f, xShmBarrier(REAL(f)));
}

static int
f_shm_unmap(sqlite3_file *f, int deletes)
{
	return CALL(f, xShmUnmap(REAL(f), deletes));
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = f_close,
    .xRead = f_read,
    .xWrite = f_write,
    .xTruncate = f_truncate,
    .xSync = f_sync,
    .xFileSize = f_size,
    .xLock = f_lock,
    .xUnlock = f_unlock,
    .xCheckReservedLock = f_check_lock,
    .xFileControl = f_control,
    .xSectorSize = f_sector_size,
    .xDeviceCharacteristics = f_device,
    .xShmMap = f_shm_map,
    .xShmLock = f_shm_lock,
    .xShmBarrier = f_shm_barrier,
    .xShmUnmap = f_shm_unmap,
};

static int
open_file(sqlite3_vfs *v, const char *path, sqlite3_file *f, int flags, int *flags_out)
{
	struct file *file = (struct file *)f;
	int rc;

	(void)v;
	*file = (struct file){0};
	rc = failure(f, FAIL_OPEN, SQLITE_CANTOPEN);
	if (rc == SQLITE_OK)
		rc = real_vfs->xOpen(real_vfs, path, REAL(f), flags, flags_out);
	f->pMethods = rc == SQLITE_OK ? &methods : NULL;
	return rc;
}

static int
delete_file(sqlite3_vfs *v, const char *path, int syncs)
{
	int error;

	(void)v;
	if (fail_at_now(FAIL_OPEN, &error))
		return SQLITE_IOERR_DELETE;
	return real_vfs->xDelete(real_vfs, path, syncs);
}

void
fail_sqlite_install(void)
{
	sqlite3_mem_methods mine;

	if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &memory) != SQLITE_OK)
		abort();
	mine = memory;
	mine.xMalloc = mem_alloc;
	mine.xFree = mem_free;
	mine.xRealloc = mem_realloc;
	/* Its pool of small buffers would hide allocations from us. */
	if (sqlite3_config(SQLITE_CONFIG_MALLOC, &mine) != SQLITE_OK ||
	    sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0) != SQLITE_OK)
		abort();
	real_vfs = sqlite3_vfs_find(NULL);
	vfs = *real_vfs;
	vfs.zName = "fail";
	vfs.szOsFile = (int)sizeof(struct file) + real_vfs->szOsFile;
	vfs.xOpen = open_file;
	vfs.xDelete = delete_file;
	if (sqlite3_vfs_register(&vfs, 1) != SQLITE_OK)
		abort();
}
