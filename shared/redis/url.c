#include "base/hex.h"
#include "base/mem.h"
#include "base/url.h"
#include "redis/client.h"
#include "redis/url.h"

#define URL_BYTES_MAX 1024
#define DB_MAX        65535 /* far above any server's `databases` */
#define PORT_DEFAULT  6379

/* Redis providers give out URLs of these schemes; each needs a better answer than "that
 * is no URL". */
#define NO_TLS                                                                           \
	"REDIS_URL asks for TLS, which Parley does not speak to Redis: let a tunnel "    \
	"(stunnel, spiped) beside it do that, and name its local port, as in "           \
	"redis://:password@127.0.0.1:6380"
#define NO_UNIX                                                                          \
	"REDIS_URL names a Unix socket, which Parley does not use: let Redis listen on " \
	"a local port, as in redis://:password@127.0.0.1:6379"
#define NO_SENTINEL                                                                      \
	"REDIS_URL names sentinels or a cluster, which Parley does not ask: name one "   \
	"server, or a proxy (HAProxy) that follows the master, as in "                   \
	"redis://:password@host:6379"

/* RFC 3986 §2.1. NULL for a bad escape, or one that hides a NUL. */
static char *
percent_decode(struct pl_str s)
{
	char *out = pl_mem_strndup(s.ptr, s.len);
	size_t size = s.len, len = 0;

	while (s.len > 0) {
		if (!pl_percent_take(&s, &out[len]) || out[len++] == '\0') {
			pl_mem_wipe_free(out, size);
			return NULL;
		}
	}
	out[len] = '\0';
	return out;
}

/* "user:password" or ":password". */
static bool
parse_login(struct pl_str s, struct pl_redis_url *u)
{
	struct pl_str user;

	if (s.len == 0 || memchr(s.ptr, ':', s.len) == NULL)
		return false;
	pl_str_split(&s, ':', &user);
	if (s.len == 0)
		return false;
	u->password = percent_decode(s);
	if (user.len > 0)
		u->user = percent_decode(user);
	return u->password != NULL && (user.len == 0 || u->user != NULL);
}

static bool
parse_place(struct pl_str s, struct pl_redis_url *u)
{
	struct pl_host_port at;

	if (!pl_host_port_parse(s, &at) || (at.has_port && at.port == 0))
		return false;
	u->host = pl_mem_strndup(at.host.ptr, at.host.len);
	u->port = at.has_port ? at.port : PORT_DEFAULT;
	return true;
}

/* What follows "redis://". Its password may hold a bare '/', so it is no pl_url. */
static bool
parse_rest(struct pl_str s, struct pl_redis_url *u)
{
	const char *at = memrchr(s.ptr, '@', s.len);
	const char *slash;
	uint64_t db;

	if (at != NULL) {
		if (!parse_login(pl_str_n(s.ptr, (size_t)(at - s.ptr)), u))
			return false;
		s = pl_str_n(at + 1, s.len - (size_t)(at + 1 - s.ptr));
	}
	slash = memchr(s.ptr, '/', s.len);
	if (slash != NULL) {
		struct pl_str tail =
		    pl_str_n(slash + 1, s.len - (size_t)(slash + 1 - s.ptr));

		if (tail.len > 0) {
			if (!pl_str_to_u64(tail, DB_MAX, &db))
				return false;
			u->db = (unsigned)db;
		}
		s.len = (size_t)(slash - s.ptr);
	}
	return parse_place(s, u);
}

enum pl_err
pl_redis_url_parse(const char *text, struct pl_redis_url *out)
{
	struct pl_str s = pl_str(text);
	struct pl_redis_url u = {0};

	if (text == NULL || s.len > URL_BYTES_MAX ||
	    !pl_str_starts(s, PL_STR("redis://")))
		return PL_E_INVALID;
	if (!parse_rest(pl_str_n(s.ptr + 8, s.len - 8), &u)) {
		pl_redis_url_fini(&u);
		return PL_E_INVALID;
	}
	*out = u;
	return PL_OK;
}

void
pl_redis_url_fini(struct pl_redis_url *url)
{
	pl_mem_free(url->host);
	pl_mem_free(url->user);
	if (url->password != NULL)
		pl_mem_wipe_free(url->password, strlen(url->password));
	*url = (struct pl_redis_url){0};
}

enum pl_err
pl_redis_url_check(const char *url)
{
	struct pl_redis_url u;

	if (pl_redis_url_parse(url, &u) != PL_OK)
		return PL_E_INVALID;
	pl_redis_url_fini(&u);
	return PL_OK;
}

const char *
pl_redis_url_fault(const char *url)
{
	static const struct {
		const char *scheme;
		const char *fault;
	} others[] = {
	    {"rediss", NO_TLS},
	    {"redis+tls", NO_TLS},
	    {"redis+ssl", NO_TLS},
	    {"valkeys", NO_TLS},
	    {"unix", NO_UNIX},
	    {"unixs", NO_UNIX},
	    {"redis+unix", NO_UNIX},
	    {"redis+socket", NO_UNIX},
	    {"redis-socket", NO_UNIX},
	    {"valkey+unix", NO_UNIX},
	    {"redis+sentinel", NO_SENTINEL},
	    {"redis-sentinel", NO_SENTINEL},
	    {"rediss+sentinel", NO_SENTINEL},
	    {"sentinel", NO_SENTINEL},
	    {"redis+cluster", NO_SENTINEL},
	    {"redis-cluster", NO_SENTINEL},
	};
	struct pl_str rest = pl_str(url), scheme;

	if (pl_redis_url_check(url) == PL_OK)
		return NULL;
	if (rest.len > 0 && *rest.ptr == '/')
		return NO_UNIX;
	if (pl_str_split(&rest, ':', &scheme))
		for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
			if (pl_str_eq_nocase(scheme, pl_str(others[i].scheme)))
				return others[i].fault;
	return "REDIS_URL must be redis://[:password@]host[:port][/db]";
}
