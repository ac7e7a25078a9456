#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/sqlite/at_once.h"
#include "store/sqlite/mapped.h"

#define PART_PAGES 128
#define FRESH_MS   100

/* Pages of the kernel that follow one another: it is asked about all of them in one call,
 * which costs about as much as the copy of one. */
struct pl_sqlite_mapped_part {
	int64_t asked_mono_ms; /* 0: never */
	unsigned char is_in_memory[PART_PAGES];
};

static size_t
system_page(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t
part_bytes(void)
{
	return PART_PAGES * system_page();
}

/* ---- the window ---- */

static void
unmap(struct pl_sqlite_mapped *m)
{
	if (m->window != NULL)
		munmap(m->window, PL_SQLITE_MAPPED_BYTES);
	m->window = NULL;
	pl_mem_free(m->parts);
	m->parts = NULL;
}

/* Where the window of a file of this size begins. */
static sqlite3_int64
window_of(size_t file_bytes)
{
	size_t half = PL_SQLITE_MAPPED_BYTES / 2;

	return file_bytes > half + half / 2
		   ? (sqlite3_int64)((file_bytes - half) / part_bytes() * part_bytes())
		   : 0;
}

/* Does the system say what is in memory? Of a file that one may not write it says that all
 * is: so the last page is asked about, which is far behind the end. */
static bool
tells_what_is_in_memory(const struct pl_sqlite_mapped *m)
{
	unsigned char is_in = 1;
	size_t page = system_page();

	return mincore(m->window + PL_SQLITE_MAPPED_BYTES - page, page, &is_in) == 0 &&
	       (is_in & 1) == 0;
}

/* What is behind the end of the file is not in memory, so it is never touched. */
static void
map(struct pl_sqlite_mapped *m, int fd)
{
	struct stat st;
	void *window;

	unmap(m);
	m->is_refused = fd < 0 || fstat(fd, &st) != 0;
	if (m->is_refused)
		return;
	m->from = window_of((size_t)st.st_size);
	window = mmap(NULL, PL_SQLITE_MAPPED_BYTES, PROT_READ, MAP_SHARED, fd, m->from);
	if (window == MAP_FAILED) {
		m->is_refused = true;
		return;
	}
	m->window = window;
	m->parts =
	    pl_mem_zalloc(PL_SQLITE_MAPPED_BYTES / part_bytes() * sizeof(*m->parts));
	m->is_refused = !tells_what_is_in_memory(m);
	if (m->is_refused)
		unmap(m);
}

static bool
is_before_end(const struct pl_sqlite_mapped *m, int len, sqlite3_int64 offset)
{
	return m->window != NULL &&
	       offset + len <= m->from + (sqlite3_int64)PL_SQLITE_MAPPED_BYTES;
}

static bool
has_window(struct pl_sqlite_mapped *m, sqlite3_file *file, int len, sqlite3_int64 offset)
{
	if (!is_before_end(m, len, offset) && !m->is_refused)
		map(m, pl_sqlite_at_once_descriptor(file));
	return is_before_end(m, len, offset) && offset >= m->from;
}

/* ---- what is in memory ---- */

/* An answer holds for a moment, in which hardly a page goes: to ask each time would cost
 * what is saved. */
static bool
is_in_memory(struct pl_sqlite_mapped *m, size_t page, int64_t now_mono_ms)
{
	struct pl_sqlite_mapped_part *part = &m->parts[page / PART_PAGES];
	unsigned char *from = m->window + page / PART_PAGES * part_bytes();

	if (part->asked_mono_ms == 0 || now_mono_ms - part->asked_mono_ms >= FRESH_MS) {
		part->asked_mono_ms = now_mono_ms;
		if (mincore(from, part_bytes(), part->is_in_memory) != 0)
			memset(part->is_in_memory, 0, sizeof(part->is_in_memory));
	}
	return (part->is_in_memory[page % PART_PAGES] & 1) != 0;
}

bool
pl_sqlite_mapped_read(struct pl_sqlite_mapped *m, sqlite3_file *file, void *out, int len,
    sqlite3_int64 offset)
{
	int64_t now_mono_ms = pl_sqlite_at_once_begun_mono_ms();
	size_t at, page, last;

	if (now_mono_ms == 0 || !has_window(m, file, len, offset))
		return false;
	at = (size_t)(offset - m->from);
	last = (at + (size_t)len - 1) / system_page();
	for (page = at / system_page(); page <= last; page++)
		if (!is_in_memory(m, page, now_mono_ms))
			return false;
	if (!pl_sqlite_at_once_take())
		return false;
	memcpy(out, m->window + at, (size_t)len);
	return true;
}

void
pl_sqlite_mapped_fini(struct pl_sqlite_mapped *m)
{
	unmap(m);
	*m = (struct pl_sqlite_mapped){0};
}
