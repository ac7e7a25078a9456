#include "presence/gone.h"

#include "base/log.h"
#include "base/mem.h"
#include "session/sessions.h"

/* One read. */
struct look {
	struct pl_store_read_call call;
	struct gone *gone;
	size_t count;
	struct pl_oid users[PL_STORE_IDS_MAX];
	bool exist[PL_STORE_IDS_MAX];
};

/* As a log-out: it ends the user's sockets, and what counts as online without one. */
static void
log_out(struct gone *g, const struct pl_oid *user)
{
	pl_sessions_user_is_gone(g->app->sessions, user);
	typing_end_all(g->typing, user);
	hub_end_user(g->hub, user);
	pl_online_logged_out(g->app->online, user);
}

/* Users who are disabled are gone, too, if whoever did it could not say so. */
static enum pl_err
run(struct pl_store_read_call *call, struct pl_store *s)
{
	struct look *look = PL_CONTAINER(call, struct look, call);
	struct pl_user_state_list found;
	enum pl_err err = pl_store_user_states(s, look->users, look->count, &found);

	if (err != PL_OK)
		return err;
	for (size_t i = 0, k = 0; i < look->count && k < found.count; i++) {
		if (!pl_oid_eq(&look->users[i], &found.items[k].id))
			continue;
		look->exist[i] = !found.items[k++].is_disabled;
	}
	pl_user_state_list_fini(&found);
	return PL_OK;
}

static void
done(struct pl_store_read_call *call)
{
	struct look *look = PL_CONTAINER(call, struct look, call);
	size_t count = 0;

	look->gone->is_looking = false;
	for (size_t i = 0; call->err == PL_OK && i < look->count; i++) {
		if (look->exist[i])
			continue;
		log_out(look->gone, &look->users[i]);
		count++;
	}
	if (count > 0)
		pl_log_info(
		    "users were deleted or disabled without a word, logged them out",
		    PL_L_INT("users", count));
	pl_mem_free(look);
}

static void
look_for(struct gone *g, size_t count)
{
	struct look *look = pl_mem_zalloc(sizeof(*look));

	look->gone = g;
	look->call = (struct pl_store_read_call){.run = run, .done = done};
	look->count = hub_take_turns(g->hub, look->users, count);
	/* If the queue is full they have their turn again in the next round. */
	g->is_looking = pl_store_async_read(g->app->store, &look->call) == PL_OK;
	if (!g->is_looking)
		pl_mem_free(look);
}

/* A round of all users is as many reads as they need, of about the same size. */
static void
on_next(struct pl_timer *t)
{
	struct gone *g = t->arg;
	size_t users = hub_user_count(g->hub);
	size_t reads = (users + PL_STORE_IDS_MAX - 1) / PL_STORE_IDS_MAX;

	if (reads == 0)
		reads = 1;
	if (users > 0 && !g->is_looking)
		look_for(g, (users + reads - 1) / reads);
	pl_timer_start(g->app->loop, t, pl_settings.user_check_ms / (int64_t)reads);
}

void
gone_start(struct gone *g)
{
	g->next.on_fire = on_next;
	g->next.arg = g;
	pl_timer_start(g->app->loop, &g->next, pl_settings.user_check_ms);
}

void
gone_stop(struct gone *g)
{
	pl_timer_stop(g->app->loop, &g->next);
}
