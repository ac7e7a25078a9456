/*
 * even_time: when to send an answer, if how long it took would give something away. Work
 * that takes 40 ms for one user and 70 ms for another is answered at the end of a period
 * that is longer than both and starts with the work. On a machine so busy that the period
 * is over by then, the answer leaves at the end of the next one.
 *
 *   period 100 ms    took 40 ms: 60 left    took 70 ms: 30 left    took 130 ms: 70 left
 *
 * The caller waits by a timer, which holds no thread up.
 * Threads: any.
 */
#ifndef PL_AUTH_EVEN_TIME_H
#define PL_AUTH_EVEN_TIME_H

#include <stdint.h>

/* How long to wait from now on: 0 to period_ms, which is 1 or more. */
int64_t even_time_left(int64_t began_mono_ms, int64_t now_mono_ms, int64_t period_ms);

#endif
