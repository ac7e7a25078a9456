#include "breaker.h"

bool
breaker_is_shut(const struct breaker *b, int64_t now_mono_ms)
{
	return b->state == BREAKER_PROBING ||
	       (b->state == BREAKER_OPEN && now_mono_ms < b->open_until_mono_ms);
}

bool
breaker_allows(struct breaker *b, int64_t now_mono_ms)
{
	if (breaker_is_shut(b, now_mono_ms))
		return false;
	if (b->state == BREAKER_OPEN)
		b->state = BREAKER_PROBING;
	return true;
}

void
breaker_succeeded(struct breaker *b)
{
	*b = (struct breaker){0};
}

static bool
open_for(struct breaker *b, int64_t now_mono_ms, int64_t open_ms)
{
	bool was_open = b->state == BREAKER_OPEN;

	b->state = BREAKER_OPEN;
	b->open_until_mono_ms = now_mono_ms + open_ms;
	return !was_open;
}

/* A call that was on its way when the breaker opened may still fail, and changes
 * nothing. */
bool
breaker_failed(struct breaker *b, int64_t now_mono_ms)
{
	if (b->state == BREAKER_OPEN)
		return false;
	if (b->state == BREAKER_CLOSED && ++b->failures < BREAKER_FAILURES)
		return false;
	return open_for(b, now_mono_ms, BREAKER_OPEN_MS);
}

bool
breaker_refused(struct breaker *b, int64_t now_mono_ms)
{
	return open_for(b, now_mono_ms, BREAKER_REFUSED_MS);
}
