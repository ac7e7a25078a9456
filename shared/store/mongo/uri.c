#include "store/mongo/uri.h"

#include "base/url.h"

static struct pl_str
from(struct pl_str s, size_t at)
{
	return pl_str_n(s.ptr + at, s.len - at);
}

static size_t
find(struct pl_str s, char c)
{
	const char *at = s.ptr != NULL ? memchr(s.ptr, c, s.len) : NULL;

	return at != NULL ? (size_t)(at - s.ptr) : s.len;
}

/* The path of a Unix socket, percent-encoded: "%2Frun%2Fmongodb.sock". */
static bool
is_socket(struct pl_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			(c >= '0' && c <= '9') || memchr("%._-", c, 4) != NULL))
			return false;
	}
	return s.len > 0 && s.ptr[0] == '%';
}

static bool
are_hosts(struct pl_str list)
{
	struct pl_host_port at;
	struct pl_str host;

	if (list.len == 0)
		return false;
	while (pl_str_split(&list, ',', &host))
		if (!pl_host_port_parse(host, &at) && !is_socket(host))
			return false;
	return true;
}

/* Step over "user:password@". An '@' elsewhere would be one of a password, or look so. */
static bool
skip_user(struct pl_str *s)
{
	size_t at = find(*s, '@');

	if (at == s->len)
		return true;
	if (at == 0 || find(*s, '/') < at || find(*s, '?') < at)
		return false;
	*s = from(*s, at + 1);
	return find(*s, '@') == s->len;
}

bool
pl_mongo_uri_shown(const char *uri, struct pl_str *shown)
{
	struct pl_str s = pl_str(uri), database;
	size_t slash;

	if (pl_str_starts(s, PL_STR("mongodb://")))
		s = from(s, sizeof("mongodb://") - 1);
	else if (pl_str_starts(s, PL_STR("mongodb+srv://")))
		s = from(s, sizeof("mongodb+srv://") - 1);
	else
		return false;
	if (!skip_user(&s))
		return false;
	s.len = find(s, '?');
	slash = find(s, '/');
	database = from(s, slash < s.len ? slash + 1 : s.len);
	if (!are_hosts(pl_str_n(s.ptr, slash)) || find(database, '/') < database.len)
		return false;
	*shown = s;
	return true;
}
