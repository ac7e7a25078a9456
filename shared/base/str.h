/*
 * str: a borrowed slice of bytes, not NUL-terminated, valid as long as the memory that it
 * points into. Threads: any.
 */
#ifndef PL_BASE_STR_H
#define PL_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct pl_str {
	const char *ptr;
	size_t len;
};

#define PL_STR(literal) ((struct pl_str){(literal), sizeof(literal) - 1})
#define PL_STR_NONE     ((struct pl_str){NULL, 0})

/* A slice of a C string; NULL gives an empty slice with ptr NULL. */
static inline struct pl_str
pl_str(const char *text)
{
	return (struct pl_str){text, text ? strlen(text) : 0};
}

static inline struct pl_str
pl_str_n(const void *data, size_t len)
{
	return (struct pl_str){(const char *)data, len};
}

bool pl_str_eq(struct pl_str a, struct pl_str b);
bool pl_str_eq_nocase(struct pl_str a, struct pl_str b); /* ASCII case only */
bool pl_str_starts(struct pl_str s, struct pl_str prefix);
/* Without the spaces and tabs (RFC 9110 OWS) at both ends. */
struct pl_str pl_str_trim(struct pl_str s);
/* Cut off the part before the next sep and step over sep; false once *rest is used up.
 * "a,b" gives "a", "b"; "" gives nothing; "a," gives "a", "". */
bool pl_str_split(struct pl_str *rest, char sep, struct pl_str *part);
/* Is word one of the comma-separated tokens of list, ASCII case ignored (RFC 9110
 * §5.6.1)? */
bool pl_str_list_has(struct pl_str list, struct pl_str word);
/* Decimal digits only, no sign, no space, at most max. */
bool pl_str_to_u64(struct pl_str s, uint64_t max, uint64_t *out);

#endif
