/*
 * mem: small allocations that never fail.
 *
 * When memory is out, these log one line and abort; the supervisor starts the process
 * again. What a peer can make grow is bounded elsewhere: by a pl_buf, or by a count with
 * a ceiling.  Threads: any.
 */
#ifndef PL_BASE_MEM_H
#define PL_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>

/* A large local array where each message passes: the compiler, told to clear what nobody
 * sets (-ftrivial-auto-var-init), leaves it. Only what was written to it is read. */
#if defined(__has_attribute) && __has_attribute(uninitialized)
#define PL_UNCLEARED __attribute__((uninitialized))
#else
#define PL_UNCLEARED
#endif

void *pl_mem_alloc(size_t size);              /* uninitialised */
void *pl_mem_zalloc(size_t size);             /* zeroed */
void *pl_mem_realloc(void *old, size_t size); /* old may be NULL */
char *pl_mem_strdup(const char *text);        /* NULL gives NULL */
/* A copy of len bytes of data, and a NUL after them that len does not count. */
char *pl_mem_strndup(const char *data, size_t len);
void pl_mem_free(void *ptr); /* NULL is fine */
/* Overwrite a secret in a way that the compiler keeps, then free it. NULL is fine. */
void pl_mem_wipe_free(void *ptr, size_t size);
/* How many bytes of the process are in memory, by the kernel's count; 0 if that is
 * unknown. */
size_t pl_mem_resident_bytes(void);
/* Give free memory back to the system: after a crowd has gone, malloc() keeps what it
 * used. Does nothing until slack_bytes more lie idle than could not be given back the
 * last time; true if it gave some. Call it now and then, from one thread: it takes a
 * moment, 20 ms with 10,000 holes of 8 KiB. */
bool pl_mem_give_back(size_t slack_bytes);

#endif
