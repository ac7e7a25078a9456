#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#define STATM_LINE     256
#define PAGE_BYTES_MAX 65536

static void *
must_have(void *ptr, size_t size)
{
	if (ptr != NULL)
		return ptr;
	pl_log_error("memory ran out, stopping", PL_L_INT("bytes", size));
	abort();
}

/* malloc(0) may return NULL, which would look like a failure. */
static size_t
at_least_one(size_t size)
{
	return size == 0 ? 1 : size;
}

void *
pl_mem_alloc(size_t size)
{
	return must_have(malloc(at_least_one(size)), size);
}

void *
pl_mem_zalloc(size_t size)
{
	return must_have(calloc(1, at_least_one(size)), size);
}

void *
pl_mem_realloc(void *old, size_t size)
{
	return must_have(realloc(old, at_least_one(size)), size);
}

char *
pl_mem_strdup(const char *text)
{
	return text != NULL ? pl_mem_strndup(text, strlen(text)) : NULL;
}

char *
pl_mem_strndup(const char *data, size_t len)
{
	char *copy = pl_mem_alloc(len + 1);

	if (len > 0)
		memcpy(copy, data, len);
	copy[len] = '\0';
	return copy;
}

void
pl_mem_free(void *ptr)
{
	free(ptr);
}

void
pl_mem_wipe_free(void *ptr, size_t size)
{
	if (ptr == NULL)
		return;
	explicit_bzero(ptr, size);
	free(ptr);
}

/* statm is "pages pages_resident ...". */
size_t
pl_mem_resident_bytes(void)
{
	char line[STATM_LINE];
	FILE *f = fopen("/proc/self/statm", "re");
	struct pl_str rest, word;
	uint64_t pages = 0;

	if (f == NULL)
		return 0;
	if (fgets(line, sizeof(line), f) != NULL) {
		rest = pl_str(line);
		/* NOLINTNEXTLINE(misc-redundant-expression): the second word is it */
		if (!pl_str_split(&rest, ' ', &word) ||
		    !pl_str_split(&rest, ' ', &word) ||
		    !pl_str_to_u64(word, SIZE_MAX / PAGE_BYTES_MAX, &pages))
			pages = 0; /* unreached: the kernel writes it so */
	}
	fclose(f);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Resident and not in use: free memory that malloc() keeps, and all that malloc() does
 * not manage (code, stacks), which changes little. */
static size_t
spare_bytes(void)
{
	struct mallinfo2 info = mallinfo2();
	size_t used = info.uordblks + info.hblkhd, resident = pl_mem_resident_bytes();

	return resident > used ? resident - used : 0;
}

bool
pl_mem_give_back(size_t slack_bytes)
{
	static size_t left_bytes; /* could not be given back */
	size_t spare = spare_bytes();

	if (spare < left_bytes)
		left_bytes = spare;
	if (spare - left_bytes < slack_bytes)
		return false;
	malloc_trim(0);
	left_bytes = spare_bytes();
	return left_bytes < spare;
}
