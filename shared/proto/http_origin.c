#include "proto/http_origin.h"

/* scheme "://" host [":" port], taken apart. */
struct origin {
	struct pl_str scheme;
	struct pl_str host; /* an IPv6 address with its brackets */
	uint64_t port;
};

static uint64_t
default_port(struct pl_str scheme)
{
	if (pl_str_eq_nocase(scheme, PL_STR("https")))
		return 443;
	if (pl_str_eq_nocase(scheme, PL_STR("http")))
		return 80;
	return 0; /* an app's own scheme, as capacitor://localhost, has none */
}

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* RFC 3986 §3.1 */
static bool
scheme_is_good(struct pl_str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_letter(s.ptr[i]) && (i == 0 || !is_digit(s.ptr[i])) &&
		    (i == 0 || memchr("+-.", s.ptr[i], 3) == NULL))
			return false;
	return s.len > 0;
}

static bool
is_host_char(char c, bool in_brackets)
{
	if (is_digit(c) || c == '.')
		return true;
	if (in_brackets)
		return c == ':' || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
	return is_letter(c) || c == '-' || c == '_';
}

/* How many bytes at the front of s are a host; 0 for none. */
static size_t
host_len(struct pl_str s)
{
	bool in_brackets = s.len > 0 && s.ptr[0] == '[';
	size_t len = in_brackets ? 1 : 0;

	while (len < s.len && is_host_char(s.ptr[len], in_brackets))
		len++;
	if (!in_brackets)
		return len;
	return len > 1 && len < s.len && s.ptr[len] == ']' ? len + 1 : 0;
}

/* host [":" port] */
static bool
parse_authority(struct pl_str s, struct pl_str scheme, struct origin *out)
{
	struct origin o = {.scheme = scheme, .port = default_port(scheme)};
	size_t len = host_len(s);

	if (len == 0 || !scheme_is_good(scheme))
		return false;
	o.host = pl_str_n(s.ptr, len);
	if (len < s.len) {
		if (s.ptr[len] != ':' ||
		    !pl_str_to_u64(
			pl_str_n(s.ptr + len + 1, s.len - len - 1), 65535, &o.port))
			return false;
	}
	*out = o;
	return true;
}

static bool
parse_origin(struct pl_str s, struct origin *out)
{
	const char *colon = s.len > 0 ? memchr(s.ptr, ':', s.len) : NULL;
	struct pl_str scheme, rest;

	if (colon == NULL)
		return false;
	scheme = pl_str_n(s.ptr, (size_t)(colon - s.ptr));
	rest = pl_str_n(colon, s.len - scheme.len);
	if (!pl_str_starts(rest, PL_STR("://")))
		return false;
	return parse_authority(pl_str_n(rest.ptr + 3, rest.len - 3), scheme, out);
}

static bool
same_origin(const struct origin *a, const struct origin *b)
{
	return pl_str_eq_nocase(a->scheme, b->scheme) &&
	       pl_str_eq_nocase(a->host, b->host) && a->port == b->port;
}

enum pl_http_origin
pl_http_origin_check(const struct pl_http_origin_rq *rq, struct pl_str allowed)
{
	struct origin theirs, ours;
	struct pl_str entry;

	if (rq->repeated)
		return PL_ORIGIN_REFUSED;
	if (rq->origin.ptr == NULL)
		return PL_ORIGIN_NONE;
	if (!parse_origin(rq->origin, &theirs))
		return PL_ORIGIN_REFUSED;
	if (parse_authority(rq->host, rq->scheme, &ours) && same_origin(&theirs, &ours))
		return PL_ORIGIN_SAME;
	while (pl_str_split(&allowed, ',', &entry))
		if (parse_origin(pl_str_trim(entry), &ours) &&
		    same_origin(&theirs, &ours))
			return PL_ORIGIN_LISTED;
	return PL_ORIGIN_REFUSED;
}

bool
pl_http_origin_list_is_good(struct pl_str allowed)
{
	struct pl_str entry;
	struct origin one;

	while (pl_str_split(&allowed, ',', &entry)) {
		entry = pl_str_trim(entry);
		if (entry.len > 0 && !parse_origin(entry, &one))
			return false;
	}
	return true;
}
