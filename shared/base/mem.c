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

/* Resident pages, and those of them that are files'; both 0 if it is unknown. statm is "pages
 * pages_resident pages_of_files ...". */
static void
read_statm(uint64_t *resident, uint64_t *of_files)
{
	char line[STATM_LINE] = "";
	FILE *f = fopen("/proc/self/statm", "re");
	struct pl_str rest, words[3];
	bool is_read = f != NULL && fgets(line, sizeof(line), f) != NULL;

	if (f != NULL)
		fclose(f);
	rest = pl_str(line);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		is_read = is_read && pl_str_split(&rest, ' ', &words[i]);
	if (!is_read || !pl_str_to_u64(words[1], SIZE_MAX / PAGE_BYTES_MAX, resident) ||
	    !pl_str_to_u64(words[2], SIZE_MAX / PAGE_BYTES_MAX, of_files))
		*resident = *of_files = 0;
}

size_t
pl_mem_resident_bytes(void)
{
	uint64_t resident, of_files;

	read_statm(&resident, &of_files);
	return resident * (size_t)sysconf(_SC_PAGESIZE);
}

/* The process' own, and not in use: free memory that malloc() keeps, and all that malloc()
 * does not manage (stacks), which changes little. Pages of files come and go as the system
 * likes. */
static size_t
spare_bytes(void)
{
	struct mallinfo2 info = mallinfo2();
	size_t used = info.uordblks + info.hblkhd, own;
	uint64_t resident, of_files;

	read_statm(&resident, &of_files);
	own = (resident - of_files) * (size_t)sysconf(_SC_PAGESIZE);
	return own > used ? own - used : 0;
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
