/*
 * utf8: is a text UTF-8 (RFC 3629), whole or in pieces, and what are its characters?
 *
 * Refused: overlong forms, surrogates, above U+10FFFF. The piecewise check fails at the
 * first byte that cannot continue a valid text (RFC 6455 §8.1 allows to fail that early).
 * Unicode categories and NFC come from utf8proc.  Threads: any.
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

/* ---- what a character is, by Unicode's properties ---- */

bool pl_utf8_is_control(uint32_t code_point);      /* Cc, and U+2028, U+2029 */
bool pl_utf8_is_format(uint32_t code_point);       /* Cf: U+00AD, U+200B, U+202E */
bool pl_utf8_is_space(uint32_t code_point);        /* White_Space */
bool pl_utf8_is_ignorable(uint32_t code_point);    /* Default_Ignorable_Code_Point */
bool pl_utf8_is_bidi_control(uint32_t code_point); /* Bidi_Control: U+200E, U+202E */

/* Drawn as nothing though it counts as a letter or symbol: U+2800, the blank pattern of
 * Braille. Unicode has no property for these. */
bool pl_utf8_is_blank(uint32_t code_point);

/* Does a reader see it? White space, blanks, ignorable and format characters are not
 * seen, except the few format characters that are drawn (Arabic number signs). All else
 * counts as seen, also control characters and what is not assigned: many programs draw a
 * box, and next year's emoji is among them. */
bool pl_utf8_is_visible(uint32_t code_point);
/* Does valid UTF-8 show anything at all? */
bool pl_utf8_has_visible(struct pl_str s);

/* Does an invisible character have an effect between these neighbours (0: none)?
 *   joiners      between two that are seen (Persian words, emoji of several), or after a
 *                virama (Indic words; RFC 5892 A.1 and A.2)
 *   selectors    of a form, and other ignorable marks, after what they change
 *   tags         after an emoji or another tag: the flag of Scotland */
bool pl_utf8_is_at_work(uint32_t code_point, uint32_t before, uint32_t after);

/* The NFC form of s, NUL-terminated, which the caller frees with pl_mem_free(); *len is
 * its bytes. NULL if s is not UTF-8. */
char *pl_utf8_nfc(struct pl_str s, size_t *len);

#endif
