/*
 * patience: how long a test waits at most, on a machine that is slow and stands still for
 * seconds at times.  Threads: patient_ms() any, awake_ms() the test's own.
 *
 *   patient_ms(ms)   TEST_PATIENCE times as long, as in support/wait.mjs
 *   awake_ms()       the clock for waits that turn a loop: of what passed between two looks
 *                    at it, AWAKE_STEP_MS count at most, so a standstill hardly counts
 *   avoid_midnight() before a test that counts by the day, whose last minute is left to pass
 */
#ifndef SUPPORT_PATIENCE_H
#define SUPPORT_PATIENCE_H

#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"

#define AWAKE_STEP_MS 100
#define DAY_MS        86400000

static inline int64_t
patient_ms(int64_t ms)
{
	const char *times = getenv("TEST_PATIENCE");

	return times != NULL ? (int64_t)((double)ms * atof(times)) : ms;
}

static inline int64_t
awake_ms(void)
{
	static int64_t last_mono_ms, sum_ms;
	int64_t now = pl_clock_mono_ms(), passed_ms = now - last_mono_ms;

	last_mono_ms = now;
	sum_ms += passed_ms < AWAKE_STEP_MS ? passed_ms : AWAKE_STEP_MS;
	return sum_ms;
}

static inline void
avoid_midnight(void)
{
	while (DAY_MS - pl_clock_unix_ms() % DAY_MS < 60000)
		usleep(100000);
}

#endif
