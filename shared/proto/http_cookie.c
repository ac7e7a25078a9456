#include "proto/http_cookie.h"

static struct pl_str
unquote(struct pl_str s)
{
	if (s.len >= 2 && s.ptr[0] == '"' && s.ptr[s.len - 1] == '"')
		return pl_str_n(s.ptr + 1, s.len - 2);
	return s;
}

bool
pl_http_cookie_next(struct pl_str *rest, struct pl_str name, struct pl_str *value)
{
	struct pl_str pair, key;

	while (pl_str_split(rest, ';', &pair)) {
		if (pair.len == 0 || memchr(pair.ptr, '=', pair.len) == NULL)
			continue;
		pl_str_split(&pair, '=', &key); /* pair is then what follows the '=' */
		if (!pl_str_eq(pl_str_trim(key), name))
			continue;
		*value = unquote(pl_str_trim(pair));
		return true;
	}
	return false;
}
