#include "presence/ack.h"

#include "base/json_out.h"

void
ack_send(struct hub_socket *socket, const struct ack *ack, struct pl_str args)
{
	struct pl_sio_client *client = socket->client;
	int64_t now_mono_ms = pl_loop_now_ms(socket->user->hub->app->loop);

	if (ack->id == PL_SIO_NO_ACK)
		return;
	/* False means that it has ended or overflowed: its own pump tells. */
	(void)pl_sio_conn_send_ack(
	    &client->conn, ack->ns, ack->id, args, NULL, 0, now_mono_ms);
	pl_sio_client_touch(client);
}

static void
refuse(struct hub_socket *socket, const struct ack *ack, const char *text,
    const char *code, int64_t wait_s)
{
	struct pl_json_out o;
	struct pl_buf args;

	pl_buf_init(&args, 1024);
	pl_jo_init(&o, &args);
	pl_jo_array(&o);
	pl_jo_object(&o);
	pl_jo_key(&o, "error");
	pl_jo_cstr(&o, text);
	pl_jo_key(&o, "code");
	pl_jo_cstr(&o, code);
	if (wait_s > 0) {
		pl_jo_key(&o, "retryAfter");
		pl_jo_int(&o, wait_s);
	}
	pl_jo_end_object(&o);
	pl_jo_end_array(&o);
	ack_send(socket, ack, pl_buf_str(&args));
	pl_buf_fini(&args);
}

void
ack_refuse(struct hub_socket *socket, const struct ack *ack, const struct pl_invalid *why)
{
	refuse(socket, ack, why->text, why->code, 0);
}

void
ack_problem(struct hub_socket *socket, const struct ack *ack, enum pl_problem problem,
    int64_t wait_s)
{
	const struct pl_problem_row *row = pl_problem_row(problem);

	refuse(socket, ack, row->text, row->code, wait_s);
}
