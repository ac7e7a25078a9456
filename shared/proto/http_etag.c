#include "proto/http_etag.h"

static void
skip(struct pl_str *s, size_t len)
{
	s->ptr += len;
	s->len -= len;
}

static void
skip_space(struct pl_str *s)
{
	while (s->len > 0 && (s->ptr[0] == ' ' || s->ptr[0] == '\t'))
		skip(s, 1);
}

/* RFC 9110 §5.6.1: a list may have empty elements. */
static void
skip_commas(struct pl_str *s)
{
	skip_space(s);
	while (s->len > 0 && s->ptr[0] == ',') {
		skip(s, 1);
		skip_space(s);
	}
}

static bool
is_etagc(char c)
{
	return c == '\x21' || (c >= '\x23' && c <= '\x7e') || (unsigned char)c >= 0x80;
}

/* [ W/ ] DQUOTE *etagc DQUOTE */
static bool
take_tag(struct pl_str *rest, struct pl_str *opaque)
{
	size_t len = 0;

	if (rest->len >= 2 && rest->ptr[0] == 'W' && rest->ptr[1] == '/')
		skip(rest, 2);
	if (rest->len == 0 || rest->ptr[0] != '"')
		return false;
	skip(rest, 1);
	while (len < rest->len && is_etagc(rest->ptr[len]))
		len++;
	if (len == rest->len || rest->ptr[len] != '"')
		return false;
	*opaque = pl_str_n(rest->ptr, len);
	skip(rest, len + 1);
	return true;
}

bool
pl_http_etag_matches(struct pl_str header, struct pl_str opaque)
{
	struct pl_str tag;

	skip_space(&header);
	while (header.len > 0 &&
	       (header.ptr[header.len - 1] == ' ' || header.ptr[header.len - 1] == '\t'))
		header.len--;
	if (pl_str_eq(header, PL_STR("*")))
		return true;
	for (skip_commas(&header); header.len > 0; skip_commas(&header)) {
		if (!take_tag(&header, &tag))
			return false;
		if (pl_str_eq(tag, opaque))
			return true;
		skip_space(&header);
		if (header.len > 0 && header.ptr[0] != ',')
			return false;
	}
	return false;
}
