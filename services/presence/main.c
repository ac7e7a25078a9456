/* presence: users and their status, and the sockets: everything live. */
#include "presence/gone.h"
#include "presence/hub.h"
#include "presence/online/list.h"
#include "presence/sockets.h"
#include "presence/delivery/tail.h"
#include "presence/typing.h"
#include "presence/users/users.h"
#include "http/service.h"

static const struct pl_route routes[] = {
    {"GET", "/api/users", PL_ROUTE_AUTH | PL_ROUTE_SEEN, presence_users_get, PL_M_NONE},
    {"GET", "/api/users/:id", PL_ROUTE_AUTH | PL_ROUTE_SEEN, presence_user_get,
	PL_M_NONE},
    {"POST", "/api/users/status/:id", PL_ROUTE_AUTH | PL_ROUTE_SEEN,
	presence_user_status_post, PL_M_NONE},
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
	hub_start();
	online_list_start();
	sockets_start();
	tail_start();
	gone_start();
}

/* Users who find another process in time are online throughout. */
static void
leave(void)
{
	online_list_retire(hub_grace_left_ms());
}

static void
stop(void)
{
	gone_stop();
	tail_stop();
	sockets_stop();
	typing_stop();
	hub_stop();
	online_list_stop();
}

const struct pl_service pl_service = {
    .name = "presence",
    .bit = PL_SVC_PRESENCE,
    .routes = routes,
    .route_count = sizeof(routes) / sizeof(routes[0]),
    .body_bytes_max = &pl_settings.packet_bytes_max, /* a polling POST */
    .start = start,
    .drain = sockets_drain,
    .is_drained = sockets_are_drained,
    .leave = leave,
    .has_left = online_list_are_retired,
    .stop = stop,
    .on_renamed = sockets_set_name,
};
