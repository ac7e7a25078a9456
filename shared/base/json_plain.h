/*
 * json_plain: the bodies that most requests have, read in one pass: an object of at most
 * 64 values, all strings, with no escape but those of two characters. jansson takes a
 * millisecond of a loop for 64 kB of them, this a tenth of that.
 *
 *   {"message":"Hello\nBob"}          plain
 *   {"a":1} {"a":"\u0041"} {} [] ...  not: jansson reads them, or says what is wrong
 *
 * What is plain here is the same value there. Source: RFC 8259.  Threads: any.
 */
#ifndef PL_BASE_JSON_PLAIN_H
#define PL_BASE_JSON_PLAIN_H

#include "base/str.h"

struct json_t; /* jansson's */

/* The value of text, a reference of the caller's; NULL: it is not plain, or not valid. */
struct json_t *pl_json_plain(struct pl_str text);

#endif
