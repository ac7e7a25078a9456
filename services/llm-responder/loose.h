/*
 * loose: a few values out of JSON that is not ours to judge.
 *
 *   {"seed":13064022430614612000,"logprob":NaN,"text":"Hi"}   loose_get(.., "text")  ->  "Hi"
 *
 * base/json refuses a document for any fault in it, as a request's reader must. The answer of a
 * model is worth reading although something beside it is odd: a number past 64 bits, NaN, a
 * key that comes twice (the last counts, as for JavaScript), nesting of any depth, a lone
 * surrogate, bytes that are no UTF-8. So nothing is parsed but what leads to the value that is
 * asked for; the rest is stepped over, by its quotes and brackets alone.
 *
 * A value is its bytes within the document, borrowed; PL_STR_NONE: absent, also where a value
 * of another type was looked into. Each call reads its value once and keeps nothing.
 * Pure.  Threads: any.
 */
#ifndef RESPONDER_LOOSE_H
#define RESPONDER_LOOSE_H

#include "base/buf.h"

/* Take the first value off *rest. False, and *rest as it was, where there is no whole one. */
bool loose_take(struct pl_str *rest, struct pl_str *value);

struct pl_str loose_get(struct pl_str object, const char *key);
struct pl_str loose_first(struct pl_str array);
/* Walk an array: *rest starts as the array, and is its business until it returns false. */
bool loose_each(struct pl_str *rest, struct pl_str *item);

bool loose_is(struct pl_str value,
    const char *literal); /* "null", "true"; "{" and "[" by the start */
/* Something is there, and it is not null, false, 0, "", {} or []. */
bool loose_says_something(struct pl_str value);
bool loose_is_string(struct pl_str value);
/* Append the string's text, with U+FFFD for a lone surrogate. False where it is no string, or
 * its bytes are no UTF-8; *out may then hold a part of it. */
bool loose_str(struct pl_str value, struct pl_buf *out);
bool loose_str_is(struct pl_str value, const char *text); /* text: printable ASCII */
bool loose_real(struct pl_str value, double *out);

#endif
