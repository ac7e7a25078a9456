/*
 * W1: random frame sequences give the same verdict as Debian's libwslay: the same
 * messages, pings and pongs, and then the same close code sent.
 *
 * Listed exceptions:
 *   - close codes 1012 to 1014: registered with IANA after the RFC, which wslay refuses
 *   - a header that cannot be: wslay's Close has no code, ours 1002
 *   - a Close with a body of one byte, which wslay takes for an empty one (§5.5.1: 1002);
 *     not drawn
 *   - a Close with both a bad code and a bad reason: wslay sees the reason first (1007), we
 *     the code (1002); such are not drawn
 *   - the limits of ours that wslay has not: fragments in a message, control frames a second
 *
 * WSLAY_SEQUENCES and WSLAY_SEED in the environment choose others than the 100,000 of
 * make units.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <stdio.h>
#include <cmocka.h>
#include <wslay/wslay.h>

#include "support/ws_trace.h"

#define MESSAGE_LIMIT 300 /* small, so that sequences meet it */

/* xorshift64*: the same sequences on each machine. */
static uint64_t
draw(uint64_t *seed)
{
	*seed ^= *seed >> 12;
	*seed ^= *seed << 25;
	*seed ^= *seed >> 27;
	return (*seed * 0x2545F4914F6CDD1Du) >> 32;
}

static bool
one_in(uint64_t *seed, unsigned n)
{
	return draw(seed) % n == 0;
}

/* ---- sequences -------------------------------------------------------------------------- */

static uint8_t
draw_opcode(uint64_t *seed, bool *in_message)
{
	static const uint8_t any[] = {0, 1, 2, 8, 8, 8, 8, 8, 8, 9, 10, 0, 1, 2, 3, 11};
	static const uint8_t start[] = {1, 1, 1, 2, 1, 2, 9, 10};
	static const uint8_t go_on[] = {0, 0, 0, 0, 0, 0, 9, 10};

	if (one_in(seed, 12))
		return any[draw(seed) % sizeof(any)];
	return *in_message ? go_on[draw(seed) % 8] : start[draw(seed) % 8];
}

static size_t
draw_len(uint64_t *seed, uint8_t opcode)
{
	static const size_t edges[] = {0, 1, 2, 124, 125, 126, 127, 299, 300, 301};

	if (!one_in(seed, 6))
		return draw(seed) % 12;
	if (opcode >= 8 && !one_in(seed, 8))
		return edges[draw(seed) % 5];
	return edges[draw(seed) % 10];
}

/* Mostly UTF-8, also characters cut at the end of a frame. */
static void
fill(uint64_t *seed, char *out, size_t len)
{
	static const char *const characters[] = {"a", "Z", "\xc3\xbc", "\xe2\x82\xac",
	    "\xf0\x9f\x98\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xf4\x8f\xbf\xbf"};
	const char *c = "";

	for (size_t i = 0; i < len; i++) {
		if (*c == '\0')
			c = characters[one_in(seed, 2) ? 0 : draw(seed) % 8];
		out[i] = *c++;
	}
	if (len == 0)
		return;
	if (one_in(seed, 10)) {
		size_t at = draw(seed) % len;

		out[at] = (char)draw(seed);
	} else if (*c != '\0' && one_in(seed, 2)) { /* no character cut in half */
		for (size_t i = len; i-- > 0 && (out[i] & 0x80);)
			out[i] = 'x';
	}
}

static void
fill_close(uint64_t *seed, char *out, size_t len)
{
	static const uint16_t codes[] = {1000, 1001, 1003, 1007, 1011, 3000, 4999, 0, 999,
	    1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535};
	const size_t good = 7; /* of them may be sent */
	size_t drawn = draw(seed) % (sizeof(codes) / sizeof(codes[0]));
	uint16_t code = codes[drawn];

	fill(seed, out, len);
	if (drawn >= good)
		memset(out, 'x', len);
	if (len > 0)
		out[0] = (char)(code >> 8);
	if (len > 1)
		out[1] = (char)code;
}

/* Sometimes break the header in a way of its own. */
static size_t
write_header(uint64_t *seed, uint8_t *head, uint8_t opcode, bool fin, size_t len,
    const uint8_t mask[PL_WS_MASK_LEN])
{
	size_t size = pl_ws_header_encode(
	    head, (enum pl_ws_opcode)opcode, fin, len, one_in(seed, 200) ? NULL : mask);

	if (one_in(seed, 60))
		head[0] ^= (uint8_t)(0x10 << draw(seed) % 4);
	if (len < 126 && one_in(seed, 60)) { /* a longer form than needed */
		head[1] = (uint8_t)(0x80 | (one_in(seed, 2) ? 126 : 127));
		size = (head[1] & 0x7f) == 126 ? 4 : 10;
		memset(head + 2, 0, size - 2);
		head[size - 1] = (uint8_t)len;
		if (size == 10 && one_in(seed, 4))
			head[2] |= 0x80;
		memcpy(head + size, mask, PL_WS_MASK_LEN);
		size += PL_WS_MASK_LEN;
	}
	return size;
}

static void
add_frame(uint64_t *seed, struct pl_buf *out, bool *in_message)
{
	uint8_t head[PL_WS_HEADER_MAX], mask[PL_WS_MASK_LEN];
	uint8_t opcode = draw_opcode(seed, in_message);
	bool control = opcode >= 8;
	bool fin = control ? !one_in(seed, 40) : one_in(seed, 2);
	size_t len = draw_len(seed, opcode);
	char payload[512];

	for (size_t i = 0; i < sizeof(mask); i++)
		mask[i] = (uint8_t)draw(seed);
	if (opcode == PL_WS_CLOSE && len == 1)
		len = 0;
	if (opcode == PL_WS_CLOSE)
		fill_close(seed, payload, len);
	else
		fill(seed, payload, len);
	if (!control)
		*in_message = !fin;
	pl_buf_add(out, head, write_header(seed, head, opcode, fin, len, mask));
	pl_ws_mask(payload, len, mask, 0);
	pl_buf_add(out, payload, len);
}

/* ---- wslay ------------------------------------------------------------------------------ */

struct theirs {
	struct pl_str input;
	struct pl_buf events;
	struct pl_buf sent;
	bool header_refused;
};

static ssize_t
on_recv(wslay_event_context_ptr ctx, uint8_t *buf, size_t len, int flags, void *user)
{
	struct theirs *t = user;

	(void)flags;
	if (t->input.len == 0) {
		wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	if (len > t->input.len)
		len = t->input.len;
	memcpy(buf, t->input.ptr, len);
	t->input = pl_str_n(t->input.ptr + len, t->input.len - len);
	return (ssize_t)len;
}

static ssize_t
on_send(
    wslay_event_context_ptr ctx, const uint8_t *data, size_t len, int flags, void *user)
{
	struct theirs *t = user;

	(void)ctx;
	(void)flags;
	pl_buf_add(&t->sent, data, len);
	return (ssize_t)len;
}

static void
write_event(struct pl_buf *out, const char *name, struct pl_str data)
{
	pl_buf_printf(out, "%s%s(", out->len ? " " : "", name);
	if (strcmp(name, "binary") == 0)
		for (size_t i = 0; i < data.len; i++)
			pl_buf_printf(out, "%02x", (unsigned char)data.ptr[i]);
	else
		pl_buf_add_str(out, data);
	pl_buf_add_char(out, ')');
}

static void
on_message(wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *arg,
    void *user)
{
	static const char *const names[16] = {
	    [1] = "text", [2] = "binary", [9] = "ping", [10] = "pong"};
	struct theirs *t = user;

	(void)ctx;
	if (arg->opcode != WSLAY_CONNECTION_CLOSE)
		write_event(
		    &t->events, names[arg->opcode], pl_str_n(arg->msg, arg->msg_length));
}

static void
run_wslay(struct theirs *t, struct pl_str input)
{
	static const struct wslay_event_callbacks callbacks = {.recv_callback = on_recv,
	    .send_callback = on_send,
	    .on_msg_recv_callback = on_message};
	wslay_event_context_ptr ctx;

	t->input = input;
	pl_buf_clear(&t->events);
	pl_buf_clear(&t->sent);
	assert_int_equal(wslay_event_context_server_init(&ctx, &callbacks, t), 0);
	wslay_event_config_set_max_recv_msg_length(ctx, MESSAGE_LIMIT);
	t->header_refused = wslay_event_recv(ctx) == WSLAY_ERR_CALLBACK_FAILURE;
	assert_int_equal(wslay_event_send(ctx), 0);
	wslay_event_context_free(ctx);
}

/* ---- ours ------------------------------------------------------------------------------- */

static void
run_ours(struct ws_trace *t, const struct pl_ws_conf *conf, struct pl_str input)
{
	pl_buf_clear(&t->events);
	pl_buf_clear(&t->sent);
	pl_ws_conn_init(&t->conn, conf, t);
	ws_trace_feed(t, input.ptr, input.len, input.len);
	pl_ws_conn_fini(&t->conn);
}

/* The events before the last one; the close codes are compared as they were sent. */
static struct pl_str
without_end(struct pl_str events)
{
	static const char *const ends[] = {"close(", "fault("};

	for (size_t i = 0; i < 2; i++) {
		char *at = events.len ? memmem(events.ptr, events.len, ends[i], 6) : NULL;

		if (at)
			return pl_str_n(events.ptr,
			    (size_t)(at - events.ptr) - (at > events.ptr ? 1 : 0));
	}
	return events;
}

/* The code in the Close of what was sent: 0 for no Close, PL_WS_CODE_NONE for an empty
 * one. wslay sends a Close before pongs still in its queue, so it may stand anywhere. */
static unsigned
sent_code(struct pl_str sent)
{
	struct pl_ws_header h;
	const uint8_t *at;

	while (sent.len > 0) {
		at = (const uint8_t *)sent.ptr;
		assert_int_equal(
		    pl_ws_header_parse(PL_WS_CLIENT, at, sent.len, &h), PL_WS_FINE);
		if (h.opcode == PL_WS_CLOSE)
			return h.len == 0 ? PL_WS_CODE_NONE : at[2] * 256u + at[3];
		sent = pl_str_n(
		    sent.ptr + h.size + h.len, sent.len - h.size - (size_t)h.len);
	}
	return 0;
}

static void
print_hex(const char *name, struct pl_str s)
{
	print_error("%s ", name);
	for (size_t i = 0; i < s.len; i++)
		print_error("%02x", (unsigned char)s.ptr[i]);
	print_error("\n");
}

static void
compare(struct ws_trace *ours, struct theirs *theirs, struct pl_str input, uint64_t seed)
{
	struct pl_str events = without_end(pl_buf_str(&ours->events));
	unsigned code = sent_code(pl_buf_str(&ours->sent));
	unsigned their_code = sent_code(pl_buf_str(&theirs->sent));

	if (theirs->header_refused && their_code == PL_WS_CODE_NONE)
		their_code = PL_WS_CODE_PROTOCOL_ERROR;
	if (pl_str_eq(events, pl_buf_str(&theirs->events)) && code == their_code)
		return;
	print_error("seed %llu: we sent %u, wslay %u\n", (unsigned long long)seed, code,
	    their_code);
	print_error("ours   %.*s\n", (int)ours->events.len, ours->events.data);
	print_error("wslay  %.*s\n", (int)theirs->events.len, theirs->events.data);
	print_hex("input ", input);
	fail_msg("the verdicts differ");
}

static uint64_t
setting(const char *name, uint64_t preset)
{
	const char *text = getenv(name);
	uint64_t value = preset;

	if (text)
		assert_true(pl_str_to_u64(pl_str(text), UINT64_MAX, &value));
	return value;
}

static void
random_sequences_give_the_verdicts_of_wslay(void **state)
{
	uint64_t seed = setting("WSLAY_SEED", 6455), first;
	uint64_t sequences = setting("WSLAY_SEQUENCES", 100000);
	uint64_t faults = 0, closes = 0;
	struct pl_ws_conf conf = ws_trace_conf;
	struct theirs theirs = {0};
	struct ws_trace ours;
	struct pl_buf input;
	bool in_message;

	(void)state;
	conf.message_limit_bytes = MESSAGE_LIMIT;
	ws_trace_init(&ours, &conf);
	pl_buf_init(&input, PL_BUF_UNLIMITED);
	pl_buf_init(&theirs.events, PL_BUF_UNLIMITED);
	pl_buf_init(&theirs.sent, PL_BUF_UNLIMITED);
	for (uint64_t n = 0; n < sequences; n++) {
		first = seed;
		in_message = false;
		pl_buf_clear(&input);
		for (uint64_t frames = 1 + draw(&seed) % 8; frames > 0; frames--)
			add_frame(&seed, &input, &in_message);
		run_ours(&ours, &conf, pl_buf_str(&input));
		run_wslay(&theirs, pl_buf_str(&input));
		compare(&ours, &theirs, pl_buf_str(&input), first);
		faults += ours.events.len && strstr(ours.events.data, "fault(");
		closes += ours.events.len && strstr(ours.events.data, "close(");
	}
	print_message("%llu sequences: %llu faults, %llu closes\n",
	    (unsigned long long)sequences, (unsigned long long)faults,
	    (unsigned long long)closes);
	ws_trace_fini(&ours);
	pl_buf_fini(&input);
	pl_buf_fini(&theirs.events);
	pl_buf_fini(&theirs.sent);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(random_sequences_give_the_verdicts_of_wslay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
