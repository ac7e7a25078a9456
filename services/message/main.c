/* message: sending, edits and deletions, the history of conversations, and how far each
 * has been read. */
#include "change.h"
#include "conversations.h"
#include "history.h"
#include "overdue.h"
#include "read_mark.h"
#include "send.h"
#include "http/service.h"

static const struct pl_route routes[] = {
    /* A send does not make its user online: it asks whether they are. */
    {"POST", "/api/messages/send/:id", PL_ROUTE_AUTH, message_send_post, PL_M_MESSAGES},
    {"GET", "/api/messages/:id", PL_ROUTE_AUTH | PL_ROUTE_SEEN, message_history_get,
	PL_M_NONE},
    {"PATCH", "/api/messages/message/:id", PL_ROUTE_AUTH | PL_ROUTE_SEEN,
	message_change_patch, PL_M_CHANGES},
    {"DELETE", "/api/messages/message/:id", PL_ROUTE_AUTH | PL_ROUTE_SEEN,
	message_change_delete, PL_M_CHANGES},
    {"POST", "/api/messages/read/:id", PL_ROUTE_AUTH | PL_ROUTE_SEEN, message_read_post,
	PL_M_READ_MARKS},
    {"GET", "/api/conversations", PL_ROUTE_AUTH | PL_ROUTE_SEEN,
	message_conversations_get, PL_M_NONE},
    {"GET", "/api/conversations/:id", PL_ROUTE_AUTH | PL_ROUTE_SEEN,
	message_conversation_get, PL_M_NONE},
};

static void
start(void)
{
	send_start();
	read_mark_start();
	overdue_start();
}

static void
stop(void)
{
	overdue_stop();
	read_mark_stop();
	send_stop();
}

const struct pl_service pl_service = {
    .name = "message",
    .bit = PL_SVC_MESSAGE,
    .routes = routes,
    .route_count = sizeof(routes) / sizeof(routes[0]),
    .start = start,
    .stop = stop,
};
