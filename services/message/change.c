#include "change.h"

#include "base/clock.h"
#include "base/mem.h"
#include "send.h"
#include "http/reply.h"
#include "http/service.h"

struct changing {
	struct pl_store_write_call call;
	struct pl_request *rq;
	struct pl_buf json; /* of the message, once it is stored */
};

static void
changing_free(struct changing *c)
{
	pl_message_fini(&c->call.write.u.change.message);
	pl_buf_fini(&c->json);
	pl_mem_free(c);
}

/* ---- after the commit ---------------------------------------------------------------- */

/* What the bus did not take presence reads from the store. */
static void
on_published(void *arg, enum pl_err err)
{
	struct changing *c = arg;

	(void)err;
	pl_reply_json(c->rq, 200, pl_buf_str(&c->json));
	changing_free(c);
}

static void
on_stored(struct changing *c)
{
	const struct pl_message *m = &c->call.write.u.change.message;
	struct pl_json_out o;

	pl_jo_init(&o, &c->json);
	pl_message_write(&o, m);
	if (!c->call.write.u.change.changed) {
		on_published(c, PL_OK);
		return;
	}
	pl_log_traced(pl_request_trace(c->rq), "message was changed",
	    PL_L_STR("req", pl_request_id(c->rq)), PL_L_OID("message", &m->id),
	    PL_L_CSTR("how", m->deleted_unix_ms != 0 ? "deleted" : "edited"));
	pl_publish_change(message_publisher(), m, pl_buf_str(&c->json),
	    pl_request_trace(c->rq), pl_request_header(c->rq, "x-socket-id"),
	    on_published, c);
}

static enum pl_problem
problem_of(const struct pl_write *w)
{
	static const enum pl_problem refused[] = {
	    [PL_CHANGE_OF_ANOTHER] = PL_PROBLEM_NOT_YOUR_MESSAGE,
	    [PL_CHANGE_OF_REPLY] = PL_PROBLEM_AUTO_REPLY,
	    [PL_CHANGE_OF_DELETED] = PL_PROBLEM_DELETED,
	    [PL_CHANGE_TOO_LATE] = PL_PROBLEM_TOO_LATE,
	    [PL_CHANGE_BLOCKED] = PL_PROBLEM_BLOCKED,
	};

	return w->err == PL_E_CONFLICT ? refused[w->u.change.refusal]
				       : PL_PROBLEM_NO_MESSAGE;
}

/* MongoDB may have stored it although its answer was lost: presence looks. */
static void
note_unsure(enum pl_err err)
{
	struct pl_gap *gap = message_publisher()->gap;

	if (err == PL_E_UNAVAILABLE && pl_settings.mongo_uri && gap != NULL)
		pl_gap_note(gap, pl_clock_unix_ms() - PL_SEND_UNSURE_MS);
}

static void
on_written(struct pl_store_write_call *call)
{
	struct changing *c = PL_CONTAINER(call, struct changing, call);
	enum pl_err err = call->write.err;

	if (err == PL_OK) {
		on_stored(c);
		return;
	}
	note_unsure(err);
	if (err == PL_E_CONFLICT || err == PL_E_NOT_FOUND)
		pl_reply_problem(c->rq, problem_of(&call->write));
	else
		pl_reply_err(c->rq, err);
	changing_free(c);
}

/* ---- the request --------------------------------------------------------------------- */

/* False: answered. */
static bool
may_write(struct pl_request *rq, size_t bytes)
{
	struct pl_send_outcome refused;

	if (pl_send_may_write(message_sending(), &rq->claims.user, bytes, &refused))
		return true;
	if (refused.wait_ms > 0)
		pl_reply_retry(rq, refused.problem, refused.wait_ms);
	else
		pl_reply_problem(rq, refused.problem);
	return false;
}

/* text: of an edit; it lives as long as rq. */
static void
start(struct pl_request *rq, enum pl_write_kind kind, const struct pl_oid *id,
    struct pl_str text)
{
	struct changing *c;

	if (!may_write(rq, text.len))
		return;
	c = pl_mem_zalloc(sizeof(*c));
	c->rq = rq;
	pl_buf_init(&c->json, PL_BUF_UNLIMITED);
	c->call.done = on_written;
	c->call.write.kind = kind;
	c->call.write.u.change = (struct pl_write_change){.by = rq->claims.user,
	    .message_id = *id,
	    .text = text,
	    .edit_within_ms = pl_settings.message_edit_s * 1000};
	pl_store_async_write_or_done(pl_app.store, &c->call);
}

void
message_change_patch(struct pl_request *rq)
{
	const struct pl_json *body;
	struct pl_invalid why;
	struct pl_str text;
	struct pl_oid id;

	if (!pl_request_oid(rq, &id) || !(body = pl_request_json(rq)))
		return;
	if (pl_message_parse(body, (size_t)pl_settings.message_bytes_max, &text, &why) ==
	    PL_OK)
		start(rq, PL_WRITE_EDIT, &id, text);
	else
		pl_reply_invalid(rq, &why);
}

void
message_change_delete(struct pl_request *rq)
{
	struct pl_oid id;

	if (pl_request_oid(rq, &id) && pl_request_is_no_form(rq))
		start(rq, PL_WRITE_DELETE, &id, PL_STR_NONE);
}
