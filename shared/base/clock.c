#include <time.h>

#include "base/clock.h"

#define MS_PER_DAY     86400000
#define YEAR_0000_MS   (-62167219200000)
#define YEAR_9999_MS   253402300799999 /* 9999-12-31T23:59:59.999Z */
#define DAYS_TO_1970   719468          /* from 0000-03-01 */
#define DAYS_PER_400_Y 146097

static int64_t
read_ms(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t
pl_clock_unix_ms(void)
{
	return read_ms(CLOCK_REALTIME);
}

int64_t
pl_clock_mono_ms(void)
{
	return read_ms(CLOCK_MONOTONIC);
}

static int64_t
read_us(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t
pl_clock_mono_us(void)
{
	return read_us(CLOCK_MONOTONIC);
}

int64_t
pl_clock_thread_us(void)
{
	return read_us(CLOCK_THREAD_CPUTIME_ID);
}

/* The Gregorian date of a day counted from 1970-01-01. Years are counted from March, so
 * that the leap day comes last (Hinnant, "chrono-compatible low-level date algorithms").
 */
static void
date_of(int64_t day, unsigned *year, unsigned *month, unsigned *month_day)
{
	unsigned shifted = (unsigned)(day + DAYS_TO_1970 + DAYS_PER_400_Y);
	unsigned era = shifted / DAYS_PER_400_Y, era_day = shifted % DAYS_PER_400_Y;
	unsigned era_year =
	    (era_day - era_day / 1460 + era_day / 36524 - era_day / 146096) / 365;
	unsigned year_day = era_day - (365 * era_year + era_year / 4 - era_year / 100);
	unsigned from_march = (5 * year_day + 2) / 153;

	*month_day = year_day - (153 * from_march + 2) / 5 + 1;
	*month = from_march < 10 ? from_march + 3 : from_march - 9;
	*year = era * 400 + era_year - 400 + (*month <= 2);
}

/* The last `count` decimal digits of value. */
static void
put_digits(char *out, unsigned value, int count)
{
	while (count-- > 0) {
		out[count] = (char)('0' + value % 10);
		value /= 10;
	}
}

/* The last time that a thread has written. Most are asked for twice (a message was updated
 * when it was created), and the next one is mostly of the same day. */
struct written {
	int64_t unix_ms, day;
	char text[PL_CLOCK_ISO_LEN + 1];
};

static void
write_iso(struct written *w, int64_t unix_ms)
{
	unsigned year, month, month_day, ms;
	int64_t day, time = unix_ms;

	if (time < YEAR_0000_MS)
		time = YEAR_0000_MS;
	if (time > YEAR_9999_MS)
		time = YEAR_9999_MS;
	day = (time - YEAR_0000_MS) / MS_PER_DAY + YEAR_0000_MS / MS_PER_DAY;
	ms = (unsigned)(time - day * MS_PER_DAY);
	if (day != w->day) {
		date_of(day, &year, &month, &month_day);
		put_digits(w->text, year, 4);
		put_digits(w->text + 5, month, 2);
		put_digits(w->text + 8, month_day, 2);
	}
	put_digits(w->text + 11, ms / 3600000, 2);
	put_digits(w->text + 14, ms / 60000 % 60, 2);
	put_digits(w->text + 17, ms / 1000 % 60, 2);
	put_digits(w->text + 20, ms % 1000, 3);
	w->unix_ms = unix_ms;
	w->day = day;
}

void
pl_clock_format_iso(int64_t unix_ms, char out[PL_CLOCK_ISO_LEN + 1])
{
	static _Thread_local struct written last = {.text = "1970-01-01T00:00:00.000Z"};

	if (last.unix_ms != unix_ms)
		write_iso(&last, unix_ms);
	memcpy(out, last.text, sizeof(last.text));
}
