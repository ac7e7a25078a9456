#include "presence/gone.h"

#include "base/log.h"
#include "base/mem.h"
#include "presence/hub.h"
#include "presence/typing.h"
#include "http/service.h"
#include "session/sessions.h"

/* One read. */
struct look {
	struct pl_store_read_call call;
	size_t count;
	struct pl_oid users[PL_STORE_IDS_MAX];
	bool exist[PL_STORE_IDS_MAX];
};

static struct {
	struct pl_timer next;
	bool is_looking;
} gone;

/* As a log-out, which would have ended his sockets, and what counts him as online without. */
static void
log_out(const struct pl_oid *user)
{
	pl_sessions_user_is_gone(pl_app.sessions, user);
	typing_end_all(user);
	hub_end_user(user);
	pl_online_logged_out(pl_app.online, user);
}

static enum pl_err
run(struct pl_store_read_call *call, struct pl_store *s)
{
	struct look *look = PL_CONTAINER(call, struct look, call);

	return pl_store_users_exist(s, look->users, look->count, look->exist);
}

static void
done(struct pl_store_read_call *call)
{
	struct look *look = PL_CONTAINER(call, struct look, call);
	size_t count = 0;

	gone.is_looking = false;
	for (size_t i = 0; call->err == PL_OK && i < look->count; i++) {
		if (look->exist[i])
			continue;
		log_out(&look->users[i]);
		count++;
	}
	if (count > 0)
		pl_log_info("users were deleted by another program, logged them out",
		    PL_L_INT("users", count));
	pl_mem_free(look);
}

static void
look_for(size_t count)
{
	struct look *look = pl_mem_zalloc(sizeof(*look));

	look->call = (struct pl_store_read_call){.run = run, .done = done};
	look->count = hub_take_turns(look->users, count);
	/* Where the queue is full they have their turn again in the next round. */
	gone.is_looking = pl_store_async_read(pl_app.store, &look->call) == PL_OK;
	if (!gone.is_looking)
		pl_mem_free(look);
}

/* A round of all users is as many reads as they need, of about the same size. */
static void
on_next(struct pl_timer *t)
{
	size_t users = hub_user_count();
	size_t reads = (users + PL_STORE_IDS_MAX - 1) / PL_STORE_IDS_MAX;

	if (reads == 0)
		reads = 1;
	if (users > 0 && !gone.is_looking)
		look_for((users + reads - 1) / reads);
	pl_timer_start(pl_app.loop, t, pl_settings.user_check_ms / (int64_t)reads);
}

void
gone_start(void)
{
	gone.next.on_fire = on_next;
	pl_timer_start(pl_app.loop, &gone.next, pl_settings.user_check_ms);
}

void
gone_stop(void)
{
	pl_timer_stop(pl_app.loop, &gone.next);
}
