/*
 * figure: what was measured, a line each, some beside a bar.
 * Threads: figure_now_ms() any, else the one of main().
 */
#ifndef BENCH_FIGURE_H
#define BENCH_FIGURE_H

#include <stddef.h>

void figure_title(const char *text);
void figure_show(const char *what, double value, const char *unit);
/* value may be at most bar. */
void figure_judge(const char *what, double value, double bar, const char *unit);
unsigned figure_failed(void); /* bars that were not met */

double figure_now_ms(void); /* of a clock that only goes forward */
/* What 99 of 100 are not above. Sorts values; count > 0. */
double figure_p99(double *values, size_t count);

#endif
