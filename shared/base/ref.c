#include <assert.h>
#include <limits.h>

#include "base/mem.h"
#include "base/ref.h"

struct pl_ref *
pl_ref_alloc(size_t len)
{
	struct pl_ref *ref = pl_mem_alloc(sizeof(*ref) + len + 1);

	ref->owners = 1;
	ref->len = len;
	ref->data[len] = '\0';
	return ref;
}

struct pl_ref *
pl_ref_new(const void *data, size_t len)
{
	struct pl_ref *ref = pl_ref_alloc(len);

	if (len > 0)
		memcpy(ref->data, data, len);
	return ref;
}

struct pl_ref *
pl_ref(struct pl_ref *ref)
{
	assert(ref->owners > 0 && ref->owners < UINT_MAX);
	ref->owners++;
	return ref;
}

void
pl_ref_drop(struct pl_ref *ref)
{
	if (ref == NULL)
		return;
	assert(ref->owners > 0);
	if (--ref->owners == 0)
		pl_mem_free(ref);
}
