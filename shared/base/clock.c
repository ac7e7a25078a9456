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

static void
write_iso(int64_t unix_ms, char out[PL_CLOCK_ISO_LEN + 1])
{
	unsigned year, month, month_day, ms;
	int64_t day;

	if (unix_ms < YEAR_0000_MS)
		unix_ms = YEAR_0000_MS;
	if (unix_ms > YEAR_9999_MS)
		unix_ms = YEAR_9999_MS;
	day = (unix_ms - YEAR_0000_MS) / MS_PER_DAY + YEAR_0000_MS / MS_PER_DAY;
	ms = (unsigned)(unix_ms - day * MS_PER_DAY);
	date_of(day, &year, &month, &month_day);
	memcpy(out, "0000-00-00T00:00:00.000Z", PL_CLOCK_ISO_LEN + 1);
	put_digits(out, year, 4);
	put_digits(out + 5, month, 2);
	put_digits(out + 8, month_day, 2);
	put_digits(out + 11, ms / 3600000, 2);
	put_digits(out + 14, ms / 60000 % 60, 2);
	put_digits(out + 17, ms / 1000 % 60, 2);
	put_digits(out + 20, ms % 1000, 3);
}

/* Most times are asked for twice: a message was updated when it was created. */
void
pl_clock_format_iso(int64_t unix_ms, char out[PL_CLOCK_ISO_LEN + 1])
{
	static _Thread_local int64_t last_unix_ms;
	static _Thread_local char last[PL_CLOCK_ISO_LEN + 1]; /* empty: there is none */

	if (last_unix_ms != unix_ms || last[0] == '\0') {
		write_iso(unix_ms, last);
		last_unix_ms = unix_ms;
	}
	memcpy(out, last, sizeof(last));
}
