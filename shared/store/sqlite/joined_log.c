#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "store/sqlite/at_once.h"
#include "store/sqlite/joined_log.h"
#include "store/sqlite/mapped.h"

/* SQLite's write to a file takes a length of 17 bits. */
#define GATHERED_MAX 65536
#define FRAME_HEADER 24
#define LOG_HEADER   32
#define PAGE_LEAST   512
#define PAGE_MOST    65536
#define WRITE_LOCK   0 /* walformat.html: of the log's index, whoever writes holds it */

_Static_assert(GATHERED_MAX < 1 << 17, "one piece is one write");

struct database;

/* SQLite's own file lies right after either of the two. */
struct log {
	sqlite3_file file; /* first: SQLite casts */
	struct database *of;
	char *gathered; /* NULL: nothing yet, or no memory for it */
	size_t len;
	sqlite3_int64 at;
	bool is_last; /* the frame whose header was gathered last ends a commit */
};

struct database {
	sqlite3_file file;
	struct log *log; /* NULL: it is not open */
	struct pl_sqlite_mapped mapped;
};

static sqlite3_vfs layer;
static sqlite3_vfs *own; /* SQLite's */

/* ---- the log ---- */

static struct log *
log_of(sqlite3_file *file)
{
	return (struct log *)file;
}

static sqlite3_file *
under_log(sqlite3_file *file)
{
	return (sqlite3_file *)(log_of(file) + 1);
}

static void
drop(struct log *log)
{
	log->len = 0;
	log->is_last = false;
}

static int
flush(struct log *log)
{
	sqlite3_file *file = under_log(&log->file);
	size_t len = log->len;

	drop(log);
	return len == 0 ? SQLITE_OK
			: file->pMethods->xWrite(file, log->gathered, (int)len, log->at);
}

static bool
is_page(int len)
{
	return len >= PAGE_LEAST && len <= PAGE_MOST && (len & (len - 1)) == 0;
}

/* Bytes 4 to 7 of a frame's header are 0, but for the last frame of a commit. */
static bool
ends_commit(const void *header)
{
	static const char not_last[4];

	return memcmp((const char *)header + 4, not_last, sizeof(not_last)) != 0;
}

/* What a log is made of. */
static bool
is_part(int len)
{
	return len == FRAME_HEADER || len == LOG_HEADER || is_page(len);
}

static bool
has_room(struct log *log)
{
	if (log->gathered == NULL)
		log->gathered = sqlite3_malloc(GATHERED_MAX);
	return log->gathered != NULL;
}

static bool
follows(const struct log *log, int len, sqlite3_int64 offset)
{
	return log->len > 0 && offset == log->at + (sqlite3_int64)log->len &&
	       (size_t)len <= GATHERED_MAX - log->len;
}

static void
gather(struct log *log, const void *data, int len, sqlite3_int64 offset)
{
	if (log->len == 0)
		log->at = offset;
	memcpy(log->gathered + log->len, data, (size_t)len);
	log->len += (size_t)len;
}

/*
 * The end of a commit begins no piece: it is written. Its header may come without a page,
 * too, which is how SQLite corrects the checksums of a transaction that was larger than
 * its cache.
 */
static int
log_write(sqlite3_file *file, const void *data, int len, sqlite3_int64 offset)
{
	struct log *log = log_of(file);
	bool is_last_page = log->is_last;
	bool is_last_header = len == FRAME_HEADER && ends_commit(data);
	int rc = follows(log, len, offset) && is_part(len) ? SQLITE_OK : flush(log);

	if (rc != SQLITE_OK)
		return rc;
	log->is_last = is_last_header;
	if (log->len == 0 && (is_last_header || !is_part(len) || !has_room(log)))
		return under_log(file)->pMethods->xWrite(
		    under_log(file), data, len, offset);
	gather(log, data, len, offset);
	return is_last_page ? flush(log) : SQLITE_OK;
}

static int
log_close(sqlite3_file *file)
{
	struct log *log = log_of(file);

	sqlite3_free(log->gathered);
	log->of->log = NULL;
	return under_log(file)->pMethods->xClose(under_log(file));
}

static int
log_read(sqlite3_file *file, void *out, int len, sqlite3_int64 offset)
{
	int rc = flush(log_of(file));

	return rc != SQLITE_OK
		   ? rc
		   : under_log(file)->pMethods->xRead(under_log(file), out, len, offset);
}

static int
log_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	int rc = flush(log_of(file));

	return rc != SQLITE_OK
		   ? rc
		   : under_log(file)->pMethods->xTruncate(under_log(file), size);
}

static int
log_sync(sqlite3_file *file, int flags)
{
	int rc = flush(log_of(file));

	return rc != SQLITE_OK ? rc
			       : under_log(file)->pMethods->xSync(under_log(file), flags);
}

static int
log_size(sqlite3_file *file, sqlite3_int64 *out)
{
	int rc = flush(log_of(file));

	return rc != SQLITE_OK
		   ? rc
		   : under_log(file)->pMethods->xFileSize(under_log(file), out);
}

static int
log_lock(sqlite3_file *file, int lock)
{
	return under_log(file)->pMethods->xLock(under_log(file), lock);
}

static int
log_unlock(sqlite3_file *file, int lock)
{
	return under_log(file)->pMethods->xUnlock(under_log(file), lock);
}

static int
log_is_reserved(sqlite3_file *file, int *out)
{
	return under_log(file)->pMethods->xCheckReservedLock(under_log(file), out);
}

static int
log_control(sqlite3_file *file, int op, void *arg)
{
	return under_log(file)->pMethods->xFileControl(under_log(file), op, arg);
}

static int
log_sector(sqlite3_file *file)
{
	return under_log(file)->pMethods->xSectorSize(under_log(file));
}

static int
log_traits(sqlite3_file *file)
{
	return under_log(file)->pMethods->xDeviceCharacteristics(under_log(file));
}

static const sqlite3_io_methods log_methods = {
    .iVersion = 1, /* no memory is shared by it */
    .xClose = log_close,
    .xRead = log_read,
    .xWrite = log_write,
    .xTruncate = log_truncate,
    .xSync = log_sync,
    .xFileSize = log_size,
    .xLock = log_lock,
    .xUnlock = log_unlock,
    .xCheckReservedLock = log_is_reserved,
    .xFileControl = log_control,
    .xSectorSize = log_sector,
    .xDeviceCharacteristics = log_traits,
};

/* ---- the database: as it is, but for the lock, and what is in memory ---- */

static struct database *
database_of(sqlite3_file *file)
{
	return (struct database *)file;
}

static sqlite3_file *
under(sqlite3_file *file)
{
	return (sqlite3_file *)(database_of(file) + 1);
}

static int
database_close(sqlite3_file *file)
{
	pl_sqlite_mapped_fini(&database_of(file)->mapped);
	return under(file)->pMethods->xClose(under(file));
}

static int
database_read(sqlite3_file *file, void *out, int len, sqlite3_int64 offset)
{
	struct pl_sqlite_mapped *mapped = &database_of(file)->mapped;

	if (pl_sqlite_mapped_read(mapped, under(file), out, len, offset))
		return SQLITE_OK;
	return under(file)->pMethods->xRead(under(file), out, len, offset);
}

static int
database_write(sqlite3_file *file, const void *data, int len, sqlite3_int64 offset)
{
	return under(file)->pMethods->xWrite(under(file), data, len, offset);
}

static int
database_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	return under(file)->pMethods->xTruncate(under(file), size);
}

static int
database_sync(sqlite3_file *file, int flags)
{
	return under(file)->pMethods->xSync(under(file), flags);
}

static int
database_size(sqlite3_file *file, sqlite3_int64 *out)
{
	return under(file)->pMethods->xFileSize(under(file), out);
}

static int
database_lock(sqlite3_file *file, int lock)
{
	return under(file)->pMethods->xLock(under(file), lock);
}

static int
database_unlock(sqlite3_file *file, int lock)
{
	return under(file)->pMethods->xUnlock(under(file), lock);
}

static int
database_is_reserved(sqlite3_file *file, int *out)
{
	return under(file)->pMethods->xCheckReservedLock(under(file), out);
}

static int
database_control(sqlite3_file *file, int op, void *arg)
{
	return under(file)->pMethods->xFileControl(under(file), op, arg);
}

static int
database_sector(sqlite3_file *file)
{
	return under(file)->pMethods->xSectorSize(under(file));
}

static int
database_traits(sqlite3_file *file)
{
	return under(file)->pMethods->xDeviceCharacteristics(under(file));
}

static int
database_map(sqlite3_file *file, int region, int size, int may_grow, void volatile **out)
{
	return under(file)->pMethods->xShmMap(under(file), region, size, may_grow, out);
}

static int
database_index_lock(sqlite3_file *file, int first, int count, int flags)
{
	struct log *log = database_of(file)->log;
	int lets_go = SQLITE_SHM_UNLOCK | SQLITE_SHM_EXCLUSIVE;

	if (log != NULL && first == WRITE_LOCK && (flags & lets_go) == lets_go)
		drop(log);
	return under(file)->pMethods->xShmLock(under(file), first, count, flags);
}

static void
database_barrier(sqlite3_file *file)
{
	under(file)->pMethods->xShmBarrier(under(file));
}

static int
database_unmap(sqlite3_file *file, int is_last)
{
	return under(file)->pMethods->xShmUnmap(under(file), is_last);
}

static const sqlite3_io_methods database_methods = {
    .iVersion = 2, /* 3 would have SQLite map the file: mapped.h does it better */
    .xClose = database_close,
    .xRead = database_read,
    .xWrite = database_write,
    .xTruncate = database_truncate,
    .xSync = database_sync,
    .xFileSize = database_size,
    .xLock = database_lock,
    .xUnlock = database_unlock,
    .xCheckReservedLock = database_is_reserved,
    .xFileControl = database_control,
    .xSectorSize = database_sector,
    .xDeviceCharacteristics = database_traits,
    .xShmMap = database_map,
    .xShmLock = database_index_lock,
    .xShmBarrier = database_barrier,
    .xShmUnmap = database_unmap,
};

/* ---- the layer ---- */

static int
open_database(const char *name, sqlite3_file *file, int flags, int *out_flags)
{
	int rc;

	*database_of(file) = (struct database){.log = NULL};
	rc = own->xOpen(own, name, under(file), flags, out_flags);
	if (rc == SQLITE_OK)
		file->pMethods = &database_methods;
	return rc;
}

static int
open_log(const char *name, sqlite3_file *file, int flags, int *out_flags)
{
	struct database *of = database_of(sqlite3_database_file_object(name));
	int rc;

	*log_of(file) = (struct log){.of = of};
	rc = own->xOpen(own, name, under_log(file), flags, out_flags);
	if (rc != SQLITE_OK)
		return rc;
	file->pMethods = &log_methods;
	of->log = log_of(file);
	return rc;
}

static int
open_any(
    sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags)
{
	(void)vfs;
	file->pMethods = NULL;
	if (flags & SQLITE_OPEN_MAIN_DB)
		return open_database(name, file, flags, out_flags);
	if (flags & SQLITE_OPEN_WAL)
		return open_log(name, file, flags, out_flags);
	return own->xOpen(own, name, file, flags, out_flags);
}

/* SQLite's other calls ask nothing of the layer by which they are called. */
static void
make_layer(void)
{
	size_t larger = sizeof(struct log) > sizeof(struct database)
			    ? sizeof(struct log)
			    : sizeof(struct database);

	own = sqlite3_vfs_find(NULL);
	if (own == NULL)
		return;
	layer = *own;
	layer.zName = "parley-joined-log";
	layer.szOsFile = own->szOsFile + (int)larger;
	layer.xOpen = open_any;
	pl_sqlite_at_once_install(own, &layer);
	if (sqlite3_vfs_register(&layer, 0) != SQLITE_OK)
		own = NULL;
}

const char *
pl_sqlite_joined_log(void)
{
	static pthread_once_t is_made = PTHREAD_ONCE_INIT;

	(void)pthread_once(&is_made, make_layer);
	return own != NULL ? layer.zName : NULL;
}
