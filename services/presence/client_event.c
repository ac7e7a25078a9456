#include "presence/client_event.h"

#include "base/json_out.h"

/* Each is false, and says why, if it refuses. Its argument, the one after the name, may be
 * anything, or missing. */
static const struct {
	const char *name;
	bool (*handle)(struct typing *typing, struct hub_socket *socket,
	    const struct pl_json *said, struct pl_invalid *why);
} events[] = {
    {"typing", typing_said},
};

static bool
handle(struct typing *typing, struct hub_socket *socket, const struct pl_sio_event *event,
    struct pl_invalid *why)
{
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		if (pl_str_eq(event->name, pl_str(events[i].name)))
			return events[i].handle(
			    typing, socket, pl_json_at(event->args, 1), why);
	/* It means nothing here, as to the server that this one replaces. */
	pl_invalid_set(why, "UNKNOWN_EVENT", "Unknown event");
	return false;
}

static void
write_error(struct pl_buf *out, const struct pl_invalid *why)
{
	struct pl_json_out o;

	pl_jo_init(&o, out);
	pl_jo_array(&o);
	pl_jo_object(&o);
	pl_jo_key(&o, "error");
	pl_jo_cstr(&o, why->text);
	pl_jo_key(&o, "code");
	pl_jo_cstr(&o, why->code);
	pl_jo_end_object(&o);
	pl_jo_end_array(&o);
}

void
client_event(struct typing *typing, struct hub_socket *socket,
    const struct pl_sio_event *event, int64_t now_mono_ms)
{
	struct pl_sio_conn *conn = &socket->client->conn;
	struct pl_invalid why;
	struct pl_buf args;
	bool is_done = handle(typing, socket, event, &why);

	if (event->ack_id == PL_SIO_NO_ACK)
		return;
	pl_buf_init(&args, 1024);
	if (is_done)
		(void)pl_buf_add_cstr(&args, "[]");
	else
		write_error(&args, &why);
	/* False means that it has ended or overflowed: its own pump tells. */
	(void)pl_sio_conn_send_ack(
	    conn, event->ns, event->ack_id, pl_buf_str(&args), NULL, 0, now_mono_ms);
	pl_buf_fini(&args);
}
