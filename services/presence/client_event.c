#include "presence/client_event.h"

enum outcome {
	REFUSED, /* *why says so */
	DONE,
	LATER, /* it is acknowledged by whom it was given to */
};

/* The argument after the name, which may be anything, or missing. */
static const struct pl_json *
said_in(const struct pl_sio_event *event)
{
	return pl_json_at(event->args, 1);
}

static enum outcome
typing(const struct client_events *by, struct hub_socket *socket,
    const struct pl_sio_event *event, const struct ack *ack, struct pl_invalid *why)
{
	(void)ack;
	return typing_said(by->typing, socket, said_in(event), why) ? DONE : REFUSED;
}

static enum outcome
delivered(const struct client_events *by, struct hub_socket *socket,
    const struct pl_sio_event *event, const struct ack *ack, struct pl_invalid *why)
{
	return delivered_said(by->delivered, socket, said_in(event), ack, why) ? LATER
									       : REFUSED;
}

static enum outcome
watch(const struct client_events *by, struct hub_socket *socket,
    const struct pl_sio_event *event, const struct ack *ack, struct pl_invalid *why)
{
	return watch_said(by->watches, socket, said_in(event), ack, why) ? LATER
									 : REFUSED;
}

static enum outcome
send_message(const struct client_events *by, struct hub_socket *socket,
    const struct pl_sio_event *event, const struct ack *ack, struct pl_invalid *why)
{
	(void)why;
	send_said(by->sends, socket, event, ack);
	return LATER;
}

static const struct {
	const char *name;
	enum outcome (*handle)(const struct client_events *by, struct hub_socket *socket,
	    const struct pl_sio_event *event, const struct ack *ack,
	    struct pl_invalid *why);
} events[] = {
    {"typing", typing},
    {"delivered", delivered},
    {"watch", watch},
    {"sendMessage", send_message},
};

static enum outcome
handle(const struct client_events *by, struct hub_socket *socket,
    const struct pl_sio_event *event, const struct ack *ack, struct pl_invalid *why)
{
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		if (pl_str_eq(event->name, pl_str(events[i].name)))
			return events[i].handle(by, socket, event, ack, why);
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
	sends_end_socket(socket);
}
