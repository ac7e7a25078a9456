#include "tell.h"

#include "bus/events.h"
#include "web/service.h"

static void
publish_to(const struct pl_oid *user, const struct pl_buf *event,
    void (*done)(void *arg, enum pl_err err), void *arg)
{
	char channel[PL_CHANNEL_USER_LEN + 1];

	pl_channel_user(user, channel);
	pl_bus_publish(pl_app.bus, pl_str(channel), pl_buf_str(event), done, arg);
}

void
message_tell(const struct pl_message *m, struct pl_str not_socket,
    void (*done)(void *arg, enum pl_err err), void *arg)
{
	struct pl_buf event;

	pl_buf_init(&event, PL_BUF_UNLIMITED);
	pl_event_new_message(&event, m);
	publish_to(&m->receiver, &event, NULL, NULL);
	pl_buf_clear(&event);
	pl_event_message_sent(&event, m, not_socket);
	publish_to(&m->sender, &event, done, arg); /* in one pipeline, so the last */
	pl_buf_fini(&event);
}
