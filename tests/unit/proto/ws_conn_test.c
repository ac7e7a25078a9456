/*
 * RFC 6455 §5 to §8 as sequences of literal bytes. Unless a test says otherwise each
 * sequence is fed whole, one byte at a time, and cut in two at every place; and what
 * comes out must be the same. Most frames have a masking key of zero, so that they can be
 * read.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <malloc.h>
#include <cmocka.h>

#include "support/ws_trace.h"

#define KEY      "\0\0\0\0"
#define HELLO    "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58" /* §5.7 */
#define LIT(lit) (lit), sizeof(lit) - 1

/* What must come out: the events, and the bytes sent. */
struct expect {
	const char *events;
	const char *sent;
	size_t sent_len;
};

static void
run(const struct pl_ws_conf *conf, const char *bytes, size_t first, size_t len,
    size_t piece, const struct expect *want)
{
	struct ws_trace t;

	ws_trace_init(&t, conf);
	ws_trace_feed(&t, bytes, first, piece);
	ws_trace_feed(&t, bytes + first, len - first, piece);
	assert_string_equal(t.events.data, want->events);
	assert_int_equal(t.sent.len, want->sent_len);
	if (want->sent_len > 0)
		assert_memory_equal(t.sent.data, want->sent, want->sent_len);
	ws_trace_fini(&t);
}

static void
check_conf(const struct pl_ws_conf *conf, const char *bytes, size_t len,
    const char *events, const char *sent, size_t sent_len)
{
	struct expect want = {events, sent, sent_len};

	run(conf, bytes, 0, len, 1, &want);
	for (size_t first = 0; first <= len; first++)
		run(conf, bytes, first, len, len, &want);
}

static void
check(
    const char *bytes, size_t len, const char *events, const char *sent, size_t sent_len)
{
	check_conf(&ws_trace_conf, bytes, len, events, sent, sent_len);
}

/* A Close with a fault's code and text. */
#define CLOSE_RSV    "\x88\x12\x03\xeareserved bit set"
#define CLOSE_OPCODE "\x88\x11\x03\xeareserved opcode"
#define CLOSE_MASK   "\x88\x0f\x03\xeawrong masking"
#define CLOSE_LENGTH                                                                     \
	"\x88\x0c\x03\xea"                                                               \
	"bad length"
#define CLOSE_CONTROL                                                                    \
	"\x88\x13\x03\xea"                                                               \
	"bad control frame"
#define CLOSE_ORDER                                                                      \
	"\x88\x14\x03\xea"                                                               \
	"frame out of order"
#define CLOSE_CLOSE                                                                      \
	"\x88\x11\x03\xea"                                                               \
	"bad close frame"
#define CLOSE_UTF8 "\x88\x13\x03\xeftext is not UTF-8"
#define CLOSE_SIZE "\x88\x11\x03\xf1message too big"

static void
gives_whole_messages(void **state) /* §5.6 */
{
	(void)state;
	check(LIT(HELLO), "text(Hello)", LIT(""));
	check(LIT("\x82\x83" KEY "\x00\x80\xff"), "binary(0080ff)", LIT(""));
	check(LIT("\x81\x80" KEY "\x82\x80" KEY), "text() binary()", LIT(""));
	check(LIT("\x81\x87" KEY "\xc3\xbc \xe2\x82\xac!" HELLO),
	    "text(\xc3\xbc \xe2\x82\xac!) text(Hello)", LIT(""));
}

static void
joins_fragments(void **state) /* §5.4 */
{
	(void)state;
	check(LIT("\x01\x83" KEY "Hel"
		  "\x80\x82" KEY "lo"),
	    "text(Hello)", LIT(""));
	check(LIT("\x02\x80" KEY "\x00\x82" KEY "ab"
		  "\x00\x80" KEY "\x80\x80" KEY HELLO),
	    "binary(6162) text(Hello)", LIT(""));
	check(LIT("\x01\x80" KEY "\x80\x80" KEY), "text()", LIT(""));
}

static void
each_fragment_has_its_own_key(void **state) /* §5.3 */
{
	(void)state;
	check(LIT("\x01\x83\x01\x02\x03\x04\x49\x67\x6f"
		  "\x80\x82\x11\x22\x33\x44\x7d\x4d"),
	    "text(Hello)", LIT(""));
}

static void
answers_pings_also_between_fragments(void **state) /* §5.4, §5.5.2 */
{
	(void)state;
	check(LIT("\x89\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), "ping(Hello)",
	    LIT("\x8a\x05Hello"));
	check(LIT("\x89\x80" KEY), "ping()", LIT("\x8a\x00"));
	check(LIT("\x01\x83" KEY "Hel"
		  "\x89\x81" KEY "x"
		  "\x8a\x81" KEY "y"
		  "\x80\x82" KEY "lo"),
	    "ping(x) pong(y) text(Hello)", LIT("\x8a\x01x"));
}

static void
takes_pongs_that_nobody_asked_for(void **state) /* §5.5.3 */
{
	(void)state;
	check(LIT("\x8a\x82" KEY "ab"), "pong(ab)", LIT(""));
}

static void
echoes_the_code_of_a_close(void **state) /* §5.5.1 */
{
	(void)state;
	check(LIT("\x88\x85" KEY "\x03\xe8"
		  "bye"),
	    "close(1000,bye)", LIT("\x88\x02\x03\xe8"));
	check(LIT("\x88\x80" KEY), "close(1005,)", LIT("\x88\x00"));
	check(LIT("\x88\x82" KEY "\x0f\xa0"), "close(4000,)", LIT("\x88\x02\x0f\xa0"));
	check(LIT("\x01\x81" KEY "x"
		  "\x88\x82" KEY "\x03\xe9"),
	    "close(1001,)", LIT("\x88\x02\x03\xe9"));
}

static void
nothing_comes_after_a_close(void **state) /* §5.5.1 */
{
	(void)state;
	check(LIT("\x88\x82" KEY "\x03\xe8" HELLO "\x89\x80" KEY "\xff\xff"),
	    "close(1000,)", LIT("\x88\x02\x03\xe8"));
	check(LIT("\xff" HELLO "\x88\x82" KEY "\x03\xe8"), "fault(1002,reserved bit set)",
	    LIT(CLOSE_RSV));
}

static void
refuses_bad_headers(void **state) /* §5.2, §5.5; W5: RSV1 is a compressed message */
{
	(void)state;
	check(LIT(HELLO "\xc1\x80" KEY), "text(Hello) fault(1002,reserved bit set)",
	    LIT(CLOSE_RSV));
	check(LIT("\x83\x80" KEY), "fault(1002,reserved opcode)", LIT(CLOSE_OPCODE));
	check(LIT("\x81\x05Hello"), "fault(1002,wrong masking)", LIT(CLOSE_MASK));
	check(LIT("\x82\xfe\x00\x7d" KEY), "fault(1002,bad length)", LIT(CLOSE_LENGTH));
	check(LIT("\x82\xff\0\0\0\0\0\0\xff\xff" KEY), "fault(1002,bad length)",
	    LIT(CLOSE_LENGTH));
	check(LIT("\x82\xff\x80\0\0\0\0\0\0\0" KEY), "fault(1002,bad length)",
	    LIT(CLOSE_LENGTH));
	check(LIT("\x09\x80" KEY), "fault(1002,bad control frame)", LIT(CLOSE_CONTROL));
	check(LIT("\x89\xfe\x00\x7e" KEY), "fault(1002,bad control frame)",
	    LIT(CLOSE_CONTROL));
}

static void
refuses_frames_out_of_order(void **state) /* §5.4 */
{
	(void)state;
	check(
	    LIT("\x80\x82" KEY "lo"), "fault(1002,frame out of order)", LIT(CLOSE_ORDER));
	check(LIT("\x00\x80" KEY), "fault(1002,frame out of order)", LIT(CLOSE_ORDER));
	check(LIT("\x01\x83" KEY "Hel"
		  "\x81\x82" KEY "lo"),
	    "fault(1002,frame out of order)", LIT(CLOSE_ORDER));
	check(LIT("\x01\x83" KEY "Hel"
		  "\x80\x80" KEY "\x80\x80" KEY),
	    "text(Hel) fault(1002,frame out of order)", LIT(CLOSE_ORDER));
}

static void
refuses_bad_close_frames(void **state) /* §5.5.1, §7.4, §8.1 */
{
	static const uint16_t bad[] = {0, 999, 1004, 1005, 1006, 1015, 2999, 5000};
	char frame[] = "\x88\x82" KEY "..";

	(void)state;
	check(
	    LIT("\x88\x81" KEY "\x03"), "fault(1002,bad close frame)", LIT(CLOSE_CLOSE));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		frame[6] = (char)(bad[i] >> 8);
		frame[7] = (char)bad[i];
		check(frame, 8, "fault(1002,bad close frame)", LIT(CLOSE_CLOSE));
	}
	check(LIT("\x88\x84" KEY "\x03\xe8\xc3\x28"), "fault(1007,text is not UTF-8)",
	    LIT(CLOSE_UTF8));
}

static void
refuses_text_that_is_not_utf8(void **state) /* §8.1 */
{
	(void)state;
	check(LIT("\x81\x82" KEY "\xc3\x28"), "fault(1007,text is not UTF-8)",
	    LIT(CLOSE_UTF8));
	check(
	    LIT("\x81\x81" KEY "\xc3"), "fault(1007,text is not UTF-8)", LIT(CLOSE_UTF8));
	check(LIT("\x81\x83" KEY "\xed\xa0\x80"), "fault(1007,text is not UTF-8)",
	    LIT(CLOSE_UTF8));
	check(LIT("\x01\x81" KEY "\xc3"
		  "\x80\x80" KEY),
	    "fault(1007,text is not UTF-8)", LIT(CLOSE_UTF8));
	check(LIT("\x01\x81" KEY "\xe2"
		  "\x00\x81" KEY "\x82"
		  "\x80\x81" KEY "\xac"),
	    "text(\xe2\x82\xac)", LIT(""));
	check(LIT("\x02\x81" KEY "\xff"
		  "\x80\x81" KEY "\xfe"),
	    "binary(fffe)", LIT(""));
}

static void
fails_at_the_first_byte_that_cannot_be_text(
    void **state) /* §8.1, before the frame ends */
{
	(void)state;
	check(LIT("\x81\xfe\x00\x80" KEY "ab\xff"), "fault(1007,text is not UTF-8)",
	    LIT(CLOSE_UTF8));
	check(LIT("\x01\x82" KEY "\xf4\x90"), "fault(1007,text is not UTF-8)",
	    LIT(CLOSE_UTF8));
}

static void
three_frames_cut_at_every_two_places_give_one_result(void **state) /* W2 */
{
	static const char bytes[] =
	    "\x01\x84" KEY "\xe2\x82\xac"
	    "a"
	    "\x89\x82\x01\x02\x03\x04\x69\x6b"
	    "\x80\x81\x09\x08\x07\x06\x6b" HELLO "\x88\x83" KEY "\x03\xe8!";
	size_t len = sizeof(bytes) - 1;
	struct ws_trace t;

	(void)state;
	for (size_t i = 0; i <= len; i++)
		for (size_t j = i; j <= len; j++) {
			ws_trace_init(&t, &ws_trace_conf);
			ws_trace_feed(&t, bytes, i, len);
			ws_trace_feed(&t, bytes + i, j - i, len);
			ws_trace_feed(&t, bytes + j, len - j, len);
			assert_string_equal(t.events.data,
			    "ping(hi) text(\xe2\x82\xac"
			    "ab) text(Hello) close(1000,!)");
			assert_int_equal(t.sent.len, 8);
			assert_memory_equal(t.sent.data, "\x8a\x02hi\x88\x02\x03\xe8", 8);
			assert_null(t.conn.pending);
			ws_trace_fini(&t);
		}
}

/* ---- closing ---------------------------------------------------------------------------- */

static void
our_close_awaits_theirs_and_drops_the_rest(void **state) /* §1.4, §7.1 */
{
	static const char bytes[] =
	    "lo" HELLO "\x89\x80" KEY "\x8a\x80" KEY "\x01\x81" KEY "\xff"
	    "\x80\x81" KEY "x"
	    "\x88\x82" KEY "\x03\xe9" HELLO;
	struct ws_trace t;

	(void)state;
	for (size_t piece = 1; piece < sizeof(bytes); piece++) {
		ws_trace_init(&t, &ws_trace_conf);
		ws_trace_feed(
		    &t, LIT("\x81\x84" KEY "he"), 99); /* "lo" is still to come */
		pl_ws_conn_close(&t.conn, PL_WS_CODE_GOING_AWAY, PL_STR("restart"));
		assert_int_equal(t.conn.state, PL_WS_CLOSING);
		assert_false(pl_ws_conn_is_open(&t.conn));
		pl_ws_conn_close(&t.conn, PL_WS_CODE_NORMAL, PL_STR("again"));
		ws_trace_feed(&t, bytes, sizeof(bytes) - 1, piece);
		assert_string_equal(t.events.data, "close(1001,)");
		assert_int_equal(t.conn.state, PL_WS_CLOSED);
		assert_int_equal(t.sent.len, 11);
		assert_memory_equal(t.sent.data, "\x88\x09\x03\xe9restart", 11);
		assert_null(t.conn.pending);
		ws_trace_fini(&t);
	}
}

static void
our_close_hears_them_out_if_it_is_to(void **state) /* §5.5.1: they may have sent before */
{
	static const char bytes[] = "lo" HELLO "\x89\x80" KEY "\x01\x81" KEY "x"
				    "\x80\x81" KEY "y"
				    "\x88\x82" KEY "\x03\xe9" HELLO;
	struct ws_trace t;

	(void)state;
	for (size_t piece = 1; piece < sizeof(bytes); piece++) {
		ws_trace_init(&t, &ws_trace_conf);
		ws_trace_feed(&t, LIT("\x81\x84" KEY "he"), 99);
		pl_ws_conn_close_heard_out(
		    &t.conn, PL_WS_CODE_GOING_AWAY, PL_STR("restart"));
		assert_false(pl_ws_conn_is_open(&t.conn));
		ws_trace_feed(&t, bytes, sizeof(bytes) - 1, piece);
		assert_string_equal(
		    t.events.data, "text(helo) text(Hello) text(xy) close(1001,)");
		assert_int_equal(t.sent.len, 11); /* our Close, and no pong after it */
		assert_null(t.conn.pending);
		ws_trace_fini(&t);
	}
	/* its rules hold, and nothing comes after its Close */
	ws_trace_init(&t, &ws_trace_conf);
	pl_ws_conn_close_heard_out(&t.conn, PL_WS_CODE_NONE, PL_STR_NONE);
	ws_trace_feed(&t, LIT("\x81\x81" KEY "\xff" HELLO), 1);
	assert_string_equal(t.events.data, "fault(1007,text is not UTF-8)");
	assert_int_equal(t.sent.len, 2);
	ws_trace_fini(&t);
}

static void
a_fault_while_closing_sends_no_second_close(void **state) /* §5.5.1 */
{
	struct ws_trace t;

	(void)state;
	ws_trace_init(&t, &ws_trace_conf);
	pl_ws_conn_close(&t.conn, PL_WS_CODE_NONE, PL_STR_NONE);
	ws_trace_feed(&t, LIT("\xff"), 1);
	assert_string_equal(t.events.data, "fault(1002,reserved bit set)");
	assert_int_equal(t.sent.len, 2);
	assert_memory_equal(t.sent.data, "\x88\x00", 2);
	pl_ws_conn_close(&t.conn, PL_WS_CODE_NORMAL, PL_STR_NONE);
	assert_false(pl_ws_conn_is_open(&t.conn));
	assert_int_equal(t.sent.len, 2);
	ws_trace_fini(&t);
}

static void
an_event_may_close_and_free_the_connection(void **state)
{
	char bytes[] = HELLO HELLO;
	struct pl_ws_input in = {(uint8_t *)bytes, sizeof(bytes) - 1};
	struct pl_ws_event ev;
	struct ws_trace t;

	(void)state;
	ws_trace_init(&t, &ws_trace_conf);
	assert_true(pl_ws_conn_next(&t.conn, &in, 0, &ev));
	pl_ws_conn_close(&t.conn, PL_WS_CODE_POLICY, PL_STR_NONE);
	assert_true(pl_str_eq(ev.data, PL_STR("Hello"))); /* still borrowed */
	assert_int_equal(in.len, 11);
	assert_false(pl_ws_conn_next(&t.conn, &in, 0, &ev));
	assert_int_equal(in.len, 0);
	ws_trace_fini(&t);
	pl_ws_conn_fini(&t.conn);
	pl_ws_conn_fini(NULL);
}

static void
a_message_gathered_from_pieces_outlives_a_close_until_the_next_pull(void **state)
{
	char first[] = "\x81\x85" KEY "He", rest[] = "llo" HELLO;
	struct pl_ws_input in = {(uint8_t *)first, sizeof(first) - 1};
	struct pl_ws_event ev;
	struct ws_trace t;

	(void)state;
	ws_trace_init(&t, &ws_trace_conf);
	assert_false(pl_ws_conn_next(&t.conn, &in, 0, &ev));
	in = (struct pl_ws_input){(uint8_t *)rest, sizeof(rest) - 1};
	assert_true(pl_ws_conn_next(&t.conn, &in, 0, &ev));
	pl_ws_conn_close(&t.conn, PL_WS_CODE_POLICY, PL_STR_NONE);
	assert_true(pl_str_eq(ev.data, PL_STR("Hello")));
	assert_false(pl_ws_conn_next(&t.conn, &in, 0, &ev));
	assert_null(t.conn.pending);
	ws_trace_fini(&t);
}

/* ---- limits ----------------------------------------------------------------------------- */

/* Feed frames with a zero key, each of len payload bytes 'x'. */
static void
feed_frame(struct ws_trace *t, uint8_t opcode, bool fin, size_t len, size_t piece)
{
	static const uint8_t key[PL_WS_MASK_LEN];
	uint8_t head[PL_WS_HEADER_MAX];
	struct pl_buf frame;
	char *room;

	pl_buf_init(&frame, PL_BUF_UNLIMITED);
	pl_buf_add(&frame, head,
	    pl_ws_header_encode(head, (enum pl_ws_opcode)opcode, fin, len, key));
	room = pl_buf_reserve(&frame, len);
	memset(room, 'x', len);
	frame.len += len;
	ws_trace_feed(t, frame.data, frame.len, piece);
	pl_buf_fini(&frame);
}

static void
takes_a_message_of_the_limit_and_refuses_one_byte_more(void **state) /* W4: 1009 */
{
	static const size_t pieces[] = {1000, 65536, 2000000};
	struct ws_trace t;

	(void)state;
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		ws_trace_init(&t, &ws_trace_conf);
		feed_frame(&t, PL_WS_TEXT, true, 1000000, pieces[i]);
		assert_int_equal(t.events.len, 1000000 + strlen("text()"));
		pl_buf_clear(&t.events);
		feed_frame(&t, PL_WS_TEXT, false, 999999, pieces[i]);
		feed_frame(&t, PL_WS_CONTINUATION, true, 1, pieces[i]);
		assert_int_equal(t.events.len, 1000000 + strlen("text()"));
		assert_int_equal(t.sent.len, 0);
		pl_buf_clear(&t.events);
		feed_frame(&t, PL_WS_BINARY, false, 1000000, pieces[i]);
		feed_frame(&t, PL_WS_CONTINUATION, true, 1, pieces[i]);
		assert_string_equal(t.events.data, "fault(1009,message too big)");
		assert_memory_equal(t.sent.data, CLOSE_SIZE, sizeof(CLOSE_SIZE) - 1);
		assert_null(t.conn.pending);
		ws_trace_fini(&t);
	}
}

/* It is the frame that begins next that the limit of now holds for. */
static void
a_limit_may_change_between_two_feeds(void **state)
{
	struct pl_ws_conf conf = ws_trace_conf;
	struct ws_trace t;

	(void)state;
	conf.message_limit_bytes = 10;
	ws_trace_init(&t, &conf);
	feed_frame(&t, PL_WS_BINARY, false, 10, 3);
	conf.message_limit_bytes = 1000;
	feed_frame(&t, PL_WS_CONTINUATION, true, 990, 3);
	assert_string_not_equal(t.events.data, "");
	assert_int_equal(t.sent.len, 0);
	feed_frame(&t, PL_WS_BINARY, false, 500, 3);
	pl_buf_clear(&t.events);
	conf.message_limit_bytes = 10;
	feed_frame(&t, PL_WS_CONTINUATION, true, 1, 3);
	assert_string_equal(t.events.data, "fault(1009,message too big)");
	ws_trace_fini(&t);
}

static void
knows_whether_it_is_within_a_message(void **state)
{
	struct ws_trace t;

	(void)state;
	ws_trace_init(&t, &ws_trace_conf);
	assert_false(pl_ws_conn_is_within(&t.conn));
	ws_trace_feed(&t, "\x81", 1, 1);
	assert_true(pl_ws_conn_is_within(&t.conn));
	ws_trace_feed(&t, "\x81\0\0\0\0", 5, 5);
	assert_true(pl_ws_conn_is_within(&t.conn));
	ws_trace_feed(&t, "x", 1, 1);
	assert_false(pl_ws_conn_is_within(&t.conn));
	feed_frame(&t, PL_WS_TEXT, false, 3, 9);
	assert_true(pl_ws_conn_is_within(&t.conn));
	feed_frame(&t, PL_WS_CONTINUATION, true, 3, 9);
	assert_false(pl_ws_conn_is_within(&t.conn));
	ws_trace_fini(&t);
}

static void
cve_2016_10542_a_large_announced_length_is_refused_by_its_header(void **state)
{
	(void)state;
	check(LIT("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff" KEY),
	    "fault(1009,message too big)", LIT(CLOSE_SIZE));
	check(LIT("\x82\xff\0\0\0\0\0\x0f\x42\x41" KEY), "fault(1009,message too big)",
	    LIT(CLOSE_SIZE));
	check(LIT("\x01\x81" KEY "x"
		  "\x80\xff\x7f\xff\xff\xff\xff\xff\xff\xff" KEY),
	    "fault(1009,message too big)", LIT(CLOSE_SIZE));
}

/* Bytes on the heap; ASan's allocator does not tell. */
static size_t
heap_bytes(void)
{
#ifdef __SANITIZE_ADDRESS__
	return 0;
#else
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
#endif
}

static void
an_announced_length_reserves_no_memory(void **state)
{
	struct ws_trace t;
	size_t before;

	(void)state;
	ws_trace_init(&t, &ws_trace_conf);
	before = heap_bytes();
	ws_trace_feed(&t, LIT("\x82\xff\0\0\0\0\0\x0f\x42\x40" KEY "x"), 99);
	assert_non_null(t.conn.pending);
	assert_true(heap_bytes() - before < 1024);
	ws_trace_fini(&t);
}

static void
cve_2026_48779_tiny_fragments_cost_no_more_than_their_bytes(void **state) /* W4 */
{
	struct pl_ws_conf conf = ws_trace_conf;
	size_t before, most = 0;
	struct ws_trace t;

	(void)state;
	conf.fragments_limit = 200000;
	ws_trace_init(&t, &conf);
	before = heap_bytes();
	feed_frame(&t, PL_WS_TEXT, false, 1, 7);
	for (int i = 1; i < 99999; i++) {
		feed_frame(&t, PL_WS_CONTINUATION, false, 1, 7);
		if (heap_bytes() - before > most)
			most = heap_bytes() - before;
	}
	assert_true(most <= 2 * 100000 + 1024);
	feed_frame(&t, PL_WS_CONTINUATION, true, 1, 7);
	assert_int_equal(t.events.len, 100000 + strlen("text()"));
	assert_null(t.conn.pending);
	ws_trace_fini(&t);
}

static void
closes_at_one_fragment_more_than_1024(void **state) /* W4 */
{
	struct ws_trace t;

	(void)state;
	ws_trace_init(&t, &ws_trace_conf);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 1024; i++)
			feed_frame(&t, i ? PL_WS_CONTINUATION : PL_WS_BINARY,
			    i == 1023 && !round, 1, 99);
		if (!round)
			assert_int_equal(t.events.len, 2 * 1024 + strlen("binary()"));
		pl_buf_clear(&t.events);
	}
	assert_int_equal(t.sent.len, 0);
	feed_frame(&t, PL_WS_CONTINUATION, true, 0, 99);
	assert_string_equal(t.events.data, "fault(1008,too many fragments)");
	assert_int_equal(t.sent.len, 2 + 2 + strlen("too many fragments"));
	for (int i = 0; i < 100000; i++)
		feed_frame(&t, PL_WS_CONTINUATION, false, 1, 99);
	assert_null(t.conn.pending);
	ws_trace_fini(&t);
}

static void
closes_at_one_control_frame_more_than_100_in_a_second(void **state) /* W4 */
{
	struct ws_trace t;

	(void)state;
	ws_trace_init(&t, &ws_trace_conf);
	for (int second = 0; second < 3; second++) {
		for (int i = 0; i < 100; i++)
			feed_frame(&t, i & 1 ? PL_WS_PING : PL_WS_PONG, true, 0, 99);
		assert_true(pl_ws_conn_is_open(&t.conn));
		t.now_mono_ms += 1000;
	}
	t.now_mono_ms -= 1;
	pl_buf_clear(&t.events);
	feed_frame(&t, PL_WS_PING, true, 0, 99);
	assert_string_equal(t.events.data, "fault(1008,too many control frames)");
	ws_trace_fini(&t);
}

static void
an_idle_connection_holds_nothing_on_the_heap(void **state)
{
	static const char bytes[] = HELLO "\x01\x83" KEY "Hel"
					  "\x80\x82" KEY "lo"
					  "\x89\x85" KEY "12345"
					  "\x82\x83" KEY "abc";
	struct ws_trace t;

	(void)state;
	for (size_t piece = 1; piece < sizeof(bytes); piece++) {
		ws_trace_init(&t, &ws_trace_conf);
		ws_trace_feed(&t, bytes, sizeof(bytes) - 1, piece);
		assert_null(t.conn.pending);
		ws_trace_fini(&t);
	}
	assert_true(sizeof(struct pl_ws_conn) <= 96);
}

static void
a_whole_frame_is_given_where_it_lies(void **state)
{
	char bytes[] = "\x82\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
	struct pl_ws_input in = {(uint8_t *)bytes, sizeof(bytes) - 1};
	struct pl_ws_event ev;
	struct ws_trace t;

	(void)state;
	ws_trace_init(&t, &ws_trace_conf);
	assert_true(pl_ws_conn_next(&t.conn, &in, 0, &ev));
	assert_ptr_equal(ev.data.ptr, bytes + 6);
	assert_true(pl_str_eq(ev.data, PL_STR("Hello")));
	assert_null(t.conn.pending);
	ws_trace_fini(&t);
}

/* ---- sending, and the client's end ------------------------------------------------------ */

static void
a_client_and_a_server_understand_each_other(void **state) /* §5.3 */
{
	static const uint8_t key[PL_WS_MASK_LEN] = {1, 2, 3, 4};
	struct pl_ws_conf conf = ws_trace_conf;
	struct ws_trace client, server;

	(void)state;
	conf.role = PL_WS_CLIENT;
	ws_trace_init(&client, &conf);
	ws_trace_init(&server, &ws_trace_conf);
	assert_int_equal(
	    pl_ws_frame_encode(&client.sent, PL_WS_TEXT, PL_STR("Hello"), key), PL_OK);
	assert_int_equal(
	    pl_ws_frame_encode(&client.sent, PL_WS_PING, PL_STR("p"), key), PL_OK);
	pl_ws_conn_close(&client.conn, PL_WS_CODE_NORMAL, PL_STR("done"));
	ws_trace_feed(&server, client.sent.data, client.sent.len, 3);
	assert_string_equal(server.events.data, "text(Hello) ping(p) close(1000,done)");
	ws_trace_feed(&client, server.sent.data, server.sent.len, 3);
	assert_string_equal(client.events.data, "close(1000,)");
	ws_trace_fini(&client);
	ws_trace_fini(&server);
}

static void
a_client_refuses_masked_frames(void **state) /* §5.1 */
{
	struct pl_ws_conf conf = ws_trace_conf;
	struct ws_trace t;

	(void)state;
	conf.role = PL_WS_CLIENT;
	ws_trace_init(&t, &conf);
	ws_trace_feed(&t, LIT("\x81\x05Hello\x01\x03Hel\x80\x02lo" HELLO), 2);
	assert_string_equal(
	    t.events.data, "text(Hello) text(Hello) fault(1002,wrong masking)");
	assert_int_equal(t.sent.len, 6 + 2 + strlen("wrong masking"));
	assert_memory_equal(t.sent.data, "\x88\x8f", 2);
	ws_trace_fini(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(gives_whole_messages),
	    cmocka_unit_test(joins_fragments),
	    cmocka_unit_test(each_fragment_has_its_own_key),
	    cmocka_unit_test(answers_pings_also_between_fragments),
	    cmocka_unit_test(takes_pongs_that_nobody_asked_for),
	    cmocka_unit_test(echoes_the_code_of_a_close),
	    cmocka_unit_test(nothing_comes_after_a_close),
	    cmocka_unit_test(refuses_bad_headers),
	    cmocka_unit_test(refuses_frames_out_of_order),
	    cmocka_unit_test(refuses_bad_close_frames),
	    cmocka_unit_test(refuses_text_that_is_not_utf8),
	    cmocka_unit_test(fails_at_the_first_byte_that_cannot_be_text),
	    cmocka_unit_test(three_frames_cut_at_every_two_places_give_one_result),
	    cmocka_unit_test(our_close_awaits_theirs_and_drops_the_rest),
	    cmocka_unit_test(our_close_hears_them_out_if_it_is_to),
	    cmocka_unit_test(a_fault_while_closing_sends_no_second_close),
	    cmocka_unit_test(an_event_may_close_and_free_the_connection),
	    cmocka_unit_test(
		a_message_gathered_from_pieces_outlives_a_close_until_the_next_pull),
	    cmocka_unit_test(takes_a_message_of_the_limit_and_refuses_one_byte_more),
	    cmocka_unit_test(a_limit_may_change_between_two_feeds),
	    cmocka_unit_test(knows_whether_it_is_within_a_message),
	    cmocka_unit_test(
		cve_2016_10542_a_large_announced_length_is_refused_by_its_header),
	    cmocka_unit_test(an_announced_length_reserves_no_memory),
	    cmocka_unit_test(cve_2026_48779_tiny_fragments_cost_no_more_than_their_bytes),
	    cmocka_unit_test(closes_at_one_fragment_more_than_1024),
	    cmocka_unit_test(closes_at_one_control_frame_more_than_100_in_a_second),
	    cmocka_unit_test(an_idle_connection_holds_nothing_on_the_heap),
	    cmocka_unit_test(a_whole_frame_is_given_where_it_lies),
	    cmocka_unit_test(a_client_and_a_server_understand_each_other),
	    cmocka_unit_test(a_client_refuses_masked_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
