#include "base/url.h"
#include "proto/http_origin.h"

/* scheme "://" host [":" port], taken apart. */
struct origin {
	struct pl_str scheme;
	struct pl_host_port at; /* its port is set */
};

static uint16_t
default_port(struct pl_str scheme)
{
	if (pl_str_eq_nocase(scheme, PL_STR("https")))
		return 443;
	if (pl_str_eq_nocase(scheme, PL_STR("http")))
		return 80;
	return 0; /* an app's own scheme, as capacitor://localhost, has none */
}

static struct origin
origin_of(struct pl_str scheme, struct pl_host_port at)
{
	if (!at.has_port)
		at.port = default_port(scheme);
	return (struct origin){scheme, at};
}

static bool
parse_origin(struct pl_str s, struct origin *out)
{
	struct pl_url url;

	if (!pl_url_parse(s, &url) || url.user.ptr != NULL || url.path.len > 0 ||
	    url.query.len > 0)
		return false;
	*out = origin_of(url.scheme, url.at);
	return true;
}

/* Our own origin, by the request's scheme and its Host header. */
static bool
parse_own(struct pl_str scheme, struct pl_str host, struct origin *out)
{
	struct pl_host_port at;

	if (!pl_host_port_parse(host, &at))
		return false;
	*out = origin_of(scheme, at);
	return true;
}

static bool
same_origin(const struct origin *a, const struct origin *b)
{
	return pl_str_eq_nocase(a->scheme, b->scheme) && a->at.is_v6 == b->at.is_v6 &&
	       pl_str_eq_nocase(a->at.host, b->at.host) && a->at.port == b->at.port;
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
	if (parse_own(rq->scheme, rq->host, &ours) && same_origin(&theirs, &ours))
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
