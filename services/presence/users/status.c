/* GET /api/users/:id and POST /api/users/status/:id. */
#include "presence/users/users.h"

#include "base/mem.h"
#include "bus/events.h"
#include "http/reply.h"
#include "http/service.h"
#include "limits/bucket.h"

#define CHANGES_BURST     10
#define CHANGES_USERS_MAX 100000

/* Each change reaches everybody's sockets. */
static struct pl_bucket_table *changes;

/* ---- GET ----------------------------------------------------------------------------- */

struct lookup {
	struct pl_store_read_call call;
	struct pl_request *rq;
	struct pl_oid id;
	enum pl_status status;
};

static enum pl_err
lookup_run(struct pl_store_read_call *call, struct pl_store *s)
{
	struct lookup *l = PL_CONTAINER(call, struct lookup, call);
	struct pl_user user;
	enum pl_err err = pl_store_user_by_id(s, &l->id, &user);

	if (err != PL_OK)
		return err;
	l->status = user.status;
	pl_user_fini(&user);
	return PL_OK;
}

static void
reply_status(struct pl_request *rq, enum pl_status status)
{
	struct pl_json_out o;
	struct pl_buf body;

	pl_buf_init(&body, PL_BUF_UNLIMITED);
	pl_jo_init(&o, &body);
	pl_jo_object(&o);
	pl_jo_key(&o, PL_USER_F_STATUS);
	pl_jo_cstr(&o, pl_status_name(status));
	pl_jo_end_object(&o);
	pl_reply_json(rq, 200, pl_buf_str(&body));
	pl_buf_fini(&body);
}

static void
lookup_done(struct pl_store_read_call *call)
{
	struct lookup *l = PL_CONTAINER(call, struct lookup, call);

	if (call->err == PL_OK)
		reply_status(l->rq, l->status);
	else if (call->err == PL_E_NOT_FOUND)
		pl_reply_problem(l->rq, PL_PROBLEM_NO_USER);
	else
		pl_reply_err(l->rq, call->err);
	pl_mem_free(l);
}

void
presence_user_get(struct pl_request *rq)
{
	struct lookup *l;
	struct pl_oid id;

	if (!pl_request_oid(rq, &id))
		return;
	l = pl_mem_zalloc(sizeof(*l));
	l->rq = rq;
	l->id = id;
	l->call.run = lookup_run;
	l->call.done = lookup_done;
	pl_store_async_read_or_done(pl_app.store, &l->call);
}

/* ---- POST ---------------------------------------------------------------------------- */

struct change {
	struct pl_store_write_call call;
	struct pl_request *rq; /* holds the body that the note is borrowed from */
};

static void
tell_all(const struct pl_oid *user, enum pl_status status, struct pl_str note)
{
	struct pl_buf buf;

	pl_buf_init(&buf, PL_BUF_UNLIMITED);
	pl_event_status_changed(&buf, user, status, note);
	pl_bus_publish(pl_app.bus, PL_STR(PL_CHANNEL_ALL), pl_buf_str(&buf), NULL);
	pl_buf_fini(&buf);
}

static void
change_done(struct pl_store_write_call *call)
{
	struct change *c = PL_CONTAINER(call, struct change, call);
	struct pl_write *w = &call->write;

	if (w->err == PL_OK) {
		tell_all(&w->u.status.user, w->u.status.status, w->u.status.note);
		pl_reply_json(c->rq, 200,
		    PL_STR("{\"success\":true,\"message\":\"User status updated "
			   "successfully.\"}"));
	} else if (w->err == PL_E_NOT_FOUND) {
		pl_reply_problem(c->rq, PL_PROBLEM_NO_USER);
	} else {
		pl_reply_err(c->rq, w->err);
	}
	pl_mem_free(c);
}

/* False: answered with 429. */
static bool
may_change(struct pl_request *rq)
{
	int64_t wait_ms = pl_bucket_table_take(
	    changes, pl_oid_str(&rq->claims.user), pl_loop_now_ms(pl_app.loop));

	if (wait_ms > 0)
		pl_reply_retry(rq, PL_PROBLEM_TOO_MANY, wait_ms);
	return wait_ms == 0;
}

void
presence_user_status_post(struct pl_request *rq)
{
	struct pl_status_change wanted;
	struct pl_invalid why;
	const struct pl_json *body;
	struct change *c;
	struct pl_oid id;

	if (!pl_request_oid(rq, &id))
		return;
	if (!pl_oid_eq(&id, &rq->claims.user)) {
		pl_reply_problem(rq, PL_PROBLEM_NOT_YOURS);
		return;
	}
	if (!(body = pl_request_json(rq)))
		return;
	if (pl_status_change_parse(body, &wanted, &why) != PL_OK) {
		pl_reply_invalid(rq, &why);
		return;
	}
	if (!may_change(rq))
		return;
	c = pl_mem_zalloc(sizeof(*c));
	c->rq = rq;
	c->call.done = change_done;
	c->call.write.kind = PL_WRITE_STATUS;
	c->call.write.u.status.user = id;
	c->call.write.u.status.status = wanted.status;
	c->call.write.u.status.note = wanted.note;
	pl_store_async_write_or_done(pl_app.store, &c->call);
}

/* ---- life ---------------------------------------------------------------------------- */

void
users_start(void)
{
	changes = pl_bucket_table_new(
	    pl_bucket_rule(pl_settings.limit_status_per_second, 1000, CHANGES_BURST),
	    CHANGES_USERS_MAX);
}

void
users_stop(void)
{
	pl_bucket_table_free(changes);
	changes = NULL;
}
