#include "send.h"

#include "http/reply.h"
#include "http/service.h"

static struct pl_sending sending;

/* ---- the answer ---- */

static void
reply_sent(struct pl_request *rq, const struct pl_send_outcome *outcome)
{
	if (outcome->sent->replayed)
		pl_reply_header(rq, "idempotent-replayed", "true");
	pl_reply_json(rq, 201, outcome->json);
}

static void
on_done(void *arg, const struct pl_send_outcome *outcome)
{
	struct pl_request *rq = arg;

	if (outcome->sent != NULL)
		reply_sent(rq, outcome);
	else if (outcome->wait_ms > 0)
		pl_reply_retry(rq, outcome->problem, outcome->wait_ms);
	else
		pl_reply_problem(rq, outcome->problem);
}

/* ---- the request ---- */

/* False: the sender is too fast, and the answer says so. A short body is read before. */
static bool
is_in_time(struct pl_request *rq)
{
	int64_t wait_ms = rq->body.len < PL_SEND_LONG_BYTES
			      ? 0
			      : pl_send_wait_ms(&sending, &rq->claims.user);

	if (wait_ms > 0)
		pl_reply_retry(rq, PL_PROBLEM_TOO_MANY, wait_ms);
	return wait_ms == 0;
}

/* False: the id, the text or the key is wrong, and the answer says so. */
static bool
read_request(struct pl_request *rq, struct pl_send *send)
{
	const struct pl_json *body;
	struct pl_invalid why;
	enum pl_err err;

	send->key = pl_request_header(rq, "idempotency-key");
	if (!pl_request_oid(rq, &send->receiver) || !is_in_time(rq) ||
	    !(body = pl_request_json(rq)))
		return false;
	err = pl_send_read(body, send->key, &send->text, &why);
	if (err == PL_OK && pl_request_header_repeats(rq, "idempotency-key")) {
		pl_send_bad_key(&why);
		err = PL_E_INVALID;
	}
	if (err != PL_OK)
		pl_reply_invalid(rq, &why);
	return err == PL_OK;
}

void
message_send_post(struct pl_request *rq)
{
	struct pl_send send = {.sender = rq->claims.user, .done = on_done, .arg = rq};

	if (!read_request(rq, &send))
		return;
	send.not_socket = pl_request_header(rq, "x-socket-id");
	send.from = PL_L_STR("req", pl_request_id(rq));
	send.trace = *pl_request_trace(rq);
	pl_send(&sending, &send);
}

/* ---- life ---- */

struct pl_publisher *
message_publisher(void)
{
	return &sending.publisher;
}

struct pl_sending *
message_sending(void)
{
	return &sending;
}

void
send_start(void)
{
	sending = (struct pl_sending){.loop = pl_app.loop,
	    .store = pl_app.store,
	    .bus = pl_app.bus,
	    .redis = pl_app.redis,
	    .online = pl_app.online};
	pl_sending_start(&sending);
}

void
send_stop(void)
{
	pl_sending_stop(&sending);
}
