/*
 * GET /api/auth/sessions: where the caller is logged in, the latest first.
 *
 *   [{"_id":"<32 hex digits>","createdAt","expiresAt","current":true}]
 *
 * DELETE /api/auth/sessions/:id: ends one of these, as its own log-out would. If it is
 * the caller's own the cookie is cleared, too.
 *
 * A session that no list has, because its token is an older version's or the MERN app's,
 * is shown to itself alone.
 */
#include "base/clock.h"
#include "base/hex.h"
#include "base/log.h"
#include "base/mem.h"
#include "cookie.h"
#include "handlers.h"
#include "http/reply.h"
#include "http/service.h"
#include "session/sessions.h"

#define ID_HEX        (2 * PL_JWT_ID_LEN)
#define LATEST_UNIX_S INT64_C(253402300799) /* the end of the year 9999 */

struct sessions {
	struct pl_request *rq;
	struct pl_store_read_call read;
	struct pl_store_write_call write;
	struct pl_session_list list;
};

/* Is it the caller's own? */
static bool
is_current(const struct sessions *s, const uint8_t token_id[PL_JWT_ID_LEN])
{
	return memcmp(token_id, s->rq->claims.token_id, PL_JWT_ID_LEN) == 0;
}

static enum pl_err
read_run(struct pl_store_read_call *call, struct pl_store *store)
{
	struct sessions *s = PL_CONTAINER(call, struct sessions, read);

	return pl_store_sessions_of(store, &s->rq->claims.user, &s->list);
}

static void
start(struct pl_request *rq, void (*done)(struct pl_store_read_call *call))
{
	struct sessions *s = pl_mem_zalloc(sizeof(*s));

	s->rq = rq;
	s->read.run = read_run;
	s->read.done = done;
	pl_store_async_read_or_done(pl_app.store, &s->read);
}

/* ---- GET ---- */

/* Another program that has the secret may have given its token any. */
static void
write_time(struct pl_json_out *o, int64_t unix_s)
{
	if (unix_s < 0)
		unix_s = 0;
	pl_jo_time(o, (unix_s < LATEST_UNIX_S ? unix_s : LATEST_UNIX_S) * 1000);
}

static void
write_session(struct pl_json_out *o, const struct sessions *s,
    const uint8_t token_id[PL_JWT_ID_LEN], int64_t issued_unix_s, int64_t expires_unix_s)
{
	char id[ID_HEX + 1];

	pl_hex_encode(token_id, PL_JWT_ID_LEN, id);
	pl_jo_object(o);
	pl_jo_key(o, PL_USER_F_ID);
	pl_jo_str(o, pl_str_n(id, ID_HEX));
	pl_jo_key(o, PL_USER_F_CREATED_AT);
	write_time(o, issued_unix_s);
	pl_jo_key(o, "expiresAt");
	write_time(o, expires_unix_s);
	pl_jo_key(o, "current");
	pl_jo_bool(o, is_current(s, token_id));
	pl_jo_end_object(o);
}

static void
write_all(struct pl_json_out *o, const struct sessions *s)
{
	const struct pl_jwt_claims *own = &s->rq->claims;
	bool is_listed = false;

	for (size_t i = 0; i < s->list.count; i++)
		is_listed = is_listed || is_current(s, s->list.items[i].token_id);
	pl_jo_array(o);
	if (!is_listed)
		write_session(
		    o, s, own->token_id, own->issued_unix_s, own->expires_unix_s);
	for (size_t i = s->list.count; i-- > 0;)
		write_session(o, s, s->list.items[i].token_id,
		    s->list.items[i].issued_unix_s, s->list.items[i].expires_unix_s);
	pl_jo_end_array(o);
}

/* They are refused, though the list has them until they expire. */
static void
drop_idle(struct sessions *s)
{
	int64_t limit_s = pl_settings.session_idle_s;

	if (limit_s > 0)
		pl_session_list_drop_unused(&s->list, pl_clock_unix_ms() / 1000 - limit_s,
		    s->rq->claims.token_id);
}

static void
on_read(struct pl_store_read_call *call)
{
	struct sessions *s = PL_CONTAINER(call, struct sessions, read);
	struct pl_json_out o;
	struct pl_buf body;

	if (call->err != PL_OK) {
		pl_reply_err(s->rq, call->err);
	} else {
		drop_idle(s);
		pl_buf_init(&body, PL_BUF_UNLIMITED); /* the list is bounded */
		pl_jo_init(&o, &body);
		write_all(&o, s);
		pl_reply_json(s->rq, 200, pl_buf_str(&body));
		pl_buf_fini(&body);
	}
	pl_mem_free(s);
}

void
auth_sessions_get(struct pl_request *rq)
{
	start(rq, on_read);
}

/* ---- DELETE ---- */

static void
on_revoked(struct pl_store_write_call *call)
{
	struct sessions *s = PL_CONTAINER(call, struct sessions, write);
	const struct pl_revocation *r = &call->write.u.revoke;

	if (call->write.err != PL_OK) {
		pl_reply_err(s->rq, call->write.err);
		pl_mem_free(s);
		return;
	}
	pl_sessions_revoked(pl_app.sessions, r);
	pl_log_info("session was ended", PL_L_REQUEST(s->rq), PL_L_OID("user", &r->user));
	if (is_current(s, r->token_id)) {
		pl_online_logged_out(pl_app.online, &r->user);
		auth_cookie_clear(s->rq);
	}
	pl_reply_json(s->rq, 200, PL_STR("{\"success\":true}"));
	pl_mem_free(s);
}

/* By its id, into *r. False: the caller has no such session. */
static bool
find(const struct sessions *s, struct pl_revocation *r)
{
	uint8_t id[PL_JWT_ID_LEN];

	if (!pl_hex_decode(s->rq->param, id, sizeof(id)))
		return false;
	for (size_t i = 0; i < s->list.count; i++) {
		if (memcmp(s->list.items[i].token_id, id, sizeof(id)) == 0) {
			pl_session_list_revocation(&s->list, &s->list.items[i], r);
			return true;
		}
	}
	if (is_current(s, id))
		pl_revocation_of_token(r, &s->rq->claims);
	return is_current(s, id);
}

static void
on_found(struct pl_store_read_call *call)
{
	struct sessions *s = PL_CONTAINER(call, struct sessions, read);
	enum pl_err err = call->err;

	if (err == PL_OK && !find(s, &s->write.write.u.revoke)) {
		pl_reply_problem(s->rq, PL_PROBLEM_NO_SESSION);
		pl_mem_free(s);
		return;
	}
	if (err == PL_OK) {
		s->write.write.kind = PL_WRITE_REVOKE;
		s->write.done = on_revoked;
		err = pl_store_async_write(pl_app.store, &s->write);
	}
	if (err != PL_OK) {
		pl_reply_err(s->rq, err);
		pl_mem_free(s);
	}
}

void
auth_session_delete(struct pl_request *rq)
{
	start(rq, on_found);
}
