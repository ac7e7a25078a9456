#include "http/heads.h"

#include <kore.h>
#include <http.h>

#define LOOK_MS 1000

static struct pl_timer look;

/* The buffer of a head that came whole stays as it is until its request is answered. */
static bool
is_served(const struct connection *c)
{
	return !TAILQ_EMPTY(&c->http_requests) || (c->flags & CONN_IS_BUSY) != 0;
}

static bool
is_half(const struct connection *c)
{
	return c->state == CONN_STATE_ESTABLISHED && c->proto == CONN_PROTO_HTTP &&
	       c->rnb != NULL && c->rnb->cb == http_header_recv && c->rnb->s_off > 0 &&
	       !is_served(c);
}

/* False the first time, when it gets a shorter deadline, which kore keeps. */
static bool
is_known(struct connection *c)
{
	if (c->http_timeout == PL_HEADS_WAIT_MS)
		return true;
	c->http_start = kore_time_ms();
	c->http_timeout = PL_HEADS_WAIT_MS;
	return false;
}

static void
on_look(struct pl_timer *t)
{
	struct connection *c, *next;
	unsigned count = 0;

	for (c = TAILQ_FIRST(&connections); c != NULL; c = next) {
		next = TAILQ_NEXT(c, list);
		if (is_half(c) && is_known(c) && ++count > PL_HEADS_MAX)
			kore_connection_disconnect(c);
	}
	pl_timer_start(t->arg, t, LOOK_MS);
}

void
pl_heads_start(struct pl_loop *loop)
{
	look.on_fire = on_look;
	look.arg = loop;
	pl_timer_start(loop, &look, LOOK_MS);
}

void
pl_heads_stop(struct pl_loop *loop)
{
	pl_timer_stop(loop, &look);
}
