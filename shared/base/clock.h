/*
 * clock: wall time to store and show, monotonic time to wait by.  Threads: any.
 * A time on the wire is "2026-01-31T12:34:56.789Z": UTC, always three decimals.
 */
#ifndef PL_BASE_CLOCK_H
#define PL_BASE_CLOCK_H

#include "base/str.h"

#define PL_CLOCK_ISO_LEN 24

int64_t pl_clock_unix_ms(void);
int64_t pl_clock_mono_ms(void);
int64_t pl_clock_mono_us(void);
/* Time that the calling thread has spent on a processor. */
int64_t pl_clock_thread_us(void);
/* Years 0000 to 9999; out holds PL_CLOCK_ISO_LEN characters and a NUL. */
void pl_clock_format_iso(int64_t unix_ms, char out[PL_CLOCK_ISO_LEN + 1]);

#endif
