/* GET /api/users?limit=&after=&q=: a page of people by their names, or of those who are
 * found. */
#include "presence/users/users.h"

#include "base/hex.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "http/etag.h"
#include "http/long_read.h"
#include "http/reply.h"
#include "proto/http_query.h"

#define QUERY_BYTES_MAX (4 * USERS_QUERY_MAX)
/* What a page counts as at least within its reader's share, with the default of
 * LIMIT_READ_BYTES_PER_SECOND: 1,000 a second, or 100 with a query, which may take some
 * 2.5 ms of a processor each (make bench-people). */
#define PAGE_LEAST_BYTES  8000
#define FOUND_LEAST_BYTES 80000

struct people {
	struct pl_long_read read;
	struct pl_oid caller;
	struct pl_etags had;
	size_t limit;
	bool has_after;
	struct pl_oid after;
	char *query; /* owned; NULL: none */
	/* the page */
	bool has_more;
	struct pl_oid last;
	struct pl_digest tag;
};

static struct people *
people_of(struct pl_long_read *r)
{
	return PL_CONTAINER(r, struct people, read);
}

static void
people_free(struct pl_long_read *r)
{
	struct people *p = people_of(r);

	pl_etags_fini(&p->had);
	pl_mem_free(p->query);
	pl_mem_free(p);
}

/* ---- on a store thread --------------------------------------------------------------- */

static void
write_page(struct people *p, const struct pl_user_list *page, struct pl_json_out *piece)
{
	size_t written = 0;

	for (size_t i = 0; i < page->count && !p->has_more; i++) {
		const struct pl_user *user = &page->items[i];

		if (pl_oid_eq(&user->id, &p->caller))
			continue;
		p->has_more = written == p->limit;
		if (p->has_more)
			continue;
		pl_user_write(piece, user, PL_USER_WITH_TIMES);
		p->last = user->id;
		written++;
	}
}

/* Two more than are shown: the caller may be among them, and one says that more follow. */
static enum pl_err
read_page(struct pl_long_read *r, struct pl_store *s, struct pl_json_out *piece)
{
	struct people *p = people_of(r);
	struct pl_user_list page = {0};
	enum pl_err err = pl_store_people_page(
	    s, pl_str(p->query), p->has_after ? &p->after : NULL, p->limit + 2, &page);

	if (err != PL_OK)
		return err;
	write_page(p, &page, piece);
	pl_user_list_fini(&page);
	pl_digest_add(&p->tag, pl_buf_str(piece->buf));
	pl_digest_add(&p->tag, p->has_more ? PL_STR("more") : PL_STR("end"));
	r->is_last = true;
	return PL_OK;
}

/* ---- the head ------------------------------------------------------------------------ */

/* RFC 8288. */
static void
reply_link(const struct people *p)
{
	char at[PL_OID_HEX_LEN + 1];
	struct pl_buf link;

	if (!p->has_more)
		return;
	pl_oid_format(&p->last, at);
	pl_buf_init(&link, PL_BUF_UNLIMITED); /* the query is bounded */
	(void)pl_buf_printf(&link, "</api/users?limit=%zu&after=%s", p->limit, at);
	if (p->query != NULL && p->query[0] != '\0') {
		(void)pl_buf_add_cstr(&link, "&q=");
		pl_percent_add(&link, pl_str(p->query));
	}
	(void)pl_buf_add_cstr(&link, ">; rel=\"next\"");
	pl_reply_header(p->read.rq, "link", link.data);
	pl_buf_fini(&link);
}

static bool
refuse(struct pl_request *rq, const char *text)
{
	struct pl_invalid why;

	pl_invalid_set(&why, "INVALID_FIELD", "%s", text);
	pl_reply_invalid(rq, &why);
	return false;
}

static bool
begin(struct pl_long_read *r, enum pl_err err)
{
	struct people *p = people_of(r);

	if (err == PL_E_NOT_FOUND)
		return refuse(r->rq, "after must be the _id of a user");
	if (err != PL_OK)
		return true;
	reply_link(p);
	pl_reply_etag(r->rq, &p->tag);
	if (!pl_etags_have(&p->had, &p->tag))
		return true;
	pl_reply_not_modified(r->rq);
	return false;
}

/* ---- the request --------------------------------------------------------------------- */

/* Of a parameter: PL_E_NOT_FOUND if it is absent. */
static enum pl_err
get(const struct pl_request *rq, const char *name, char out[QUERY_BYTES_MAX],
    struct pl_str *value)
{
	return pl_http_query_get(rq->query, pl_str(name), out, QUERY_BYTES_MAX, value);
}

bool
users_page_asked(const struct pl_request *rq)
{
	static const char *const names[] = {"limit", "after", "q"};
	char text[QUERY_BYTES_MAX];
	struct pl_str value;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (get(rq, names[i], text, &value) != PL_E_NOT_FOUND)
			return true;
	return false;
}

static bool
read_limit(const struct pl_request *rq, struct people *p)
{
	uint64_t limit = USERS_LIMIT_DEFAULT;
	char text[QUERY_BYTES_MAX];
	struct pl_str value;
	enum pl_err err = get(rq, "limit", text, &value);

	if (err == PL_OK)
		err = pl_str_to_u64(value, USERS_LIMIT_MAX, &limit) && limit > 0
			  ? PL_OK
			  : PL_E_INVALID;
	p->limit = limit;
	return err == PL_OK || err == PL_E_NOT_FOUND;
}

static bool
read_after(const struct pl_request *rq, struct people *p)
{
	char text[QUERY_BYTES_MAX];
	struct pl_str value;
	enum pl_err err = get(rq, "after", text, &value);

	p->has_after = err == PL_OK && pl_oid_parse(value, &p->after);
	return p->has_after || err == PL_E_NOT_FOUND;
}

/* NULL, or what is wrong. */
static const char *
read_query(const struct pl_request *rq, struct people *p)
{
	char text[QUERY_BYTES_MAX];
	struct pl_str value;
	enum pl_err err = get(rq, "q", text, &value);

	if (err == PL_E_NOT_FOUND)
		return NULL;
	if (err == PL_E_CONFLICT)
		return "q must be given once";
	if (err == PL_E_INVALID || (err == PL_OK && !pl_utf8_is_valid(value)))
		return "q must be percent-encoded UTF-8";
	if (err != PL_OK || pl_utf8_count(value) > USERS_QUERY_MAX)
		return "q must be at most 100 characters long";
	if (memchr(value.ptr, '\0', value.len) != NULL)
		return "q must not hold control characters";
	p->query = pl_mem_strndup(value.ptr, value.len);
	return NULL;
}

static bool
read_parameters(struct pl_request *rq, struct people *p)
{
	const char *fault;

	if (!read_limit(rq, p))
		return refuse(rq, "limit must be a whole number from 1 to 100");
	if (!read_after(rq, p))
		return refuse(rq, "after must be the _id of a user");
	fault = read_query(rq, p);
	return fault == NULL || refuse(rq, fault);
}

void
users_page_get(struct pl_request *rq)
{
	struct people *p = pl_mem_zalloc(sizeof(*p));

	p->read = (struct pl_long_read){.rq = rq,
	    .read = read_page,
	    .begin = begin,
	    .free = people_free,
	    .least_bytes = PAGE_LEAST_BYTES};
	p->caller = rq->claims.user;
	if (!read_parameters(rq, p)) {
		people_free(&p->read);
		return;
	}
	if (p->query != NULL)
		p->read.least_bytes = FOUND_LEAST_BYTES;
	pl_etags_read(&p->had, rq);
	pl_long_read_start(&p->read);
}
