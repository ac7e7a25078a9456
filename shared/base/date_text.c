#include "base/date_text.h"

#define MS_PER_DAY 86400000

struct moment {
	unsigned year, month, day, hour, minute, second, ms;
	int east_minutes;
};

/* ---- pieces: each call takes one off *rest ---- */

static bool
take(struct pl_str *rest, char c)
{
	if (rest->len == 0 || rest->ptr[0] != c)
		return false;
	*rest = pl_str_n(rest->ptr + 1, rest->len - 1);
	return true;
}

static bool
take_word(struct pl_str *rest, struct pl_str word)
{
	if (!pl_str_starts(*rest, word))
		return false;
	*rest = pl_str_n(rest->ptr + word.len, rest->len - word.len);
	return true;
}

/* Exactly count digits. */
static bool
take_digits(struct pl_str *rest, size_t count, unsigned *out)
{
	uint64_t value;

	if (rest->len < count || !pl_str_to_u64(pl_str_n(rest->ptr, count), 9999, &value))
		return false;
	*out = (unsigned)value;
	*rest = pl_str_n(rest->ptr + count, rest->len - count);
	return true;
}

/* One of count names of three letters; its number from 0. */
static bool
take_name(struct pl_str *rest, const char *names, unsigned count, unsigned *out)
{
	for (unsigned i = 0; i < count; i++)
		if (take_word(rest, pl_str_n(names + (size_t)3 * i, 3))) {
			*out = i;
			return true;
		}
	return false;
}

static bool
take_month_name(struct pl_str *rest, unsigned *month)
{
	if (!take_name(rest, "JanFebMarAprMayJunJulAugSepOctNovDec", 12, month))
		return false;
	++*month;
	return true;
}

static bool
take_week_day(struct pl_str *rest)
{
	unsigned ignored;

	return take_name(rest, "SunMonTueWedThuFriSat", 7, &ignored);
}

/* ".123": as many digits as there are. */
static bool
take_fraction(struct pl_str *rest, unsigned *ms)
{
	unsigned digit, weight = 100;

	*ms = 0;
	if (!take_digits(rest, 1, &digit))
		return false;
	do {
		*ms += digit * weight;
		weight /= 10;
	} while (take_digits(rest, 1, &digit));
	return true;
}

/* "+01:00", "+0100" */
static bool
take_offset(struct pl_str *rest, int *east_minutes)
{
	bool is_west = take(rest, '-');
	unsigned hours, minutes;

	if ((!is_west && !take(rest, '+')) || !take_digits(rest, 2, &hours))
		return false;
	(void)take(rest, ':');
	if (!take_digits(rest, 2, &minutes) || hours > 23 || minutes > 59)
		return false;
	*east_minutes = (int)(hours * 60 + minutes) * (is_west ? -1 : 1);
	return true;
}

/* "12:00:00" */
static bool
take_time(struct pl_str *rest, struct moment *m)
{
	return take_digits(rest, 2, &m->hour) && take(rest, ':') &&
	       take_digits(rest, 2, &m->minute) && take(rest, ':') &&
	       take_digits(rest, 2, &m->second);
}

/* ---- forms ---- */

static bool
parse_iso(struct pl_str rest, struct moment *m)
{
	if (!take_digits(&rest, 4, &m->year) || !take(&rest, '-') ||
	    !take_digits(&rest, 2, &m->month) || !take(&rest, '-') ||
	    !take_digits(&rest, 2, &m->day))
		return false;
	if (rest.len == 0)
		return true;
	if ((!take(&rest, 'T') && !take(&rest, ' ')) ||
	    !take_digits(&rest, 2, &m->hour) || !take(&rest, ':') ||
	    !take_digits(&rest, 2, &m->minute))
		return false;
	if (take(&rest, ':') && !take_digits(&rest, 2, &m->second))
		return false;
	if (take(&rest, '.') && !take_fraction(&rest, &m->ms))
		return false;
	return (take(&rest, 'Z') || take_offset(&rest, &m->east_minutes)) &&
	       rest.len == 0;
}

/* The zone's name, in brackets after it, says the same again. */
static bool
parse_javascript(struct pl_str rest, struct moment *m)
{
	return take_week_day(&rest) && take(&rest, ' ') &&
	       take_month_name(&rest, &m->month) && take(&rest, ' ') &&
	       take_digits(&rest, 2, &m->day) && take(&rest, ' ') &&
	       take_digits(&rest, 4, &m->year) && take(&rest, ' ') &&
	       take_time(&rest, m) && take_word(&rest, PL_STR(" GMT")) &&
	       take_offset(&rest, &m->east_minutes) &&
	       (rest.len == 0 || pl_str_starts(rest, PL_STR(" (")));
}

static bool
parse_http(struct pl_str rest, struct moment *m)
{
	return take_week_day(&rest) && take_word(&rest, PL_STR(", ")) &&
	       take_digits(&rest, 2, &m->day) && take(&rest, ' ') &&
	       take_month_name(&rest, &m->month) && take(&rest, ' ') &&
	       take_digits(&rest, 4, &m->year) && take(&rest, ' ') &&
	       take_time(&rest, m) && take_word(&rest, PL_STR(" GMT")) && rest.len == 0;
}

/* ---- the calendar ---- */

static bool
is_leap(unsigned year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static bool
is_possible(const struct moment *m)
{
	static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	if (m->year < 1970 || m->month < 1 || m->month > 12 || m->day < 1)
		return false;
	return m->day <=
		   days[m->month - 1] + (m->month == 2 && is_leap(m->year) ? 1U : 0U) &&
	       m->hour <= 23 && m->minute <= 59 && m->second <= 59;
}

/* Days from 1970-01-01; years are counted from March, so that the leap day comes last. */
static int64_t
days_of(const struct moment *m)
{
	int64_t year = m->month > 2 ? m->year : m->year - 1;
	int64_t from_march = m->month > 2 ? m->month - 3 : m->month + 9;
	int64_t year_day = (153 * from_march + 2) / 5 + m->day - 1;

	return year * 365 + year / 4 - year / 100 + year / 400 + year_day - 719468;
}

bool
pl_date_text_parse(struct pl_str text, int64_t *unix_ms)
{
	struct moment iso = {0}, javascript = {0}, http = {0};
	const struct moment *m = NULL;
	int64_t minutes;

	if (parse_iso(text, &iso))
		m = &iso;
	else if (parse_javascript(text, &javascript))
		m = &javascript;
	else if (parse_http(text, &http))
		m = &http;
	if (m == NULL || !is_possible(m))
		return false;
	minutes = (int64_t)m->hour * 60 + m->minute - m->east_minutes;
	*unix_ms = days_of(m) * MS_PER_DAY + minutes * 60000 + m->second * 1000 + m->ms;
	return true;
}
