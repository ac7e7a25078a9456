/*
 * utf8: is it UTF-8 (RFC 3629), whole or in pieces, and what its characters are.
 *
 * Refused: overlong forms, surrogates, above U+10FFFF. The piecewise check fails at the
 * first byte that no valid text can go on with (RFC 6455 §8.1 lets a peer fail that
 * early). Unicode categories and NFC come from utf8proc.  Threads: any.
 */
#ifndef PL_BASE_UTF8_H
#define PL_BASE_UTF8_H

#include "base/err.h"
#include "base/str.h"

/* Zeroed is the start. */
struct pl_utf8_state {
	uint8_t pending; /* continuation bytes still due */
	uint8_t low;     /* the next byte's least and greatest value */
	uint8_t high;
};

/* False once the bytes cannot be UTF-8, whatever follows. */
bool pl_utf8_feed(struct pl_utf8_state *st, const void *data, size_t len);
static inline bool
pl_utf8_is_complete(const struct pl_utf8_state *st)
{
	return st->pending == 0;
}

bool pl_utf8_is_valid(struct pl_str s);
/* Code points of valid UTF-8. */
size_t pl_utf8_count(struct pl_str s);
/* Take the next code point off *rest (valid UTF-8); false at the end. */
bool pl_utf8_next(struct pl_str *rest, uint32_t *code_point);

bool pl_utf8_is_control(uint32_t code_point); /* Cc, and U+2028, U+2029 */
bool pl_utf8_is_format(
    uint32_t code_point);                   /* Cf: bidi controls, zero-width characters */
bool pl_utf8_is_space(uint32_t code_point); /* White_Space */

/* The NFC form of valid UTF-8, NUL-terminated, for the caller to pl_mem_free(); *len its
 * bytes. NULL where s is not UTF-8. */
char *pl_utf8_nfc(struct pl_str s, size_t *len);

#endif
