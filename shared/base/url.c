#include "base/url.h"

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

static struct pl_str
after(struct pl_str s, size_t len)
{
	return pl_str_n(s.ptr + len, s.len - len);
}

/* The index of the first of these characters in s; the length of s if there is none. */
static size_t
find(struct pl_str s, const char *chars, size_t count)
{
	for (size_t i = 0; i < s.len; i++)
		if (memchr(chars, s.ptr[i], count) != NULL)
			return i;
	return s.len;
}

/* ---- host:port ---- */

static bool
is_host_char(char c, bool is_v6)
{
	if (is_digit(c) || c == '.')
		return true;
	if (is_v6)
		return c == ':' || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
	return is_letter(c) || c == '-' || c == '_';
}

/* Take the host off the front of *rest. */
static bool
take_host(struct pl_str *rest, struct pl_host_port *out)
{
	bool is_v6 = rest->len > 0 && rest->ptr[0] == '[';
	struct pl_str s = is_v6 ? after(*rest, 1) : *rest;
	size_t len = 0;

	while (len < s.len && is_host_char(s.ptr[len], is_v6))
		len++;
	if (len == 0 || (is_v6 && (len == s.len || s.ptr[len] != ']')))
		return false;
	out->is_v6 = is_v6;
	out->host = pl_str_n(s.ptr, len);
	*rest = after(s, is_v6 ? len + 1 : len);
	return true;
}

bool
pl_host_port_parse(struct pl_str text, struct pl_host_port *out)
{
	struct pl_host_port at = {0};
	uint64_t port = 0;

	if (!take_host(&text, &at))
		return false;
	at.has_port = text.len > 0;
	if (at.has_port &&
	    (text.ptr[0] != ':' || !pl_str_to_u64(after(text, 1), UINT16_MAX, &port)))
		return false;
	at.port = (uint16_t)port;
	*out = at;
	return true;
}

/* ---- URLs ---- */

/* RFC 3986 §3.1 */
static bool
is_scheme(struct pl_str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_letter(s.ptr[i]) && (i == 0 || !is_digit(s.ptr[i])) &&
		    (i == 0 || memchr("+-.", s.ptr[i], 3) == NULL))
			return false;
	return s.len > 0;
}

/* [user "@"] host [":" port] */
static bool
parse_authority(struct pl_str s, struct pl_url *out)
{
	const char *sign = s.len > 0 ? memrchr(s.ptr, '@', s.len) : NULL;

	if (sign != NULL) {
		out->user = pl_str_n(s.ptr, (size_t)(sign - s.ptr));
		s = after(s, out->user.len + 1);
	}
	return pl_host_port_parse(s, &out->at);
}

bool
pl_url_parse(struct pl_str text, struct pl_url *out)
{
	struct pl_url url = {0};
	size_t len = find(text, ":", 1);

	url.scheme = pl_str_n(text.ptr, len);
	text = after(text, len);
	if (!is_scheme(url.scheme) || !pl_str_starts(text, PL_STR("://")))
		return false;
	text = after(text, 3);
	len = find(text, "/?#", 3);
	if (!parse_authority(pl_str_n(text.ptr, len), &url))
		return false;
	text = after(text, len);
	url.path = pl_str_n(text.ptr, find(text, "?#", 2));
	url.query = after(text, url.path.len);
	*out = url;
	return true;
}
