/*
 * PUT /api/auth/avatar: a picture of one's own, made anew from the bytes of the body:
 * what its Content-Type says does not matter.
 * DELETE /api/auth/avatar: the given one again.
 */
#include "account.h"
#include "base/log.h"
#include "base/mem.h"
#include "handlers.h"
#include "avatar/painter.h"
#include "http/reply.h"
#include "http/service.h"

struct own {
	struct pl_request *rq; /* holds the bytes of the file */
	struct pl_limit_ask ask;
	struct auth_painting painting;
	struct pl_avatar avatar; /* borrows the bytes of painting.made */
	struct pl_store_write_call call;
};

static void
own_free(struct own *o)
{
	pl_buf_fini(&o->painting.made);
	pl_mem_free(o);
}

static void
on_written(struct pl_store_write_call *call)
{
	struct own *o = PL_CONTAINER(call, struct own, call);
	struct pl_write_avatar *w = &call->write.u.avatar;

	if (call->write.err == PL_OK) {
		pl_log_info("user changed their picture", PL_L_REQUEST(o->rq),
		    PL_L_OID("user", &w->user),
		    PL_L_INT("bytes", (int64_t)o->avatar.len));
		account_reply_updated(o->rq, &w->after);
		pl_user_fini(&w->after);
	} else {
		account_reply_err(o->rq, call->write.err);
	}
	own_free(o);
}

static void
write_picture(struct own *o, const struct pl_avatar *avatar)
{
	struct pl_write *w = &o->call.write;

	w->kind = PL_WRITE_AVATAR;
	w->u.avatar.user = o->rq->claims.user;
	w->u.avatar.avatar = avatar;
	o->call.done = on_written;
	pl_store_async_write_or_done(pl_app.store, &o->call);
}

/* ---- PUT ---- */

static void
refuse(struct own *o, enum pl_err err)
{
	if (err == PL_E_INVALID)
		pl_reply_problem(o->rq, PL_PROBLEM_BAD_IMAGE);
	else if (err == PL_E_TOO_BIG)
		pl_reply_problem(o->rq, PL_PROBLEM_IMAGE_SIDES);
	else
		pl_reply_err(o->rq, err);
	own_free(o);
}

static void
on_painted(struct auth_painting *painting, enum pl_err err)
{
	struct own *o = PL_CONTAINER(painting, struct own, painting);

	if (err != PL_OK) {
		refuse(o, err);
		return;
	}
	o->avatar = (struct pl_avatar){.user = o->rq->claims.user,
	    .type = painting->type,
	    .bytes = painting->made.data,
	    .len = painting->made.len};
	write_picture(o, &o->avatar);
}

static void
on_put_limit(void *arg, int64_t wait_ms)
{
	struct own *o = arg;
	enum pl_err err;

	if (wait_ms > 0) {
		pl_reply_retry(o->rq, PL_PROBLEM_TOO_MANY, wait_ms);
		own_free(o);
		return;
	}
	o->painting.user = o->rq->claims.user;
	o->painting.file = o->rq->body;
	o->painting.done = on_painted;
	err = auth_painter_submit(&o->painting);
	if (err != PL_OK)
		refuse(o, err);
}

static struct own *
own_new(struct pl_request *rq, void (*on_limit)(void *arg, int64_t wait_ms))
{
	struct own *o = pl_mem_zalloc(sizeof(*o));

	o->rq = rq;
	o->ask.on_answer = on_limit;
	o->ask.arg = o;
	return o;
}

void
auth_avatar_put(struct pl_request *rq)
{
	if (rq->body.len > (size_t)pl_settings.avatar_bytes_max)
		pl_reply_problem(rq, PL_PROBLEM_TOO_BIG);
	else if (rq->body.len == 0)
		pl_reply_problem(rq, PL_PROBLEM_BAD_IMAGE);
	else
		account_take(ACCOUNT_AVATARS, rq, &own_new(rq, on_put_limit)->ask);
}

/* ---- DELETE ---- */

static void
on_delete_limit(void *arg, int64_t wait_ms)
{
	struct own *o = arg;

	if (wait_ms > 0) {
		pl_reply_retry(o->rq, PL_PROBLEM_TOO_MANY, wait_ms);
		own_free(o);
		return;
	}
	write_picture(o, NULL);
}

void
auth_avatar_delete(struct pl_request *rq)
{
	account_take(ACCOUNT_PROFILE, rq, &own_new(rq, on_delete_limit)->ask);
}
