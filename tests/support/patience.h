/*
 * patience: how long a test waits at most. TEST_PATIENCE multiplies it, as in
 * support/wait.mjs, for a machine that stands still at times; what is in time takes no
 * longer.  Threads: any.
 */
#ifndef SUPPORT_PATIENCE_H
#define SUPPORT_PATIENCE_H

#include <stdint.h>
#include <stdlib.h>

static inline int64_t
patient_ms(int64_t ms)
{
	const char *times = getenv("TEST_PATIENCE");

	return times != NULL ? (int64_t)((double)ms * atof(times)) : ms;
}

#endif
