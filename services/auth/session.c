#include "base/clock.h"
#include "base/mem.h"
#include "cookie.h"
#include "handlers.h"
#include "web/reply.h"
#include "web/service.h"

void
auth_reply_user(struct pl_request *rq, int status, const struct pl_user *user)
{
	struct pl_json_out o;
	struct pl_buf body;

	pl_buf_init(&body, PL_BUF_UNLIMITED); /* the model bounds a user */
	pl_jo_init(&o, &body);
	pl_user_write(&o, user, false);
	pl_reply_json(rq, status, pl_buf_str(&body));
	pl_buf_fini(&body);
}

void
auth_reply_session(struct pl_request *rq, int status, const struct pl_user *user)
{
	struct pl_jwt_claims claims;
	struct pl_buf token;

	pl_buf_init(&token, PL_JWT_BYTES_MAX);
	if (pl_jwt_sign(&user->id, pl_clock_unix_ms() / 1000, &token, &claims) == PL_OK) {
		pl_online_seen(pl_app.online, &user->id);
		auth_cookie_set(rq, pl_buf_str(&token));
		auth_reply_user(rq, status, user);
	} else {
		pl_reply_problem(rq, PL_PROBLEM_INTERNAL);
	}
	pl_mem_wipe_free(token.data, token.cap);
}
