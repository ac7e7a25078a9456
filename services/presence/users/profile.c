/* GET /api/users/profile/:id: a user, their note, and whether they are online. */
#include "presence/users/users.h"

#include "base/mem.h"
#include "http/reply.h"
#include "http/service.h"

static bool (*is_online_now)(void *arg, const struct pl_oid *user);
static void *is_online_arg;

void
profiles_start(bool (*is_online)(void *arg, const struct pl_oid *user), void *arg)
{
	is_online_now = is_online;
	is_online_arg = arg;
}

struct profile {
	struct pl_store_read_call call;
	struct pl_request *rq;
	struct pl_oid id;
	struct pl_user user;
};

static enum pl_err
profile_run(struct pl_store_read_call *call, struct pl_store *s)
{
	struct profile *p = PL_CONTAINER(call, struct profile, call);

	return pl_store_user_by_id(s, &p->id, &p->user);
}

static void
reply_profile(struct pl_request *rq, const struct pl_user *user)
{
	struct pl_json_out o;
	struct pl_buf body;

	pl_buf_init(&body, PL_BUF_UNLIMITED); /* the model bounds a user */
	pl_jo_init(&o, &body);
	pl_jo_object(&o);
	pl_user_write_fields(&o, user, PL_USER_WITH_NOTE);
	pl_jo_key(&o, "online");
	pl_jo_bool(&o, is_online_now(is_online_arg, &user->id));
	pl_jo_end_object(&o);
	pl_reply_json(rq, 200, pl_buf_str(&body));
	pl_buf_fini(&body);
}

static void
profile_done(struct pl_store_read_call *call)
{
	struct profile *p = PL_CONTAINER(call, struct profile, call);

	if (call->err == PL_OK)
		reply_profile(p->rq, &p->user);
	else if (call->err == PL_E_NOT_FOUND)
		pl_reply_problem(p->rq, PL_PROBLEM_NO_USER);
	else
		pl_reply_err(p->rq, call->err);
	pl_user_fini(&p->user);
	pl_mem_free(p);
}

void
presence_profile_get(struct pl_request *rq)
{
	struct profile *p;
	struct pl_oid id;

	if (!pl_request_oid(rq, &id))
		return;
	p = pl_mem_zalloc(sizeof(*p));
	p->rq = rq;
	p->id = id;
	p->call.run = profile_run;
	p->call.done = profile_done;
	pl_store_async_read_or_done(pl_app.store, &p->call);
}
