#include "proto/http_cookie.h"

static struct pl_str
unquote(struct pl_str s)
{
	if (s.len >= 2 && s.ptr[0] == '"' && s.ptr[s.len - 1] == '"')
		return pl_str_n(s.ptr + 1, s.len - 2);
	return s;
}

enum pl_err
pl_http_cookie_find(struct pl_str header, struct pl_str name, struct pl_str *value)
{
	struct pl_str pair, key, found = PL_STR_NONE;
	bool seen = false;

	while (pl_str_split(&header, ';', &pair)) {
		if (pair.len == 0 || memchr(pair.ptr, '=', pair.len) == NULL)
			continue;
		pl_str_split(&pair, '=', &key); /* pair is then what follows the '=' */
		if (!pl_str_eq(pl_str_trim(key), name))
			continue;
		if (seen)
			return PL_E_CONFLICT;
		seen = true;
		found = unquote(pl_str_trim(pair));
	}
	if (!seen)
		return PL_E_NOT_FOUND;
	*value = found;
	return PL_OK;
}
