#include "http/long_read.h"

#include "base/clock.h"
#include "base/mem.h"
#include "http/reply.h"
#include "http/stream.h"

#define RETRY_MS 1000

static void
finish(struct pl_long_read *r)
{
	pl_share_end(&r->turn);
	pl_buf_fini(&r->body);
	r->free(r);
}

/* ---- reading ------------------------------------------------------------------------- */

static void
begin_piece(struct pl_long_read *r)
{
	pl_buf_clear(&r->body);
	r->written = 0;
	if (!r->is_single)
		(void)pl_buf_add_char(&r->body, r->has_elements ? ',' : '[');
}

/* A piece may have no elements: those that are passed over, or were deleted a moment ago.
 * Then there is nothing to send of it, unless it is the last. */
static void
end_piece(struct pl_long_read *r)
{
	if (r->is_single)
		return;
	if (r->body.len > 1)
		r->has_elements = !r->is_ahead;
	else if (r->has_elements || !r->is_last)
		pl_buf_clear(&r->body);
	if (r->is_last)
		(void)pl_buf_add_char(&r->body, ']');
}

static enum pl_err
run(struct pl_store_read_call *call, struct pl_store *s)
{
	struct pl_long_read *r = PL_CONTAINER(call, struct pl_long_read, call);
	int64_t begun_us = pl_clock_thread_us();
	struct pl_json_out o;
	enum pl_err err;

	begin_piece(r);
	pl_jo_init(&o, &r->body);
	err = r->read(r, s, &o);
	if (err == PL_OK)
		end_piece(r);
	r->cpu_us += pl_clock_thread_us() - begun_us; /* of one in vain, too */
	return err;
}

static int64_t
spend(struct pl_long_read *r)
{
	int64_t cpu_us = r->cpu_us;

	r->cpu_us = 0;
	return pl_share_spend(&r->turn, (int64_t)r->body.len, cpu_us);
}

/* Whoever waited in line comes from inside the end of the one before: a whole line of them
 * would be read in one turn of the loop. */
static bool
may_be_read_here(const struct pl_long_read *r)
{
	return r->is_small && !r->goes_on && !r->turn.has_waited;
}

static void
read_piece(struct pl_long_read *r)
{
	if (may_be_read_here(r))
		pl_store_async_read_now_or_done(pl_app.store, &r->call);
	else
		pl_store_async_read_or_done(pl_app.store, &r->call);
}

/* ---- what is one piece --------------------------------------------------------------- */

static void
reply_whole(struct pl_long_read *r)
{
	pl_reply_json(r->rq, 200, pl_buf_str(&r->body));
	finish(r);
}

/* ---- what comes in pieces ------------------------------------------------------------ */

static bool
has_more_of_piece(const struct pl_long_read *r)
{
	return r->written < r->body.len;
}

static void
write_slice(struct pl_long_read *r)
{
	struct pl_str left = {r->body.data + r->written, r->body.len - r->written};

	if (left.len > PL_LONG_READ_SLICE_BYTES)
		left.len = PL_LONG_READ_SLICE_BYTES;
	r->written += left.len;
	r->slice = left.len;
	pl_stream_write(r->rq, left);
}

static void
write_piece(struct pl_long_read *r)
{
	r->goes_on = true;
	write_slice(r);
}

static void
end(struct pl_long_read *r)
{
	pl_stream_end(r->rq);
	finish(r);
}

static void
on_pause_over(struct pl_timer *t)
{
	struct pl_long_read *r = t->arg;

	if (!r->rq->is_gone && has_more_of_piece(r)) {
		write_slice(r);
	} else if (!r->rq->is_gone) {
		read_piece(r);
	} else if (r->goes_on) {
		if (has_more_of_piece(r)) /* else it was paid before the pause */
			(void)spend(r);
		end(r);
	} else { /* nobody reads it */
		pl_reply_err(r->rq, PL_E_CANCELLED);
		finish(r);
	}
}

/* With the next slice, or else the next piece. */
static void
go_on_after(struct pl_long_read *r, int64_t pause_ms)
{
	if (pause_ms > 0)
		pl_timer_start(pl_app.loop, &r->pause, pause_ms);
	else if (has_more_of_piece(r))
		write_slice(r);
	else
		read_piece(r);
}

/* The client took the slice. */
static void
on_more(struct pl_request *rq)
{
	struct pl_long_read *r = rq->arg;
	int64_t even_ms, owed_ms = 0;

	if (!r->goes_on) {
		write_piece(r);
		return;
	}
	even_ms = pl_share_pace(&r->turn, (int64_t)r->slice);
	if (!has_more_of_piece(r) || rq->is_gone)
		owed_ms = spend(r); /* after the last piece, too */
	if (rq->is_gone || (r->is_last && !has_more_of_piece(r)))
		end(r);
	else
		go_on_after(r, owed_ms > even_ms ? owed_ms : even_ms);
}

static void
start_stream(struct pl_long_read *r)
{
	r->rq->arg = r;
	if (!pl_stream_start(r->rq, 200, "application/json", on_more))
		finish(r);
}

/* ---- the request --------------------------------------------------------------------- */

static void
on_next_piece(struct pl_long_read *r, enum pl_err err)
{
	if (err == PL_OK) {
		write_piece(r);
		return;
	}
	pl_stream_abort(r->rq);
	finish(r);
}

/* Nothing of it is sent: it was read ahead, or has no elements. */
static bool
is_passed_over(const struct pl_long_read *r)
{
	return r->is_ahead || (r->body.len == 0 && !r->is_last);
}

static void
pass_over(struct pl_long_read *r)
{
	int64_t pause_ms = spend(r);

	r->is_ahead = false;
	pl_buf_clear(&r->body);
	go_on_after(r, pause_ms);
}

static int64_t
cost_of_whole(const struct pl_long_read *r)
{
	int64_t bytes = (int64_t)r->body.len;

	return bytes > r->least_bytes ? bytes : r->least_bytes;
}

static void
on_first_piece(struct pl_long_read *r, enum pl_err err)
{
	if (err != PL_OK || r->is_last)
		(void)pl_share_spend(&r->turn, cost_of_whole(r), r->cpu_us);
	if (r->begin != NULL && !r->begin(r, err)) {
		finish(r);
	} else if (err != PL_OK) {
		pl_reply_err(r->rq, err);
		finish(r);
	} else if (r->is_last) {
		reply_whole(r);
	} else {
		start_stream(r);
	}
}

static void
on_read(struct pl_store_read_call *call)
{
	struct pl_long_read *r = PL_CONTAINER(call, struct pl_long_read, call);

	if (call->err == PL_OK && is_passed_over(r))
		pass_over(r);
	else if (r->goes_on)
		on_next_piece(r, call->err);
	else
		on_first_piece(r, call->err);
}

static void
on_turn(struct pl_share_turn *turn, bool may)
{
	struct pl_long_read *r = PL_CONTAINER(turn, struct pl_long_read, turn);

	if (may) { /* what was owed before is paid first */
		go_on_after(r, pl_share_spend(&r->turn, 0, 0));
		return;
	}
	pl_reply_retry(r->rq, PL_PROBLEM_TOO_MANY, RETRY_MS);
	finish(r);
}

void
pl_long_read_start(struct pl_long_read *r)
{
	pl_buf_init(&r->body, PL_BUF_UNLIMITED); /* one piece */
	r->call.run = run;
	r->call.done = on_read;
	r->call.user = &r->rq->claims.user;
	r->pause = (struct pl_timer){.on_fire = on_pause_over, .arg = r};
	pl_share_ask(&pl_app.reads, &r->rq->claims.user, &r->turn, on_turn);
}
