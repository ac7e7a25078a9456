/*
 * loose: a few values out of JSON that is not ours to judge.
 *
 *   {"seed":13064022430614612000,"logprob":NaN,"text":"Hi"}   loose_get(.., "text")  ->  "Hi"
 *
 * base/json refuses a document for any fault in it, as the reader of a request must. A
 * model's answer is worth reading even if something beside it is odd: a number past 64
 * bits, NaN, a key that comes twice (the last counts, as in JavaScript), nesting of any
 * depth, a lone surrogate, bytes that are no UTF-8. So only what leads to the wanted
 * value is parsed. The rest is stepped over, by its quotes and brackets alone.
 *
 * A value is its bytes within the document, borrowed. PL_STR_NONE: it is absent, or the
 * value around it is of another type. Each call reads its value once and keeps nothing.
 * Pure.  Threads: any.
 */
#ifndef RESPONDER_LOOSE_H
#define RESPONDER_LOOSE_H

#include "base/buf.h"

/* Take the first value off *rest. False: it has no whole one, and stays as it was. */
bool loose_take(struct pl_str *rest, struct pl_str *value);

struct pl_str loose_get(struct pl_str object, const char *key);
struct pl_str loose_first(struct pl_str array);
/* Walk an array: *rest starts as the array, and is not touched until this returns
 * false. */
bool loose_each(struct pl_str *rest, struct pl_str *item);

bool loose_is(struct pl_str value,
    const char *literal); /* "null", "true"; "{" and "[" by the start */
/* Is it present, and not null, false, 0, "", {} or []? */
bool loose_says_something(struct pl_str value);
bool loose_is_string(struct pl_str value);
/* Append the string's text, with U+FFFD for a lone surrogate. False: it is no string, or
 * its bytes are no UTF-8, and *out may hold a part of it. */
bool loose_str(struct pl_str value, struct pl_buf *out);
bool loose_str_is(struct pl_str value, const char *text); /* text: printable ASCII */
bool loose_real(struct pl_str value, double *out);

#endif
