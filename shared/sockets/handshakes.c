#include "sockets/handshakes.h"

#include "base/mem.h"
#include "http/reply.h"

/* If a polling GET has no answer after 4 s, the gateway asks another process. A client
 * that opens a WebSocket waits longer: a stock one for 20 s. */
#define POLL_WAIT_MS 3000
#define WS_WAIT_MS   15000

/* One in line. */
struct handshake {
	struct pl_turn turn;
	struct pl_handshakes *all;
	struct pl_pace *pace;
	struct pl_request *rq;
	bool is_websocket;
};

static struct pl_request *
handshake_free(struct handshake *one)
{
	struct pl_request *rq = one->rq;

	rq->on_gone = NULL;
	pl_mem_free(one);
	return rq;
}

static void
on_turn(struct pl_pace *pace, struct pl_turn *turn)
{
	struct handshake *one = PL_CONTAINER(turn, struct handshake, turn);
	struct pl_handshakes *h = one->all;
	bool is_websocket = one->is_websocket;

	(void)pace;
	h->begin(h->arg, handshake_free(one), is_websocket);
}

static void
on_gone(struct pl_request *rq)
{
	struct handshake *one = rq->arg;

	pl_pace_leave(one->pace, &one->turn);
	pl_reply_problem(handshake_free(one), PL_PROBLEM_BUSY); /* to nobody: ends it */
}

static void
refuse(struct handshake *one)
{
	pl_reply_retry(handshake_free(one), PL_PROBLEM_BUSY, PL_HANDSHAKES_AGAIN_MS);
}

void
pl_handshakes_init(struct pl_handshakes *h, struct pl_loop *loop,
    struct pl_handshakes_rates rates,
    void (*begin)(void *arg, struct pl_request *rq, bool is_websocket), void *arg)
{
	int64_t most = rates.per_second;

	*h = (struct pl_handshakes){.begin = begin, .arg = arg};
	h->tells_strangers = most > 0 && rates.of_strangers > 0;
	h->unproven_rule = pl_bucket_rule(
	    rates.of_strangers, 1000, rates.of_strangers * PL_HANDSHAKES_UNPROVEN_S);
	pl_pace_init(&h->pace, loop, most, on_turn);
	pl_pace_init(&h->strangers, loop,
	    rates.of_strangers < most ? rates.of_strangers : most, on_turn);
}

void
pl_handshakes_fini(struct pl_handshakes *h)
{
	pl_handshakes_turn_away(h);
	pl_pace_fini(&h->pace);
	pl_pace_fini(&h->strangers);
}

static struct pl_pace *
pace_of(struct pl_handshakes *h, enum pl_handshake_from from)
{
	int64_t now = pl_loop_now_ms(h->pace.loop);

	if (!h->tells_strangers || from == PL_HANDSHAKE_OF_USER)
		return &h->pace;
	if (from == PL_HANDSHAKE_OF_STRANGER &&
	    pl_bucket_take(&h->unproven, &h->unproven_rule, now) == 0)
		return &h->pace;
	return &h->strangers;
}

void
pl_handshakes_vouch(struct pl_handshakes *h)
{
	pl_bucket_give(&h->unproven, &h->unproven_rule);
}

void
pl_handshakes_take(struct pl_handshakes *h, struct pl_request *rq, bool is_websocket,
    enum pl_handshake_from from)
{
	int64_t limit_ms = is_websocket ? WS_WAIT_MS : POLL_WAIT_MS;
	struct pl_pace *pace = pace_of(h, from);
	struct handshake *one;

	if (pl_pace_begin(pace)) {
		h->begin(h->arg, rq, is_websocket);
		return;
	}
	one = pl_mem_alloc(sizeof(*one));
	*one = (struct handshake){
	    .all = h, .pace = pace, .rq = rq, .is_websocket = is_websocket};
	if (!pl_pace_wait(pace, &one->turn, limit_ms)) {
		refuse(one);
		return;
	}
	rq->arg = one;
	rq->on_gone = on_gone;
}

static void
turn_away(struct pl_pace *pace)
{
	struct pl_turn *turn;

	while ((turn = pl_pace_pop(pace)) != NULL)
		refuse(PL_CONTAINER(turn, struct handshake, turn));
}

void
pl_handshakes_turn_away(struct pl_handshakes *h)
{
	turn_away(&h->pace);
	turn_away(&h->strangers);
}

size_t
pl_handshakes_waiting(const struct pl_handshakes *h)
{
	return h->pace.waiting + h->strangers.waiting;
}
