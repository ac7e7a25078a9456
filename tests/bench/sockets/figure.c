#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "figure.h"

static unsigned failed;

void
figure_title(const char *text)
{
	printf("\n%s\n", text);
	fflush(stdout);
}

void
figure_show(const char *what, double value, const char *unit)
{
	printf("  %-58s %10.2f %-8s\n", what, value, unit);
	fflush(stdout);
}

void
figure_judge(const char *what, double value, double bar, const char *unit)
{
	bool is_met = value <= bar;

	printf("  %-58s %10.2f %-8s at most %.2f  %s\n", what, value, unit, bar,
	    is_met ? "ok" : "FAIL");
	fflush(stdout);
	failed += !is_met;
}

unsigned
figure_failed(void)
{
	return failed;
}

double
figure_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double
figure_p99(double *values, size_t count)
{
	qsort(values, count, sizeof(values[0]), compare);
	return values[count * 99 / 100];
}
