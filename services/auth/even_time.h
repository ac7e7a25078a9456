/*
 * even_time: when an answer leaves whose own time would tell something. What takes 40 ms for
 * one user and 70 ms for another is answered at the end of a period that holds both, counted
 * from its beginning; where the machine is so busy that the period is over, at the end of the
 * next one.
 *
 *   period 100 ms    took 40 ms: 60 left    took 70 ms: 30 left    took 130 ms: 70 left
 *
 * The caller waits by a timer. Nothing is held up by it, and a thread least of all.
 * Threads: any.
 */
#ifndef PL_AUTH_EVEN_TIME_H
#define PL_AUTH_EVEN_TIME_H

#include <stdint.h>

/* Milliseconds from now on, 0 to period_ms; period_ms is 1 or more. */
int64_t even_time_left(int64_t began_mono_ms, int64_t now_mono_ms, int64_t period_ms);

#endif
