#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <time.h>

#include "base/clock.h"

static void
check_iso(int64_t unix_ms, const char *expected)
{
	char text[PL_CLOCK_ISO_LEN + 1];

	pl_clock_format_iso(unix_ms, text);
	assert_string_equal(text, expected);
}

static void
formats_known_times(void **state)
{
	(void)state;
	check_iso(0, "1970-01-01T00:00:00.000Z");
	check_iso(-1, "1969-12-31T23:59:59.999Z");
	check_iso(1769862896789, "2026-01-31T12:34:56.789Z");
	check_iso(1769817600001, "2026-01-31T00:00:00.001Z"); /* of the same day */
	check_iso(1769862896789, "2026-01-31T12:34:56.789Z");
	check_iso(951782399999, "2000-02-28T23:59:59.999Z");
	check_iso(951782400000, "2000-02-29T00:00:00.000Z");
	check_iso(4107542400000, "2100-03-01T00:00:00.000Z");
	check_iso(-62167219200000, "0000-01-01T00:00:00.000Z");
	check_iso(253402300799999, "9999-12-31T23:59:59.999Z");
}

static void
stays_within_four_digit_years(void **state)
{
	(void)state;
	check_iso(INT64_MIN, "0000-01-01T00:00:00.000Z");
	check_iso(INT64_MAX, "9999-12-31T23:59:59.999Z");
}

static void
agrees_with_libc_on_every_day(void **state)
{
	(void)state;
	for (int64_t day = -719528; day <= 2932896; day++) {
		time_t seconds = day * 86400 + (day & 1) * 86399;
		char text[PL_CLOCK_ISO_LEN + 1], expected[80];
		struct tm tm;

		gmtime_r(&seconds, &tm);
		snprintf(expected, sizeof(expected), "%04d-%02d-%02dT%02d:%02d:%02d.007Z",
		    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
		    tm.tm_sec);
		pl_clock_format_iso((int64_t)seconds * 1000 + 7, text);
		if (strcmp(text, expected) != 0)
			fail_msg("%s is not %s", text, expected);
	}
}

static void
tells_the_time_of_the_system(void **state)
{
	int64_t before = (int64_t)time(NULL) * 1000, now = pl_clock_unix_ms();

	(void)state;
	assert_true(now >= before - 1000 && now <= before + 60000);
}

static void
never_runs_backwards(void **state)
{
	int64_t last = pl_clock_mono_ms();

	(void)state;
	for (int i = 0; i < 10000; i++) {
		int64_t now = pl_clock_mono_ms();

		assert_true(now >= last);
		last = now;
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(formats_known_times),
	    cmocka_unit_test(stays_within_four_digit_years),
	    cmocka_unit_test(agrees_with_libc_on_every_day),
	    cmocka_unit_test(tells_the_time_of_the_system),
	    cmocka_unit_test(never_runs_backwards),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
