/*
 * date_text: a time that some program wrote down as text, if it can mean one moment only.
 *
 *   2024-01-31T12:00:00.123Z    2024-01-31 12:00:00+01:00    2024-01-31T12:00Z      ISO 8601
 *   2024-01-31                                                  midnight UTC, as in ECMAScript
 *   Wed Jan 31 2024 12:00:00 GMT+0100 (CET)                     JavaScript's toString()
 *   Wed, 31 Jan 2024 12:00:00 GMT                               and toUTCString()
 *
 * A time of day without its zone is refused: it depends on where it was written. Of a
 * fraction only the milliseconds count. Years 1970 to 9999.  Threads: any.
 */
#ifndef PL_BASE_DATE_TEXT_H
#define PL_BASE_DATE_TEXT_H

#include "base/err.h"
#include "base/str.h"

/* False if it is none of these, or no day of the calendar; *unix_ms is then untouched. */
bool pl_date_text_parse(struct pl_str text, int64_t *unix_ms) PL_MUST_CHECK;

#endif
