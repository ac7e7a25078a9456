#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "http/long_read.h"
#include "http/reply.h"
#include "http/stream.h"
#include "support/fake_loop.h"

#define PIECES  6
#define ELEMENT 1000
#define RATE    16000000 /* bytes a second */

struct pl_app pl_app;

/* ---- the client, who takes what is written in a moment ---- */

static struct {
	struct pl_buf got;
	size_t writes, longest;
	bool is_whole, is_ended;
	void (*on_more)(struct pl_request *rq);
	struct pl_request *rq;
	struct pl_timer taken;
} client;

static void
on_taken(struct pl_timer *t)
{
	(void)t;
	client.on_more(client.rq);
}

bool
pl_stream_start(struct pl_request *rq, int status, const char *content_type,
    void (*on_more)(struct pl_request *rq))
{
	(void)status;
	(void)content_type;
	client.rq = rq;
	client.on_more = on_more;
	client.taken.on_fire = on_taken;
	pl_timer_start(pl_app.loop, &client.taken, 0);
	return true;
}

void
pl_stream_write(struct pl_request *rq, struct pl_str piece)
{
	(void)rq;
	assert_true(piece.len > 0);
	(void)pl_buf_add_str(&client.got, piece);
	client.writes++;
	if (piece.len > client.longest)
		client.longest = piece.len;
	pl_timer_start(pl_app.loop, &client.taken, 0);
}

void
pl_stream_end(struct pl_request *rq)
{
	(void)rq;
	client.is_ended = true;
}

void
pl_stream_abort(struct pl_request *rq)
{
	(void)rq;
	fail_msg("nothing fails here");
}

void
pl_reply_json(struct pl_request *rq, int status, struct pl_str body)
{
	(void)rq;
	(void)status;
	(void)pl_buf_add_str(&client.got, body);
	client.is_whole = true;
}

void
pl_reply_err(struct pl_request *rq, enum pl_err err)
{
	(void)rq;
	fail_msg("%d", err);
}

void
pl_reply_retry(struct pl_request *rq, enum pl_problem problem, int64_t wait_ms)
{
	(void)rq;
	(void)problem;
	fail_msg("refused for %lld ms", (long long)wait_ms);
}

/* ---- what is read ---- */

static struct pl_store_read_call *asked; /* of a thread */
static size_t pieces, read_pieces, pieces_ahead;
static unsigned without_elements; /* a bit for each piece */
static bool is_freed;

enum pl_err
pl_store_async_read(struct pl_store_async *sa, struct pl_store_read_call *call)
{
	(void)sa;
	asked = call;
	return PL_OK;
}

void
pl_store_async_read_now_or_done(
    struct pl_store_async *sa, struct pl_store_read_call *call)
{
	(void)sa;
	call->err = call->run(call, NULL);
	call->done(call);
}

static enum pl_err
read_piece(struct pl_long_read *r, struct pl_store *s, struct pl_json_out *o)
{
	char text[ELEMENT + 1];

	(void)s;
	memset(text, 'a' + (int)read_pieces % 26, ELEMENT);
	text[ELEMENT] = '\0';
	if ((without_elements >> read_pieces & 1) == 0)
		for (size_t i = 0; i < PL_LONG_READ_PIECE_BYTES / ELEMENT; i++)
			pl_jo_str(o, pl_str(text));
	r->is_last = ++read_pieces == pieces;
	r->is_ahead = read_pieces <= pieces_ahead;
	return PL_OK;
}

static void
free_read(struct pl_long_read *r)
{
	(void)r;
	is_freed = true;
}

struct fixture {
	struct pl_request rq;
	struct pl_long_read read;
};

static void
prepare(struct fixture *f, size_t count, int64_t at_once, int64_t rate)
{
	const struct pl_share_rule rule = {
	    .at_once = at_once, .budget.bytes = {rate, 4 * rate}};

	memset(&client, 0, sizeof(client));
	pl_buf_init(&client.got, PL_BUF_UNLIMITED);
	pieces = count;
	read_pieces = pieces_ahead = 0;
	without_elements = 0;
	asked = NULL;
	is_freed = false;
	pl_app.loop = fake_loop_new();
	pl_share_init(&pl_app.reads, pl_app.loop, &rule);
	*f = (struct fixture){
	    .read = {.rq = &f->rq, .read = read_piece, .free = free_read}};
}

static void
begin(struct fixture *f, size_t count, int64_t rate)
{
	prepare(f, count, 4, rate);
	pl_long_read_start(&f->read);
}

static void
end(void)
{
	pl_timer_stop(pl_app.loop, &client.taken);
	pl_share_fini(&pl_app.reads);
	fake_loop_free(pl_app.loop);
	pl_buf_fini(&client.got);
}

/* What the store was asked for is there at once. */
static void
go_on(void)
{
	struct pl_store_read_call *call;

	fake_loop_run(pl_app.loop);
	if ((call = asked) == NULL)
		return;
	asked = NULL;
	call->err = call->run(call, NULL);
	call->done(call);
	fake_loop_run(pl_app.loop);
}

/* ---- tests ---- */

static void
gives_a_short_answer_whole(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, 1, RATE);
	go_on();
	assert_true(client.is_whole && is_freed);
	assert_int_equal(client.got.data[0], '[');
	assert_int_equal(client.got.data[client.got.len - 1], ']');
	end();
}

/* At any moment there is no more of it than the rate gives, and a slice. */
static void
gives_a_long_one_in_slices_at_an_even_pace(void **state)
{
	struct fixture f;
	size_t elements = 0;
	int64_t ms = 0;

	(void)state;
	begin(&f, PIECES, RATE);
	for (; !client.is_ended; ms++) {
		go_on();
		assert_in_range(client.got.len, 0,
		    (size_t)(ms + 1) * (RATE / 1000) + PL_LONG_READ_SLICE_BYTES);
		assert_true(ms < 10000);
		fake_loop_advance(pl_app.loop, 1);
	}
	assert_true(is_freed);
	assert_in_range(client.longest, 1, PL_LONG_READ_SLICE_BYTES);
	assert_true(client.writes >= client.got.len / PL_LONG_READ_SLICE_BYTES);
	/* and not slower than it: some ms are lost in whole ones */
	assert_in_range(ms, 1, (int64_t)client.got.len * 1000 / RATE + PIECES + 10);
	for (size_t i = 1; i < client.got.len; i++)
		elements += client.got.data[i] == '"';
	assert_int_equal(elements, 2 * PIECES * (PL_LONG_READ_PIECE_BYTES / ELEMENT));
	assert_int_equal(client.got.data[0], '[');
	assert_int_equal(client.got.data[client.got.len - 1], ']');
	end();
}

static void
gives_all_at_once_without_a_rate(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, PIECES, 0);
	for (size_t i = 0; i < PIECES; i++)
		go_on();
	assert_true(client.is_ended && is_freed);
	end();
}

/* In the middle of a piece, too; what was read is owed. */
static void
ends_when_the_client_has_gone(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, PIECES, RATE);
	go_on();
	assert_int_equal(client.writes, 1);
	f.rq.is_gone = true;
	for (int ms = 0; ms < 100 && !is_freed; ms++) {
		fake_loop_advance(pl_app.loop, 1);
		go_on();
	}
	assert_true(client.is_ended && is_freed);
	assert_in_range(client.writes, 1, 2);
	assert_int_equal(read_pieces, 1);
	assert_int_equal(pl_app.reads.users.count, 1); /* who owes */
	end();
}

/* What is paced is paid at the end of its piece, or when the client goes before that. */
static void
lets_who_leaves_in_a_pause_pay(void **state)
{
	struct fixture f;
	size_t read;

	(void)state;
	begin(&f, PIECES, RATE);
	while (read_pieces < 3 || !pl_timer_is_started(&f.read.pause) ||
	       f.read.written == f.read.body.len) {
		go_on();
		fake_loop_advance(pl_app.loop, 1);
	}
	pl_timer_stop(pl_app.loop, &f.read.pause);
	fake_loop_advance(pl_app.loop, 1000); /* the pieces before are paid */
	pl_timer_start(pl_app.loop, &f.read.pause, 1);
	read = read_pieces;
	f.rq.is_gone = true;
	for (int ms = 0; ms < 100 && !is_freed; ms++) {
		fake_loop_advance(pl_app.loop, 1);
		go_on();
	}
	assert_true(client.is_ended && is_freed);
	assert_int_equal(read_pieces, read);
	assert_int_equal(pl_app.reads.users.count, 1);
	end();
}

/* What is read ahead is paid for, and not sent. */
static void
sends_nothing_of_what_is_read_ahead(void **state)
{
	struct fixture f;

	(void)state;
	prepare(&f, 2, 4, 0);
	pieces_ahead = 1;
	pl_long_read_start(&f.read);
	go_on();
	assert_false(client.is_whole);
	assert_int_equal(client.writes, 0);
	go_on();
	assert_true(client.is_whole && is_freed);
	assert_memory_equal(client.got.data, "[\"bbb", 5);
	end();
}

/* Of all that a piece was to have nothing may be left: users who are gone. */
static void
passes_over_pieces_without_elements(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits < 1U << PIECES; bits++) {
		size_t elements = 0, expected = 0;
		struct fixture f;

		prepare(&f, PIECES, 4, 0);
		without_elements = bits;
		pl_long_read_start(&f.read);
		for (int i = 0; i < PIECES && !is_freed; i++)
			go_on();
		assert_true(is_freed && (client.is_ended || client.is_whole));
		for (unsigned i = 0; i < PIECES; i++)
			expected +=
			    (bits >> i & 1) == 0 ? PL_LONG_READ_PIECE_BYTES / ELEMENT : 0;
		for (size_t i = 0; i < client.got.len; i++)
			elements += client.got.data[i] == '"';
		assert_int_equal(elements, 2 * expected);
		/* brackets and commas: as many as an array of them has */
		assert_int_equal(client.got.len,
		    2 + expected * (ELEMENT + 2) + (expected > 0 ? expected - 1 : 0));
		assert_int_equal(client.got.data[0], '[');
		assert_int_equal(client.got.data[client.got.len - 1], ']');
		assert_null(strstr(client.got.data, "[,"));
		assert_null(strstr(client.got.data, ",,"));
		assert_null(strstr(client.got.data, ",]"));
		end();
	}
}

/* The pieces that follow are a thread's. */
static void
reads_the_first_piece_of_a_small_one_on_the_loop(void **state)
{
	struct fixture f;

	(void)state;
	prepare(&f, 2, 4, 0);
	f.read.is_small = true;
	pl_long_read_start(&f.read);
	assert_int_equal(read_pieces, 1);
	assert_null(asked);
	fake_loop_run(pl_app.loop);
	assert_non_null(asked);
	go_on();
	assert_true(client.is_ended && is_freed);
	end();
}

/* Else all that wait would be read in one turn of the loop. */
static void
reads_none_on_the_loop_that_waited_for_another_of_its_user(void **state)
{
	struct pl_request other_rq = {0};
	struct pl_long_read other = {
	    .rq = &other_rq, .read = read_piece, .free = free_read, .is_small = true};
	struct fixture f;

	(void)state;
	prepare(&f, 1, 1, 0);
	pl_long_read_start(&f.read);
	pl_long_read_start(&other);
	assert_int_equal(read_pieces, 0);
	go_on();
	assert_int_equal(read_pieces, 1);
	assert_ptr_equal(asked, &other.call);
	pieces = 2;
	go_on();
	assert_int_equal(read_pieces, 2);
	assert_true(other.is_last);
	end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(gives_a_short_answer_whole),
	    cmocka_unit_test(gives_a_long_one_in_slices_at_an_even_pace),
	    cmocka_unit_test(gives_all_at_once_without_a_rate),
	    cmocka_unit_test(ends_when_the_client_has_gone),
	    cmocka_unit_test(lets_who_leaves_in_a_pause_pay),
	    cmocka_unit_test(passes_over_pieces_without_elements),
	    cmocka_unit_test(sends_nothing_of_what_is_read_ahead),
	    cmocka_unit_test(reads_the_first_piece_of_a_small_one_on_the_loop),
	    cmocka_unit_test(reads_none_on_the_loop_that_waited_for_another_of_its_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
