#include "presence/client_event.h"

enum outcome {
	REFUSED, /* *why says so */
	DONE,
	LATER, /* it is acknowledged by whom it was given to */
};

static enum outcome
typing(const struct client_events *by, struct hub_socket *socket,
    const struct pl_json *said, const struct ack *ack, struct pl_invalid *why)
{
	(void)ack;
	return typing_said(by->typing, socket, said, why) ? DONE : REFUSED;
}

static enum outcome
delivered(const struct client_events *by, struct hub_socket *socket,
    const struct pl_json *said, const struct ack *ack, struct pl_invalid *why)
{
	return delivered_said(by->delivered, socket, said, ack, why) ? LATER : REFUSED;
}

static enum outcome
watch(const struct client_events *by, struct hub_socket *socket,
    const struct pl_json *said, const struct ack *ack, struct pl_invalid *why)
{
	return watch_said(by->watches, socket, said, ack, why) ? LATER : REFUSED;
}

/* said, the argument after the name, may be anything, or missing. */
static const struct {
	const char *name;
	enum outcome (*handle)(const struct client_events *by, struct hub_socket *socket,
	    const struct pl_json *said, const struct ack *ack, struct pl_invalid *why);
} events[] = {
    {"typing", typing},
    {"delivered", delivered},
    {"watch", watch},
};

static enum outcome
handle(const struct client_events *by, struct hub_socket *socket,
    const struct pl_sio_event *event, const struct ack *ack, struct pl_invalid *why)
{
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		if (pl_str_eq(event->name, pl_str(events[i].name)))
			return events[i].handle(
			    by, socket, pl_json_at(event->args, 1), ack, why);
	/* It means nothing here, as to the server that this one replaces. */
	pl_invalid_set(why, "UNKNOWN_EVENT", "Unknown event");
	return REFUSED;
}

void
client_event(const struct client_events *by, struct hub_socket *socket,
    const struct pl_sio_event *event)
{
	struct ack ack = ack_of(event);
	struct pl_invalid why;
	enum outcome outcome = handle(by, socket, event, &ack, &why);

	if (outcome == DONE)
		ack_send(socket, &ack, PL_STR("[]"));
	else if (outcome == REFUSED)
		ack_refuse(socket, &ack, &why);
}

void
client_event_end(const struct client_events *by, struct hub_socket *socket)
{
	typing_end_socket(by->typing, socket);
	delivered_end_socket(by->delivered, socket);
	watch_end_socket(by->watches, socket);
}
