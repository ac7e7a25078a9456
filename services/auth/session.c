#include "base/clock.h"
#include "base/mem.h"
#include "cookie.h"
#include "handlers.h"
#include "http/reply.h"
#include "http/service.h"
#include "session/sessions.h"

static void
write_user(struct pl_buf *body, const struct pl_user *user)
{
	struct pl_json_out o;

	pl_buf_init(body, PL_BUF_UNLIMITED); /* the model bounds a user */
	pl_jo_init(&o, body);
	pl_user_write(&o, user, false);
}

void
auth_reply_user(struct pl_request *rq, int status, const struct pl_user *user)
{
	struct pl_buf body;

	write_user(&body, user);
	pl_reply_json(rq, status, pl_buf_str(&body));
	pl_buf_fini(&body);
}

/* An answer that waits until its user counts as online everywhere. */
struct arrival {
	struct pl_request *rq;
	int status;
	struct pl_buf body;
};

static void
on_known(void *arg)
{
	struct arrival *a = arg;

	pl_reply_json(a->rq, a->status, pl_buf_str(&a->body));
	pl_buf_fini(&a->body);
	pl_mem_free(a);
}

/* Now, or the next second, so that a login right after a logout everywhere is not refused
 * by it. */
static int64_t
issue_time(const struct pl_oid *user)
{
	int64_t now = pl_clock_unix_ms() / 1000;
	int64_t valid_after = pl_sessions_valid_after(pl_app.sessions, user);

	return valid_after > now ? valid_after : now;
}

void
auth_reply_session(struct pl_request *rq, int status, const struct pl_user *user)
{
	struct pl_jwt_claims claims;
	struct pl_buf token;
	struct arrival *a;

	pl_buf_init(&token, PL_JWT_BYTES_MAX);
	if (pl_jwt_sign(&user->id, issue_time(&user->id), &token, &claims) == PL_OK) {
		auth_cookie_set(rq, pl_buf_str(&token));
		a = pl_mem_zalloc(sizeof(*a));
		a->rq = rq;
		a->status = status;
		write_user(&a->body, user);
		pl_online_arrived(pl_app.online, &user->id, on_known, a);
	} else {
		pl_reply_problem(rq, PL_PROBLEM_INTERNAL);
	}
	pl_mem_wipe_free(token.data, token.cap);
}
