/*
 * ref: immutable bytes with a count of owners, for one encoded event that many sockets
 * send. Threads: the count is not atomic; all owners live on one thread at a time.
 */
#ifndef PL_BASE_REF_H
#define PL_BASE_REF_H

#include "base/buf.h"

struct pl_ref {
	unsigned owners;
	size_t len;
	char data[]; /* len bytes and a NUL */
};

struct pl_ref *pl_ref_new(const void *data, size_t len); /* copies; one owner */
/* The same with data that its owner has yet to write. */
struct pl_ref *pl_ref_alloc(size_t len);
struct pl_ref *pl_ref(struct pl_ref *ref); /* one owner more */
void pl_ref_drop(struct pl_ref *ref);      /* one fewer; NULL is fine */

static inline struct pl_str
pl_ref_str(const struct pl_ref *ref)
{
	return (struct pl_str){ref->data, ref->len};
}

#endif
