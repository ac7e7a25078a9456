/*
 * hex: bytes as hexadecimal digits, and the %XX escapes made of them (RFC 3986 §2.1).
 * Either case is read, lower case is written.  Threads: any.
 */
#ifndef PL_BASE_HEX_H
#define PL_BASE_HEX_H

#include "base/buf.h"
#include "base/str.h"

/* Of each char as a byte: its value and 1, or 0. */
extern const uint8_t pl_hex_values[256];

/* 0..15; -1 if c is no hex digit */
static inline int
pl_hex_value(char c)
{
	return pl_hex_values[(uint8_t)c] - 1;
}

/* Writes 2 * len digits and a NUL. */
void pl_hex_encode(const void *bytes, size_t len, char *out);
/* False unless text is exactly 2 * len digits; out may be partly written then. */
bool pl_hex_decode(struct pl_str text, void *out, size_t len);
/* Take one byte, plain or escaped, off the front of *rest, which is not empty; false for
 * a '%' without two digits. */
bool pl_percent_take(struct pl_str *rest, char *out);
/* Adds text, escaped as by JavaScript's encodeURIComponent(). */
void pl_percent_add(struct pl_buf *out, struct pl_str text);

#endif
