#include "presence/hub.h"

#include <assert.h>

#include "base/clock.h"
#include "base/mem.h"
#include "bus/events.h"
#include "session/sessions.h"

/* ---- users ------------------------------------------------------------------------- */

static void
user_free(struct hub_user *user)
{
	struct hub *hub = user->hub;

	pl_timer_stop(hub->app->loop, &user->grace);
	pl_bus_unsubscribe(hub->app->bus, &user->listener);
	hub_end_sent(user);
	pl_map_del(&hub->users, pl_oid_str(&user->id));
	pl_list_unlink(&user->turn);
	hub->events->on_leave(hub->arg, &user->id);
	pl_mem_free(user);
}

static void
on_grace_over(struct pl_timer *t)
{
	user_free(t->arg);
}

static struct hub_user *
user_get(struct hub *hub, const struct pl_oid *id)
{
	struct hub_user *user = hub_find_user(hub, id);
	char channel[PL_CHANNEL_USER_LEN + 1];

	if (user)
		return user;
	user = pl_mem_zalloc(sizeof(*user));
	user->hub = hub;
	user->id = *id;
	pl_list_init(&user->sockets);
	user->grace.on_fire = on_grace_over;
	user->grace.arg = user;
	user->listener.on_message = hub_on_user_event;
	user->listener.on_ready = hub_on_user_ready;
	user->listener.arg = user;
	pl_channel_user(id, channel);
	(void)pl_map_put(&hub->users, pl_oid_str(&user->id), user);
	pl_list_push(&hub->turns, &user->turn);
	pl_bus_subscribe(hub->app->bus, pl_str(channel), &user->listener);
	hub->events->on_join(hub->arg, id);
	return user;
}

/* ---- sockets ----------------------------------------------------------------------- */

static void
end_socket(struct hub_socket *socket)
{
	pl_sio_conn_close(
	    &socket->client->conn, PL_EIO_FORCED_CLOSE, hub_now_ms(socket->user->hub));
	pl_sio_client_touch(socket->client);
}

/* Its token's end, or before that the next time to say that its session is in use. */
static void
start_expiry(struct hub_socket *socket)
{
	const struct pl_app *app = socket->user->hub->app;
	int64_t step_ms = pl_sessions_use_step_ms(app->sessions);
	int64_t end_unix_s = pl_sessions_end_unix_s(app->sessions, &socket->claims);
	int64_t left_ms = end_unix_s * 1000 - pl_clock_unix_ms();

	socket->is_at_end = step_ms == 0 || left_ms <= step_ms;
	if (!socket->is_at_end)
		left_ms = step_ms;
	pl_timer_start(app->loop, &socket->expiry, left_ms > 0 ? left_ms : 0);
}

static void
on_expiry(struct pl_timer *t)
{
	struct hub_socket *socket = t->arg;

	if (socket->is_at_end) {
		end_socket(socket);
		return;
	}
	pl_sessions_used(socket->user->hub->app->sessions, &socket->claims);
	start_expiry(socket);
}

/* For good: after packet 41 a stock client does not come back, so that many open pages do
 * not push each other out for ever. */
static void
put_out(struct hub *hub, struct hub_socket *socket)
{
	pl_sio_conn_disconnect(&socket->client->conn, 0, hub_now_ms(hub));
	end_socket(socket);
	hub_leave(socket, false);
	hub->events->on_put_out(hub->arg, socket);
}

void
hub_join(struct hub *hub, struct hub_socket *socket, const struct pl_jwt_claims *claims)
{
	struct hub_user *user = user_get(hub, &claims->user);

	pl_timer_stop(hub->app->loop, &user->grace);
	socket->user = user;
	socket->has_missed = false;
	socket->claims = *claims;
	pl_list_push(&user->sockets, &socket->link);
	user->socket_count++;
	hub->wanting[socket->wants]++;
	if (socket->wants_sent)
		hub_hear_sent(user);
	socket->expiry.on_fire = on_expiry;
	socket->expiry.arg = socket;
	start_expiry(socket);
	if (user->socket_count > (unsigned)pl_settings.sockets_per_user_max)
		put_out(hub, PL_CONTAINER(user->sockets.next, struct hub_socket, link));
}

bool
hub_is_ready(const struct hub_socket *socket)
{
	const struct hub_user *user = socket->user;

	return !pl_bus_is_up(user->hub->app->bus) ||
	       (user->is_ready && (!socket->wants_sent || hub_hears_sent(user)));
}

void
hub_leave(struct hub_socket *socket, bool with_grace)
{
	struct hub_user *user = socket->user;
	struct hub *hub;

	if (!user)
		return;
	hub = user->hub;
	socket->user = NULL;
	hub->wanting[socket->wants]--;
	if (socket->wants_sent)
		hub_drop_sent(user);
	pl_timer_stop(hub->app->loop, &socket->expiry);
	pl_list_unlink(&socket->link);
	if (--user->socket_count > 0)
		return;
	if (with_grace)
		pl_timer_start(
		    hub->app->loop, &user->grace, pl_settings.presence_grace_ms);
	else
		user_free(user);
}

/* Those of user's sockets whose tokens are refused since r; NULL ends all. */
static void
end_sockets(struct hub *hub, const struct pl_oid *id, const struct pl_revocation *r)
{
	struct hub_user *user = hub_find_user(hub, id);

	if (!user)
		return;
	pl_list_for_each_safe(link, &user->sockets)
	{
		struct hub_socket *socket = PL_CONTAINER(link, struct hub_socket, link);

		if (!r || pl_sessions_refuse(hub->app->sessions, &socket->claims))
			end_socket(socket);
	}
	/* A user in the grace has logged out in the meantime. */
	if (user->socket_count == 0)
		user_free(user);
}

void
hub_end_revoked(struct hub *hub, const struct pl_revocation *r)
{
	end_sockets(hub, &r->user, r);
}

void
hub_end_user(struct hub *hub, const struct pl_oid *user)
{
	end_sockets(hub, user, NULL);
}

size_t
hub_take_turns(struct hub *hub, struct pl_oid *users, size_t count)
{
	if (count > hub->users.count)
		count = hub->users.count;
	for (size_t i = 0; i < count; i++) {
		struct pl_list *turn = pl_list_pop(&hub->turns);

		assert(turn != NULL); /* every user stands in the line */
		users[i] = PL_CONTAINER(turn, struct hub_user, turn)->id;
		pl_list_push(&hub->turns, turn);
	}
	return count;
}

void
hub_start(struct hub *hub)
{
	pl_map_init(&hub->users);
	pl_list_init(&hub->turns);
	hub->all.on_message = hub_on_all_event;
	hub->all.on_ready = hub_on_all_ready;
	hub->all.arg = hub;
	pl_bus_subscribe(hub->app->bus, PL_STR(PL_CHANNEL_ALL), &hub->all);
}

int64_t
hub_grace_left_ms(const struct hub *hub)
{
	int64_t now = hub_now_ms(hub), longest = 0;
	struct hub_user *user;

	for (size_t it = 0; (user = pl_map_next(&hub->users, &it));) {
		int64_t left = user->socket_count > 0 ? pl_settings.presence_grace_ms
						      : user->grace.due_mono_ms - now;

		if (left > longest)
			longest = left;
	}
	return longest;
}

size_t
hub_user_count(const struct hub *hub)
{
	return hub->users.count;
}

void
hub_stop(struct hub *hub)
{
	struct hub_user *user;

	for (size_t it = 0; (user = pl_map_next(&hub->users, &it));)
		user_free(user);
	pl_bus_unsubscribe(hub->app->bus, &hub->all);
	pl_map_fini(&hub->users);
}
