#include "base/str.h"

static unsigned char
to_lower(char c)
{
	unsigned char u = (unsigned char)c;

	return u >= 'A' && u <= 'Z' ? (unsigned char)(u | 0x20) : u;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

bool
pl_str_eq(struct pl_str a, struct pl_str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool
pl_str_eq_nocase(struct pl_str a, struct pl_str b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (to_lower(a.ptr[i]) != to_lower(b.ptr[i]))
			return false;
	return true;
}

bool
pl_str_starts(struct pl_str s, struct pl_str prefix)
{
	return s.len >= prefix.len && pl_str_eq(pl_str_n(s.ptr, prefix.len), prefix);
}

struct pl_str
pl_str_trim(struct pl_str s)
{
	while (s.len > 0 && is_blank(s.ptr[0])) {
		s.ptr++;
		s.len--;
	}
	while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

bool
pl_str_split(struct pl_str *rest, char sep, struct pl_str *part)
{
	/* A rest that ended in sep points here: one empty part is still due. An empty
	 * text has none. */
	static const char due[1];
	const char *at;

	if (rest->len == 0) {
		if (rest->ptr != due)
			return false;
		*part = *rest;
		*rest = PL_STR_NONE;
		return true;
	}
	at = memchr(rest->ptr, sep, rest->len);
	if (at == NULL) {
		*part = *rest;
		*rest = PL_STR_NONE;
		return true;
	}
	*part = pl_str_n(rest->ptr, (size_t)(at - rest->ptr));
	rest->ptr = at + 1;
	rest->len -= part->len + 1;
	if (rest->len == 0)
		rest->ptr = due;
	return true;
}

bool
pl_str_list_has(struct pl_str list, struct pl_str word)
{
	struct pl_str part;

	if (word.len == 0)
		return false;
	while (pl_str_split(&list, ',', &part))
		if (pl_str_eq_nocase(pl_str_trim(part), word))
			return true;
	return false;
}

bool
pl_str_to_u64(struct pl_str s, uint64_t max, uint64_t *out)
{
	uint64_t value = 0;

	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned digit = (unsigned char)s.ptr[i] - (unsigned)'0';

		if (digit > 9 || value > max / 10 || digit > max - value * 10)
			return false;
		value = value * 10 + digit;
	}
	*out = value;
	return true;
}
