#include "seen.h"

#include "base/mem.h"

#define SEEN_FIRST 16

static bool
has(const struct seen *s, const struct pl_oid *id)
{
	/* The newest first: what comes twice mostly comes soon. */
	for (unsigned i = 1; i <= s->count; i++)
		if (pl_oid_eq(&s->ids[(s->next + s->cap - i) % s->cap], id))
			return true;
	return false;
}

/* Only while it never wrapped, so that the order stays. */
static void
grow(struct seen *s)
{
	unsigned cap = s->cap ? s->cap * 2 : SEEN_FIRST;

	s->ids = pl_mem_realloc(s->ids, cap * sizeof(s->ids[0]));
	s->cap = cap;
	s->next = s->count;
}

bool
seen_add(struct seen *s, const struct pl_oid *id)
{
	if (s->count > 0 && has(s, id))
		return false;
	if (s->count == s->cap && s->cap < SEEN_MAX)
		grow(s);
	s->ids[s->next] = *id;
	s->next = (s->next + 1) % s->cap;
	if (s->count < s->cap)
		s->count++;
	return true;
}

void
seen_fini(struct seen *s)
{
	pl_mem_free(s->ids);
	*s = (struct seen){0};
}
