#include "session/sessions_impl.h"

#include "base/clock.h"
#include "base/mem.h"
#include "ops/settings.h"

/* A call that tells the store of a session's use. It outlives its pl_sessions. */
struct telling {
	struct pl_list link; /* in pl_sessions */
	struct pl_store_write_call call;
	struct pl_sessions *ss; /* NULL: gone */
};

static void
telling_done(struct pl_store_write_call *call)
{
	struct telling *t = PL_CONTAINER(call, struct telling, call);
	const struct pl_write *w = &call->write;

	if (t->ss != NULL) {
		pl_list_unlink(&t->link);
		if (w->err != PL_OK && w->err != PL_E_NOT_FOUND)
			pl_last_use_untold(&t->ss->last_use, w->u.seen.token_id);
	}
	pl_mem_free(t);
}

void
pl_sessions_used(struct pl_sessions *ss, const struct pl_jwt_claims *claims)
{
	int64_t now_s = pl_clock_unix_ms() / 1000;
	struct telling *t;
	struct pl_write_seen *seen;

	if (!pl_last_use_note(&ss->last_use, claims, now_s, pl_loop_now_ms(ss->loop)))
		return;
	t = pl_mem_zalloc(sizeof(*t));
	t->ss = ss;
	t->call.done = telling_done;
	t->call.write.kind = PL_WRITE_SEEN;
	seen = &t->call.write.u.seen;
	seen->user = claims->user;
	memcpy(seen->token_id, claims->token_id, PL_JWT_ID_LEN);
	seen->seen_unix_s = now_s;
	seen->step_s = pl_last_use_step_s(ss->last_use.limit_s);
	pl_list_push(&ss->tellings, &t->link);
	pl_store_async_write_or_done(ss->store, &t->call);
}

enum pl_last_use_verdict
pl_sessions_judge_use(const struct pl_sessions *ss, const struct pl_jwt_claims *claims)
{
	return pl_last_use_judge(
	    &ss->last_use, claims, pl_clock_unix_ms() / 1000, pl_loop_now_ms(ss->loop));
}

int64_t
pl_sessions_use_step_ms(const struct pl_sessions *ss)
{
	int64_t limit_s = ss->last_use.limit_s;

	return limit_s > 0 ? pl_last_use_step_s(limit_s) * 1000 : 0;
}

int64_t
pl_sessions_end_unix_s(const struct pl_sessions *ss, const struct pl_jwt_claims *claims)
{
	int64_t idle_unix_s = pl_last_use_end_unix_s(&ss->last_use, claims);

	return idle_unix_s < claims->expires_unix_s ? idle_unix_s
						    : claims->expires_unix_s;
}

void
pl_sessions_uses_init(struct pl_sessions *ss)
{
	pl_last_use_init(&ss->last_use, pl_settings.session_idle_s);
	pl_list_init(&ss->tellings);
}

/* What is under way goes on without it. */
void
pl_sessions_uses_fini(struct pl_sessions *ss)
{
	struct pl_list *link;

	pl_last_use_fini(&ss->last_use);
	while ((link = pl_list_pop(&ss->tellings)) != NULL)
		PL_CONTAINER(link, struct telling, link)->ss = NULL;
}
