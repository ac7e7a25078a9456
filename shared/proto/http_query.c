#include "base/hex.h"
#include "proto/http_query.h"

/* Take one decoded byte off the front of *s, which is not empty; false for a bad escape. */
static bool
take_byte(struct pl_str *s, char *out)
{
	bool is_space = s->ptr[0] == '+';

	if (!pl_percent_take(s, out))
		return false;
	if (is_space)
		*out = ' ';
	return true;
}

static bool
decodes_to(struct pl_str raw, struct pl_str name)
{
	char c;

	for (size_t i = 0; i < name.len; i++)
		if (raw.len == 0 || !take_byte(&raw, &c) || c != name.ptr[i])
			return false;
	return raw.len == 0;
}

static enum pl_err
decode(struct pl_str raw, char *out, size_t cap, struct pl_str *value)
{
	size_t len = 0;
	char c;

	while (raw.len > 0) {
		if (!take_byte(&raw, &c))
			return PL_E_INVALID;
		if (len == cap)
			return PL_E_TOO_BIG;
		out[len++] = c;
	}
	*value = pl_str_n(out, len);
	return PL_OK;
}

enum pl_err
pl_http_query_get(
    struct pl_str query, struct pl_str name, char *out, size_t cap, struct pl_str *value)
{
	struct pl_str pair, key, found = PL_STR_NONE;
	bool seen = false;

	while (pl_str_split(&query, '&', &pair)) {
		if (!pl_str_split(&pair, '=', &key)) /* pair is then the value */
			continue;
		if (!decodes_to(key, name))
			continue;
		if (seen)
			return PL_E_CONFLICT;
		seen = true;
		found = pair;
	}
	return seen ? decode(found, out, cap, value) : PL_E_NOT_FOUND;
}
