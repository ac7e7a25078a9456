#include "base/hex.h"
#include "http/router.h"

#include <stdio.h>

#include "http/service.h"

/* Cut the next segment off *path, which starts with '/'; false at the end. */
static bool
next_segment(struct pl_str *path, struct pl_str *segment)
{
	size_t len = 0;

	if (path->len == 0 || path->ptr[0] != '/')
		return false;
	while (1 + len < path->len && path->ptr[1 + len] != '/')
		len++;
	*segment = pl_str_n(path->ptr + 1, len);
	*path = pl_str_n(path->ptr + 1 + len, path->len - 1 - len);
	return true;
}

static struct pl_str
without_last_slash(struct pl_str path)
{
	if (path.len > 1 && path.ptr[path.len - 1] == '/')
		path.len--;
	return path;
}

static bool
path_matches(struct pl_str pattern, struct pl_str path, struct pl_str *param)
{
	struct pl_str want, have;

	pattern = without_last_slash(pattern);
	path = without_last_slash(path);
	while (next_segment(&pattern, &want)) {
		if (!next_segment(&path, &have))
			return false;
		if (want.len > 0 && want.ptr[0] == ':') {
			if (have.len == 0)
				return false;
			*param = have;
		} else if (!pl_str_eq(want, have)) {
			return false;
		}
	}
	return path.len == 0;
}

static bool
method_matches(const struct pl_route *route, struct pl_str method)
{
	struct pl_str own = pl_str(route->method);

	return pl_str_eq(method, own) ||
	       (pl_str_eq(method, PL_STR("HEAD")) && pl_str_eq(own, PL_STR("GET")));
}

static bool
has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = list; (at = strstr(at, word)) != NULL; at += len)
		if ((at == list || at[-1] == ' ') && (at[len] == ',' || at[len] == '\0'))
			return true;
	return false;
}

/* Each once: a path may match several rows. */
static void
allow_add(struct pl_route_match *out, const char *method)
{
	size_t len = strlen(out->allow);

	if (has_word(out->allow, method))
		return;
	snprintf(out->allow + len, sizeof(out->allow) - len, "%s%s", len > 0 ? ", " : "",
	    method);
}

enum pl_route_verdict
pl_router_match(const struct pl_route *routes, size_t count, struct pl_str method,
    struct pl_str path, struct pl_route_match *out)
{
	*out = (struct pl_route_match){0};
	for (size_t i = 0; i < count; i++) {
		struct pl_str param = PL_STR_NONE;

		if (!path_matches(pl_str(routes[i].path), path, &param))
			continue;
		if (method_matches(&routes[i], method)) {
			out->route = &routes[i];
			out->param = param;
			return PL_ROUTE_FOUND;
		}
		allow_add(out, routes[i].method);
		if (strcmp(routes[i].method, "GET") == 0)
			allow_add(out, "HEAD");
	}
	if (out->allow[0] == '\0')
		return PL_ROUTE_NO_PATH;
	allow_add(out, "OPTIONS");
	return PL_ROUTE_NO_METHOD;
}

bool
pl_router_decode(struct pl_str text, char *out, size_t *len)
{
	size_t n = 0;

	while (text.len > 0)
		if (!pl_percent_take(&text, &out[n++]))
			return false;
	*len = n;
	return true;
}
