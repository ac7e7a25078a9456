#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"

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

bool
pl_mem_give_back(size_t slack_bytes)
{
	/* What malloc() has given back still counts as free. */
	static size_t left_bytes;
	size_t free_bytes = mallinfo2().fordblks;

	if (free_bytes < left_bytes)
		left_bytes = free_bytes;
	if (free_bytes - left_bytes < slack_bytes)
		return false;
	left_bytes = free_bytes;
	return malloc_trim(0) == 1;
}
