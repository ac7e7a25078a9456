#include "even_time.h"

int64_t
even_time_left(int64_t began_mono_ms, int64_t now_mono_ms, int64_t period_ms)
{
	int64_t took_ms = now_mono_ms - began_mono_ms;

	/* What took less than a millisecond waits for its period, too. */
	return took_ms <= 0 ? period_ms : (period_ms - took_ms % period_ms) % period_ms;
}
