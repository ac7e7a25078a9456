/* Times as programs wrote them: one moment, or none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/date_text.h"

static void
reads_what_means_one_moment(void **state)
{
	static const struct {
		const char *text;
		const char *moment;
	} cases[] = {
	    {"2024-01-31T12:00:00.123Z", "2024-01-31T12:00:00.123Z"},
	    {"2024-01-31T12:00:00Z", "2024-01-31T12:00:00.000Z"},
	    {"2024-01-31T12:00Z", "2024-01-31T12:00:00.000Z"},
	    {"2024-01-31 12:00:00.5+00:00", "2024-01-31T12:00:00.500Z"},
	    {"2024-01-31T12:00:00.123456789Z", "2024-01-31T12:00:00.123Z"},
	    {"2024-01-31T12:00:00.1239+0530", "2024-01-31T06:30:00.123Z"},
	    {"2024-02-29T23:30:00-01:00", "2024-03-01T00:30:00.000Z"},
	    {"2024-01-31", "2024-01-31T00:00:00.000Z"},
	    {"2000-02-29", "2000-02-29T00:00:00.000Z"},
	    {"1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"},
	    {"9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"},
	    {"Wed Jan 31 2024 13:00:00 GMT+0100 (Central European Standard Time)",
		"2024-01-31T12:00:00.000Z"},
	    {"Wed Jan 31 2024 12:00:00 GMT+0000", "2024-01-31T12:00:00.000Z"},
	    {"Wed, 31 Jan 2024 12:00:00 GMT", "2024-01-31T12:00:00.000Z"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char shown[PL_CLOCK_ISO_LEN + 1];
		int64_t ms;

		if (!pl_date_text_parse(pl_str(cases[i].text), &ms))
			fail_msg("%s", cases[i].text);
		pl_clock_format_iso(ms, shown);
		assert_string_equal(shown, cases[i].moment);
	}
}

static void
reads_every_day_as_the_clock_writes_it(void **state)
{
	char text[PL_CLOCK_ISO_LEN + 1];

	(void)state;
	for (int64_t ms = 0; ms < INT64_C(253402300800000);
	     ms += INT64_C(86400000) * 11 + 12345678) {
		int64_t read = -1;

		pl_clock_format_iso(ms, text);
		assert_true(pl_date_text_parse(pl_str(text), &read));
		assert_int_equal(read, ms);
	}
}

static void
refuses_the_rest(void **state)
{
	static const char *const texts[] = {"", "yesterday", "2024", "2024-01",
	    "2024-1-31", "2024-01-31T", "2024-01-31T12", "2024-01-31T12:00",
	    "2024-01-31T12:00:00" /* whose noon? */, "2024-01-31T12:00:00.Z",
	    "2024-01-31T12:00:Z", "2024-01-31T12:00:00z", "2024-01-31T12:00:00Z ",
	    " 2024-01-31T12:00:00Z", "2024-01-31T12:00:00+1", "2024-01-31T12:00:00+24:00",
	    "2024-01-31T12:00:00+01:60", "2024-02-30", "2023-02-29", "1900-02-29",
	    "2024-13-01", "2024-00-01", "2024-01-00", "2024-01-31T24:00:00Z",
	    "2024-01-31T12:60:00Z", "2024-01-31T12:00:60Z", "1969-12-31", "+2024-01-31",
	    "31.01.2024", "1/31/2024, 12:00:00 PM", "1706702400123",
	    "Wed Jan 31 2024 12:00:00", "Wed Jan 31 2024 12:00:00 GMT",
	    "Wed Jan 31 2024 12:00:00 GMT+0100 CET", "Wed, 31 Jan 2024 12:00:00 CET",
	    "Foo, 31 Jan 2024 12:00:00 GMT", "Wed, 31 Jax 2024 12:00:00 GMT",
	    "2024-01-31T12:00:00\xff"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		int64_t ms = 7;

		if (pl_date_text_parse(pl_str(texts[i]), &ms))
			fail_msg("%s", texts[i]);
		assert_int_equal(ms, 7);
	}
	assert_false(pl_date_text_parse(pl_str_n("2024-01-31\0", 11), &(int64_t){0}));
	assert_false(pl_date_text_parse(PL_STR_NONE, &(int64_t){0}));
}

static void
reads_no_byte_behind_its_end(void **state)
{
	static const char text[] = "Wed Jan 31 2024 12:00:00 GMT+0000 (UTC)";

	(void)state;
	for (size_t len = 0; len < sizeof(text) - 1; len++) {
		char copy[sizeof(text)];

		memset(copy, 'x', sizeof(copy));
		memcpy(copy, text, len);
		(void)!pl_date_text_parse(pl_str_n(copy, len), &(int64_t){0});
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_what_means_one_moment),
	    cmocka_unit_test(reads_every_day_as_the_clock_writes_it),
	    cmocka_unit_test(refuses_the_rest),
	    cmocka_unit_test(reads_no_byte_behind_its_end),
	};

	return cmocka_run_group_tests_name("date_text", tests, NULL, NULL);
}
