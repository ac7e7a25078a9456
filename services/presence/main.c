/* presence: users and their status, and the sockets: everything live. */
#include "presence/delivery/tail.h"
#include "presence/erased.h"
#include "presence/gone.h"
#include "presence/sockets.h"
#include "presence/users/users.h"

static const struct hub_events hub_events;
static void deliver(void *arg, const struct pl_message *m);
static void deliver_change(void *arg, const struct pl_message *m);
static bool is_online(void *arg, const struct pl_oid *user);
static bool is_behind(void *arg);

/*
 * What the service is made of. A part includes only parts to its left, and gets pointers
 * to them here; what it has to tell others it tells by a callback, which is passed on
 * below.
 *
 *   hub ◄── typing ◄── send
 *   hub ◄── delivered, recovery, held, online/changes ◄── online/list ◄── admit ◄── sockets
 *           online/watched ◄── online/watch                                gone      tail
 *           erased
 */
static struct presence {
	struct hub hub;
	struct typing typing;
	struct delivered delivered;
	struct recovery recovery;
	struct held held;
	struct online_list online;
	struct watched_index watched;
	struct watches watches;
	struct sends sends;
	struct tail tail;
	struct gone gone;
	struct erased erased;
	struct sockets sockets;
} presence = {
    .hub = {.app = &pl_app, .events = &hub_events, .arg = &presence},
    .typing = {.app = &pl_app},
    .delivered = {.app = &pl_app},
    .recovery = {.app = &pl_app},
    .held = {.app = &pl_app},
    .online =
	{
	    .app = &pl_app,
	    .hub = &presence.hub,
	    .watched = &presence.watched,
	    .is_behind = is_behind,
	    .arg = &presence,
	},
    .watched =
	{
	    .app = &pl_app,
	    .is_online = is_online,
	    .is_behind = is_behind,
	    .arg = &presence,
	},
    .watches = {.app = &pl_app, .index = &presence.watched},
    .sends = {.app = &pl_app, .typing = &presence.typing},
    .tail =
	{
	    .app = &pl_app,
	    .deliver = deliver,
	    .deliver_change = deliver_change,
	    .arg = &presence,
	},
    .gone = {.app = &pl_app, .hub = &presence.hub, .typing = &presence.typing},
    .erased = {.app = &pl_app, .hub = &presence.hub},
    .sockets =
	{
	    .app = &pl_app,
	    .hub = &presence.hub,
	    .events = {.typing = &presence.typing,
		.delivered = &presence.delivered,
		.watches = &presence.watches,
		.sends = &presence.sends},
	    .admit =
		{
		    .app = &pl_app,
		    .hub = &presence.hub,
		    .recovery = &presence.recovery,
		    .held = &presence.held,
		    .online = &presence.online,
		},
	},
};

/* ---- what one part tells another ------------------------------------------------------- */

static void
on_join(void *arg, const struct pl_oid *user)
{
	struct presence *p = arg;

	online_list_join(&p->online, user);
}

static void
on_leave(void *arg, const struct pl_oid *user)
{
	struct presence *p = arg;

	online_list_leave(&p->online, user);
}

static void
on_ready(void *arg, struct hub_socket *socket)
{
	(void)arg;
	admit_on_ready(socket);
}

static void
on_put_out(void *arg, struct hub_socket *socket)
{
	struct presence *p = arg;

	client_event_end(&p->sockets.events, socket);
	admit_on_put_out(socket);
}

static bool
on_message(void *arg)
{
	struct presence *p = arg;

	return tail_takes_message(&p->tail);
}

static void
on_gap(void *arg)
{
	struct presence *p = arg;

	tail_doubt(&p->tail);
}

/* Whoever has sent is not typing any more. */
static void
on_sent(void *arg, const struct pl_oid *user)
{
	struct presence *p = arg;

	typing_end_all(&p->typing, user);
}

static void
on_status(void *arg, const struct pl_oid *user)
{
	struct presence *p = arg;

	online_list_status_changed(&p->online, user);
	watched_note(&p->watched, user);
}

static void
on_updated(void *arg, const struct pl_oid *user, struct pl_ref *packet)
{
	struct presence *p = arg;

	watched_tell(&p->watched, user, packet);
}

static void
on_erased(void *arg, const struct pl_oid *user)
{
	struct presence *p = arg;

	erased_tell(&p->erased, user);
}

static void
on_all_gap(void *arg)
{
	struct presence *p = arg;

	watched_note_all(&p->watched);
}

static const struct hub_events hub_events = {
    .on_join = on_join,
    .on_leave = on_leave,
    .on_ready = on_ready,
    .on_put_out = on_put_out,
    .on_message = on_message,
    .on_gap = on_gap,
    .on_sent = on_sent,
    .on_status = on_status,
    .on_updated = on_updated,
    .on_erased = on_erased,
    .on_all_gap = on_all_gap,
};

static void
deliver(void *arg, const struct pl_message *m)
{
	struct presence *p = arg;

	hub_deliver(&p->hub, m);
}

static void
deliver_change(void *arg, const struct pl_message *m)
{
	struct presence *p = arg;

	hub_deliver_change(&p->hub, m);
}

static bool
is_online(void *arg, const struct pl_oid *user)
{
	const struct presence *p = arg;

	return online_list_has(&p->online, user);
}

static bool
is_behind(void *arg)
{
	const struct presence *p = arg;

	return sockets_are_behind(&p->sockets);
}

/* ---- the service ----------------------------------------------------------------------- */

static void
presence_socket_io(struct pl_request *rq)
{
	sockets_handle(&presence.sockets, rq);
}

static const struct pl_route routes[] = {
    {"GET", "/api/users", PL_ROUTE_AUTH | PL_ROUTE_SEEN, presence_users_get, PL_M_NONE},
    {"GET", "/api/users/blocked", PL_ROUTE_AUTH | PL_ROUTE_SEEN, presence_blocked_get,
	PL_M_NONE},
    {"GET", "/api/users/:id", PL_ROUTE_AUTH | PL_ROUTE_SEEN, presence_user_get,
	PL_M_NONE},
    {"GET", "/api/users/profile/:id", PL_ROUTE_AUTH | PL_ROUTE_SEEN, presence_profile_get,
	PL_M_NONE},
    {"GET", "/api/users/avatar/:id", 0, presence_avatar_get, PL_M_NONE},
    {"POST", "/api/users/status/:id", PL_ROUTE_AUTH | PL_ROUTE_SEEN,
	presence_user_status_post, PL_M_NONE},
    {"POST", "/api/users/block/:id", PL_ROUTE_AUTH | PL_ROUTE_SEEN, presence_block_post,
	PL_M_BLOCKS},
    {"DELETE", "/api/users/block/:id", PL_ROUTE_AUTH | PL_ROUTE_SEEN,
	presence_block_delete, PL_M_BLOCKS},
    {"GET", "/socket.io/", PL_ROUTE_ORIGIN, presence_socket_io, PL_M_NONE},
    {"POST", "/socket.io/", PL_ROUTE_ORIGIN, presence_socket_io, PL_M_NONE},
    /* Engine.IO has its own answer to a wrong method. */
    {"PUT", "/socket.io/", PL_ROUTE_ORIGIN, presence_socket_io, PL_M_NONE},
    {"PATCH", "/socket.io/", PL_ROUTE_ORIGIN, presence_socket_io, PL_M_NONE},
    {"DELETE", "/socket.io/", PL_ROUTE_ORIGIN, presence_socket_io, PL_M_NONE},
};

static void
start(void)
{
	hub_start(&presence.hub);
	typing_start(&presence.typing);
	delivered_start(&presence.delivered);
	recovery_start(&presence.recovery);
	held_start(&presence.held, pl_announcement_name(pl_app.announcement));
	watched_start(&presence.watched);
	watch_start(&presence.watches);
	online_list_start(&presence.online);
	sends_start(&presence.sends);
	sockets_start(&presence.sockets);
	tail_start(&presence.tail);
	gone_start(&presence.gone);
	users_start();
	blocks_start();
	profiles_start(is_online, &presence);
}

static void
drain(void)
{
	sockets_drain(&presence.sockets);
}

static bool
is_drained(void)
{
	return sockets_are_drained(&presence.sockets);
}

static size_t
in_flight(void)
{
	return presence.sends.waiting;
}

/* Users who find another process in time are online throughout. */
static void
leave(void)
{
	online_list_retire(&presence.online, hub_grace_left_ms(&presence.hub));
	delivered_leave(&presence.delivered);
}

static bool
has_left(void)
{
	return online_list_is_retired(&presence.online) &&
	       delivered_has_left(&presence.delivered);
}

static void
stop(void)
{
	blocks_stop();
	users_stop();
	erased_stop(&presence.erased);
	gone_stop(&presence.gone);
	tail_stop(&presence.tail);
	sockets_stop(&presence.sockets);
	sends_stop(&presence.sends);
	held_stop(&presence.held);
	typing_stop(&presence.typing);
	delivered_stop(&presence.delivered);
	watch_stop(&presence.watches);
	watched_stop(&presence.watched);
	hub_stop(&presence.hub);
	online_list_stop(&presence.online);
}

static void
on_renamed(void *arg, const char *name)
{
	(void)arg;
	sockets_set_name(&presence.sockets, name);
}

const struct pl_service pl_service = {
    .name = "presence",
    .bit = PL_SVC_PRESENCE,
    .routes = routes,
    .route_count = sizeof(routes) / sizeof(routes[0]),
    .body_bytes_max = &pl_settings.packet_bytes_max, /* a polling POST */
    .has_sockets = true,
    .start = start,
    .drain = drain,
    .is_drained = is_drained,
    .in_flight = in_flight,
    .leave = leave,
    .has_left = has_left,
    .stop = stop,
    .on_renamed = on_renamed,
};
