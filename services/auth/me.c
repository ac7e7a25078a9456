/* Who the caller is: GET /api/auth/me, GET /api/auth/settings, and a PATCH that changes
 * nothing. */
#include "base/mem.h"
#include "handlers.h"
#include "http/reply.h"
#include "http/service.h"

struct me {
	struct pl_request *rq;
	struct pl_store_read_call call;
	struct pl_user user;
	void (*reply)(struct pl_request *rq, const struct pl_user *user);
};

static enum pl_err
me_run(struct pl_store_read_call *call, struct pl_store *s)
{
	struct me *m = PL_CONTAINER(call, struct me, call);

	return pl_store_user_by_id(s, &m->rq->claims.user, &m->user);
}

/* Others see the note in the profile. */
static void
reply_with_note(struct pl_request *rq, const struct pl_user *user)
{
	struct pl_json_out o;
	struct pl_buf body;

	pl_buf_init(&body, PL_BUF_UNLIMITED); /* the model bounds a user */
	pl_jo_init(&o, &body);
	pl_user_write(&o, user, PL_USER_WITH_NOTE);
	pl_reply_json(rq, 200, pl_buf_str(&body));
	pl_buf_fini(&body);
}

static void
me_done(struct pl_store_read_call *call)
{
	struct me *m = PL_CONTAINER(call, struct me, call);

	if (call->err == PL_OK)
		m->reply(m->rq, &m->user);
	else if (call->err == PL_E_NOT_FOUND)
		pl_reply_problem(m->rq, PL_PROBLEM_BAD_TOKEN);
	else
		pl_reply_err(m->rq, call->err);
	pl_user_fini(&m->user);
	pl_mem_free(m);
}

/* {"gender","messageEditSeconds"}: what a page has to know, and no other answer says. */
static void
reply_settings(struct pl_request *rq, const struct pl_user *user)
{
	struct pl_json_out o;
	struct pl_buf body;

	pl_buf_init(&body, PL_BUF_UNLIMITED);
	pl_jo_init(&o, &body);
	pl_jo_object(&o);
	pl_jo_key(&o, PL_USER_F_GENDER);
	pl_jo_str(&o, pl_str(pl_gender_name(user->gender)));
	pl_jo_key(&o, "messageEditSeconds");
	pl_jo_int(&o, pl_settings.message_edit_s);
	pl_jo_end_object(&o);
	pl_reply_json(rq, 200, pl_buf_str(&body));
	pl_buf_fini(&body);
}

static void
reply_without_note(struct pl_request *rq, const struct pl_user *user)
{
	auth_reply_user(rq, 200, user);
}

static void
start(struct pl_request *rq,
    void (*reply)(struct pl_request *rq, const struct pl_user *user))
{
	struct me *m = pl_mem_zalloc(sizeof(*m));

	m->rq = rq;
	m->reply = reply;
	m->call.run = me_run;
	m->call.done = me_done;
	pl_store_async_read_now_or_done(pl_app.store, &m->call);
}

void
auth_me_get(struct pl_request *rq)
{
	start(rq, reply_with_note);
}

void
auth_settings_get(struct pl_request *rq)
{
	start(rq, reply_settings);
}

void
auth_reply_unchanged(struct pl_request *rq)
{
	start(rq, reply_without_note);
}
