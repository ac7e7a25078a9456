/*
 * GET /api/users/avatar/:id?v=<digest>: a user's own picture, for everybody, with a
 * session or without: an <img> of another site has none. Under the v that profilePic has
 * it never changes, and may be kept for good; under another one, or none, it is the
 * picture of now, and has to be asked about each time.
 *
 * Whatever these bytes are, no browser runs any of it: their exact type, which it may not
 * guess, and a policy of their own for whoever opens the address as a page.
 */
#include "presence/users/users.h"

#include "base/mem.h"
#include "http/etag.h"
#include "http/reply.h"
#include "http/service.h"
#include "proto/http_query.h"

struct picture {
	struct pl_store_read_call call;
	struct pl_request *rq;
	struct pl_oid id;
	struct pl_etags tags; /* that the client has */
	struct pl_avatar avatar;
	struct pl_digest digest;
	bool is_had;
};

static enum pl_err
picture_run(struct pl_store_read_call *call, struct pl_store *s)
{
	struct picture *p = PL_CONTAINER(call, struct picture, call);
	enum pl_err err = pl_store_avatar(s, &p->id, &p->avatar);
	bool has_user = false;

	if (err == PL_OK)
		err = pl_store_users_exist(s, &p->id, 1, &has_user);
	if (err == PL_OK && !has_user)
		err = PL_E_NOT_FOUND; /* another program deleted the user alone */
	if (err != PL_OK)
		return err;
	pl_avatar_digest(pl_str_n(p->avatar.bytes, p->avatar.len), &p->digest);
	p->is_had = pl_etags_have(&p->tags, &p->digest);
	return PL_OK;
}

static bool
is_asked_by_digest(const struct picture *p)
{
	char hex[PL_DIGEST_HEX_LEN + 1], text[PL_DIGEST_HEX_LEN];
	struct pl_str v;

	pl_digest_format(&p->digest, hex);
	return pl_http_query_get(p->rq->query, PL_STR("v"), text, sizeof(text), &v) ==
		   PL_OK &&
	       pl_str_eq(v, pl_str(hex));
}

static void
reply_picture(struct picture *p)
{
	struct pl_request *rq = p->rq;

	pl_reply_header(rq, "content-security-policy", "default-src 'none'; sandbox");
	pl_reply_header(rq, "content-disposition", "inline");
	pl_reply_etag(rq, &p->digest);
	if (is_asked_by_digest(p))
		pl_reply_for_good(rq);
	if (p->is_had)
		pl_reply_not_modified(rq);
	else
		pl_reply_bytes(rq, 200, pl_avatar_type_name(p->avatar.type),
		    pl_str_n(p->avatar.bytes, p->avatar.len));
}

static void
picture_done(struct pl_store_read_call *call)
{
	struct picture *p = PL_CONTAINER(call, struct picture, call);

	if (call->err == PL_OK)
		reply_picture(p);
	else if (call->err == PL_E_NOT_FOUND)
		pl_reply_problem(p->rq, PL_PROBLEM_NO_AVATAR);
	else
		pl_reply_err(p->rq, call->err);
	pl_avatar_fini(&p->avatar);
	pl_etags_fini(&p->tags);
	pl_mem_free(p);
}

void
presence_avatar_get(struct pl_request *rq)
{
	struct picture *p;
	struct pl_oid id;

	if (!pl_request_oid(rq, &id))
		return;
	p = pl_mem_zalloc(sizeof(*p));
	p->rq = rq;
	p->id = id;
	pl_etags_read(&p->tags, rq);
	p->call.run = picture_run;
	p->call.done = picture_done;
	pl_store_async_read_or_done(pl_app.store, &p->call);
}
