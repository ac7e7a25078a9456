#include "sockets/sio_polling.h"

#include "base/clock.h"
#include "base/mem.h"
#include "http/reply.h"
#include "sockets/sio_client.h"

static void
poll_gone(struct pl_request *rq)
{
	struct pl_sio_client *c = rq->arg;

	pl_sio_client_answer_poll(c, PL_STR_NONE); /* to nobody: ends the request */
	pl_eio_session_poll_gone(&c->conn.eio);
	pl_sio_client_pump(c);
}

/* A client that closes sends "1" while a GET of it waits, and often both at once, on two
 * connections: the POST may come first. So the POST waits for a moment, and the GET gets
 * the end of the session instead of an unknown session. */
#define GOODBYE_MS 20

/* Take one that has begun. */
static void
take_post(struct pl_sio_client *c, struct pl_request *rq)
{
	bool is_octets = pl_str_starts(
	    pl_request_header(rq, "content-type"), PL_STR("application/octet-stream"));
	int64_t begun_cpu_us = pl_clock_thread_us();
	size_t max = pl_eio_session_payload_max(&c->conn.eio);
	size_t bytes =
	    rq->body.len < max ? rq->body.len : max; /* more is not looked at */
	enum pl_err err = pl_eio_session_post(
	    &c->conn.eio, rq->body, is_octets, pl_loop_now_ms(c->server->loop));

	if (err == PL_OK) {
		pl_sio_cors(c->server, rq);
		pl_reply_bytes(rq, 200, "text/html", PL_STR("ok"));
	} else {
		pl_sio_client_refuse(c, rq, err);
	}
	(void)pl_sio_client_spend(c, bytes, pl_clock_thread_us() - begun_cpu_us);
}

static void
say_goodbye(struct pl_sio_client *c)
{
	if (c->post && c->post->is_goodbye)
		take_post(c, pl_sio_client_post_back(c));
}

static void
on_post_timer(struct pl_timer *t)
{
	struct pl_sio_client *c = ((struct pl_sio_post *)t->arg)->client;

	take_post(c, pl_sio_client_post_back(c));
	pl_sio_client_pump(c);
}

static void
post_gone(struct pl_request *rq)
{
	struct pl_sio_client *c = rq->arg;

	say_goodbye(c);
	if (c->post)
		pl_eio_session_post_gone(&c->conn.eio);
	pl_sio_client_drop_post(c); /* to nobody: ends the request */
	pl_sio_client_pump(c);
}

static void
put_off(struct pl_sio_client *c, struct pl_request *rq, bool is_goodbye, int64_t wait_ms)
{
	struct pl_sio_post *p = pl_mem_zalloc(sizeof(*p));

	p->client = c;
	p->rq = rq;
	p->is_goodbye = is_goodbye;
	p->timer.on_fire = on_post_timer;
	p->timer.arg = p;
	c->post = p;
	rq->arg = c;
	rq->on_gone = post_gone;
	pl_timer_start(c->server->loop, &p->timer, wait_ms);
}

void
pl_sio_poll_get(struct pl_sio_client *c, struct pl_request *rq)
{
	enum pl_err err = pl_eio_session_poll(&c->conn.eio);

	if (err == PL_OK) {
		c->poll = rq;
		rq->arg = c;
		rq->on_gone = poll_gone;
	} else {
		pl_sio_client_refuse(c, rq, err);
	}
	say_goodbye(c);
	pl_sio_client_pump(c);
}

void
pl_sio_poll_post(struct pl_sio_client *c, struct pl_request *rq)
{
	int64_t wait_ms = pl_sio_client_debt_ms(c, pl_loop_now_ms(c->server->loop));
	enum pl_err err;

	say_goodbye(c);
	err = pl_eio_session_post_begin(&c->conn.eio);
	if (err != PL_OK)
		pl_sio_client_refuse(c, rq, err);
	else if (!c->poll && !c->ws && pl_str_eq(rq->body, PL_STR("1")))
		put_off(c, rq, true, GOODBYE_MS);
	else if (wait_ms > 0 && rq->body.len <= pl_eio_session_payload_max(&c->conn.eio))
		put_off(c, rq, false, wait_ms);
	else
		take_post(c, rq);
	pl_sio_client_pump(c);
}
