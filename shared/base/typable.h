/*
 * typable: random words that a person can read out, copy by hand and type.
 *
 *   "7rk2-9f0d-mq4z"   groups of four characters of Crockford's base 32, which has no i, l, o
 *                      and u; five bits each, from the system's generator
 *
 * Source: crockford.com/base32.html.  Threads: any.
 */
#ifndef PL_BASE_TYPABLE_H
#define PL_BASE_TYPABLE_H

#include "base/str.h"

#define PL_TYPABLE_GROUP 4
/* Characters of so many groups as they are shown, and of the same without the dashes. */
#define PL_TYPABLE_LEN(groups)  ((groups) * (PL_TYPABLE_GROUP + 1) - 1)
#define PL_TYPABLE_BARE(groups) ((groups)*PL_TYPABLE_GROUP)

/* Draw groups of them into out, PL_TYPABLE_LEN(groups) and a NUL. */
void pl_typable_draw(char *out, size_t groups);
/* What somebody typed, as it was drawn, without dashes: spaces and dashes do not count,
 * nor does case; o is 0, i and l are 1. bare gets PL_TYPABLE_BARE(groups) characters and
 * a NUL. False for anything that was not drawn with so many groups; bare is then spoilt. */
bool pl_typable_read(struct pl_str typed, char *bare, size_t groups);

#endif
