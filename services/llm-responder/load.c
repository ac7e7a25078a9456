#include "load.h"

void
load_init(struct load *l, unsigned concurrency)
{
	size_t twice = 2 * (size_t)concurrency;

	*l = (struct load){.count_max = twice > LOAD_LEAST ? twice : LOAD_LEAST};
}

bool
load_has_room(struct load *l)
{
	if (l->count < l->count_max)
		return true;
	l->has_left_some = true;
	return false;
}

int64_t
load_due_before(struct load *l, int64_t now_unix_ms)
{
	return load_has_room(l) ? INT64_MAX : now_unix_ms + LOAD_RESCUE_MS;
}

void
load_add(struct load *l)
{
	l->count++;
}

bool
load_drop(struct load *l)
{
	bool had_left_some = l->has_left_some;

	l->count--;
	l->has_left_some = false;
	return had_left_some;
}
