#include "proto/ws_conn.h"

#include <assert.h>

#include "base/mem.h"
#include "base/random.h"
#include "base/utf8.h"

struct pl_ws_pending {
	/* The message under way, while fragments > 0. */
	struct pl_buf
	    message; /* its payload so far; nothing in CLOSING, unless it is heard out */
	struct pl_utf8_state utf8; /* of a text */
	unsigned fragments;        /* frames begun */
	uint8_t opcode;            /* TEXT or BINARY */

	/* The frame under way, while in_frame. */
	bool in_frame;
	struct pl_ws_header frame;
	uint64_t taken;                     /* bytes of its payload so far */
	uint8_t control[PL_WS_CONTROL_MAX]; /* those of a control frame */
};

static void
pending_free(struct pl_ws_conn *c)
{
	if (c->pending == NULL)
		return;
	pl_buf_fini(&c->pending->message);
	pl_mem_free(c->pending);
	c->pending = NULL;
}

static struct pl_ws_pending *
pending_get(struct pl_ws_conn *c)
{
	if (c->pending == NULL) {
		c->pending = pl_mem_zalloc(sizeof(*c->pending));
		pl_buf_init(&c->pending->message, c->conf->message_limit_bytes);
	}
	return c->pending;
}

static bool
in_message(const struct pl_ws_conn *c)
{
	return c->pending && c->pending->fragments > 0;
}

static bool
takes_messages(const struct pl_ws_conn *c)
{
	return c->state == PL_WS_OPEN || (c->state == PL_WS_CLOSING && c->hears_out);
}

/* Free what the last event pointed at, and what no more bytes will be added to. */
static void
release(struct pl_ws_conn *c)
{
	if (c->pending == NULL)
		return;
	if (c->state == PL_WS_CLOSED || !(c->pending->in_frame || in_message(c)))
		pending_free(c);
	else if (!takes_messages(c))
		pl_buf_fini(&c->pending->message);
}

void
pl_ws_conn_init(struct pl_ws_conn *c, const struct pl_ws_conf *conf, void *owner)
{
	*c = (struct pl_ws_conn){.conf = conf, .owner = owner, .state = PL_WS_OPEN};
}

void
pl_ws_conn_fini(struct pl_ws_conn *c)
{
	if (c == NULL)
		return;
	pending_free(c);
	*c = (struct pl_ws_conn){0};
}

/* ---- sending ----------------------------------------------------------------------- */

static void
send_frame(struct pl_ws_conn *c, enum pl_ws_opcode opcode, struct pl_str payload)
{
	uint8_t head[PL_WS_HEADER_MAX];
	uint8_t mask[PL_WS_MASK_LEN];
	struct pl_buf frame;
	size_t size;

	if (c->conf->role == PL_WS_SERVER) {
		size = pl_ws_header_encode(head, opcode, true, payload.len, NULL);
		c->conf->send(c->owner, pl_str_n(head, size), payload);
		return;
	}
	pl_random_bytes(mask, sizeof(mask)); /* §5.3: a fresh key that nobody can guess */
	pl_buf_init(&frame, PL_BUF_UNLIMITED);
	if (pl_ws_frame_encode(&frame, opcode, payload, mask) == PL_OK)
		c->conf->send(c->owner, pl_buf_str(&frame), PL_STR_NONE);
	pl_buf_fini(&frame);
}

static void
send_close(struct pl_ws_conn *c, uint16_t code, struct pl_str reason)
{
	uint8_t body[PL_WS_CONTROL_MAX];
	size_t len = pl_ws_close_encode(body, code, reason);

	send_frame(c, PL_WS_CLOSE, pl_str_n(body, len));
}

void
pl_ws_conn_close(struct pl_ws_conn *c, uint16_t code, struct pl_str reason)
{
	if (c->state != PL_WS_OPEN)
		return;
	c->state = PL_WS_CLOSING;
	send_close(c, code, reason);
}

void
pl_ws_conn_close_heard_out(struct pl_ws_conn *c, uint16_t code, struct pl_str reason)
{
	c->hears_out = true;
	pl_ws_conn_close(c, code, reason);
}

/* ---- the events -------------------------------------------------------------------- */

/* RFC 6455 §7.1.7. Always true: there is an event. */
static bool
fail(struct pl_ws_conn *c, enum pl_ws_verdict fault, struct pl_ws_event *ev)
{
	struct pl_str text = pl_str(pl_ws_verdict_text(fault));
	uint16_t code = pl_ws_verdict_code(fault);
	bool was_open = c->state == PL_WS_OPEN;

	c->state = PL_WS_CLOSED;
	if (was_open)
		send_close(c, code, text);
	*ev = (struct pl_ws_event){PL_WS_EV_FAULT, fault, code, text};
	return true;
}

/* §5.5.1: the answer repeats the code, not the reason. */
static bool
take_close(struct pl_ws_conn *c, struct pl_str body, struct pl_ws_event *ev)
{
	enum pl_ws_verdict verdict;
	bool was_open = c->state == PL_WS_OPEN;
	struct pl_str reason;
	uint16_t code;

	verdict = pl_ws_close_parse(body, &code, &reason);
	if (verdict != PL_WS_FINE)
		return fail(c, verdict, ev);
	c->state = PL_WS_CLOSED;
	if (was_open)
		send_close(c, code, PL_STR_NONE);
	*ev = (struct pl_ws_event){PL_WS_EV_CLOSE, PL_WS_FINE, code, reason};
	return true;
}

static bool
take_control(
    struct pl_ws_conn *c, uint8_t opcode, struct pl_str payload, struct pl_ws_event *ev)
{
	if (opcode == PL_WS_CLOSE)
		return take_close(c, payload, ev);
	if (c->state != PL_WS_OPEN)
		return false;
	if (opcode == PL_WS_PING)
		send_frame(c, PL_WS_PONG, payload);
	*ev = (struct pl_ws_event){
	    .kind = opcode == PL_WS_PING ? PL_WS_EV_PING : PL_WS_EV_PONG,
	    .data = payload};
	return true;
}

static bool
give_message(
    struct pl_ws_conn *c, uint8_t opcode, struct pl_str payload, struct pl_ws_event *ev)
{
	if (!takes_messages(c))
		return false;
	*ev = (struct pl_ws_event){
	    .kind = opcode == PL_WS_TEXT ? PL_WS_EV_TEXT : PL_WS_EV_BINARY,
	    .data = payload};
	return true;
}

/* ---- a message in pieces ----------------------------------------------------------- */

static void
begin_data_frame(struct pl_ws_conn *c, const struct pl_ws_header *h)
{
	struct pl_ws_pending *p = pending_get(c);

	if (p->fragments++ == 0)
		p->opcode = h->opcode;
	/* check_frame() found that all of this frame fits into the limit of now. */
	p->message.limit = c->conf->message_limit_bytes;
}

static enum pl_ws_verdict
add_to_message(struct pl_ws_conn *c, const uint8_t *data, size_t len)
{
	struct pl_ws_pending *p = c->pending;

	if (!takes_messages(c) || len == 0)
		return PL_WS_FINE;
	if (p->opcode == PL_WS_TEXT && !pl_utf8_feed(&p->utf8, data, len))
		return PL_WS_BAD_UTF8;
	return pl_buf_add(&p->message, data, len) == PL_OK ? PL_WS_FINE : PL_WS_BAD_SIZE;
}

static bool
end_data_frame(struct pl_ws_conn *c, bool fin, struct pl_ws_event *ev)
{
	struct pl_ws_pending *p = c->pending;

	if (!fin)
		return false;
	p->fragments = 0; /* release() frees it at the next pull */
	if (takes_messages(c) && !pl_utf8_is_complete(&p->utf8))
		return fail(c, PL_WS_BAD_UTF8, ev);
	return give_message(c, p->opcode, pl_buf_str(&p->message), ev);
}

/* ---- frames ------------------------------------------------------------------------ */

static uint8_t *
take(struct pl_ws_input *in, size_t len)
{
	uint8_t *data = in->data;

	in->data += len;
	in->len -= len;
	return data;
}

/* A header that is whole in the input is read there; one in pieces is gathered. */
static enum pl_ws_verdict
take_header(struct pl_ws_conn *c, struct pl_ws_input *in, struct pl_ws_header *h)
{
	enum pl_ws_verdict verdict = PL_WS_MORE;

	if (c->head_len == 0) {
		verdict = pl_ws_header_parse(c->conf->role, in->data, in->len, h);
		if (verdict == PL_WS_FINE)
			take(in, h->size);
		if (verdict != PL_WS_MORE)
			return verdict;
	}
	while (verdict == PL_WS_MORE && in->len > 0) {
		c->head[c->head_len++] = *take(in, 1);
		verdict = pl_ws_header_parse(c->conf->role, c->head, c->head_len, h);
	}
	if (verdict == PL_WS_FINE)
		c->head_len = 0;
	return verdict;
}

/* One count a second: cheap, and at worst twice the rate for a moment. */
static enum pl_ws_verdict
check_control_rate(struct pl_ws_conn *c, int64_t now_mono_ms)
{
	if (now_mono_ms - c->controls_since_mono_ms >= 1000) {
		c->controls_since_mono_ms = now_mono_ms;
		c->controls = 0;
	}
	c->controls++;
	return c->controls > c->conf->controls_per_s ? PL_WS_BAD_CONTROL_RATE
						     : PL_WS_FINE;
}

/* May this frame come now? Decided by the header, before any payload is held. */
static enum pl_ws_verdict
check_frame(struct pl_ws_conn *c, const struct pl_ws_header *h, int64_t now_mono_ms)
{
	size_t held = in_message(c) ? c->pending->message.len : 0;
	unsigned fragments = in_message(c) ? c->pending->fragments : 0;

	if (pl_ws_opcode_is_control(h->opcode))
		return check_control_rate(c, now_mono_ms);
	if ((h->opcode == PL_WS_CONTINUATION) != in_message(c)) /* §5.4 */
		return PL_WS_BAD_ORDER;
	if (held > c->conf->message_limit_bytes ||
	    h->len > c->conf->message_limit_bytes - held)
		return PL_WS_BAD_SIZE;
	if (fragments >= c->conf->fragments_limit)
		return PL_WS_BAD_FRAGMENTS;
	return PL_WS_FINE;
}

/* A frame whose payload is whole in the input is unmasked there. */
static bool
take_whole_frame(struct pl_ws_conn *c, const struct pl_ws_header *h,
    struct pl_ws_input *in, struct pl_ws_event *ev)
{
	size_t len = (size_t)h->len;
	uint8_t *data = take(in, len);
	enum pl_ws_verdict verdict;

	if (h->masked)
		pl_ws_mask(data, len, h->mask, 0);
	if (pl_ws_opcode_is_control(h->opcode))
		return take_control(c, h->opcode, pl_str_n(data, len), ev);
	if (h->fin && h->opcode != PL_WS_CONTINUATION) {
		if (takes_messages(c) && h->opcode == PL_WS_TEXT &&
		    !pl_utf8_is_valid(pl_str_n(data, len)))
			return fail(c, PL_WS_BAD_UTF8, ev);
		return give_message(c, h->opcode, pl_str_n(data, len), ev);
	}
	begin_data_frame(c, h);
	verdict = add_to_message(c, data, len);
	if (verdict != PL_WS_FINE)
		return fail(c, verdict, ev);
	return end_data_frame(c, h->fin, ev);
}

static void
begin_partial_frame(struct pl_ws_conn *c, const struct pl_ws_header *h)
{
	struct pl_ws_pending *p = pending_get(c);

	p->in_frame = true;
	p->frame = *h;
	p->taken = 0;
	if (!pl_ws_opcode_is_control(h->opcode))
		begin_data_frame(c, h);
}

/* Take what the input has of the frame under way. */
static bool
take_partial_frame(struct pl_ws_conn *c, struct pl_ws_input *in, struct pl_ws_event *ev)
{
	struct pl_ws_pending *p = c->pending;
	uint64_t due = p->frame.len - p->taken;
	size_t len = due < in->len ? (size_t)due : in->len;
	bool control = pl_ws_opcode_is_control(p->frame.opcode);
	enum pl_ws_verdict verdict = PL_WS_FINE;
	uint8_t *data = take(in, len);

	if (p->frame.masked)
		pl_ws_mask(data, len, p->frame.mask, p->taken);
	if (control)
		memcpy(p->control + p->taken, data, len);
	else
		verdict = add_to_message(c, data, len);
	if (verdict != PL_WS_FINE)
		return fail(c, verdict, ev);
	p->taken += len;
	if (p->taken < p->frame.len)
		return false;
	p->in_frame = false;
	if (control)
		return take_control(
		    c, p->frame.opcode, pl_str_n(p->control, (size_t)p->taken), ev);
	return end_data_frame(c, p->frame.fin, ev);
}

/* Go on by one frame, or by the part of it that is there; true if that made an event. */
static bool
step(struct pl_ws_conn *c, struct pl_ws_input *in, int64_t now_mono_ms,
    struct pl_ws_event *ev)
{
	enum pl_ws_verdict verdict;
	struct pl_ws_header h;

	if (c->pending && c->pending->in_frame)
		return take_partial_frame(c, in, ev);
	verdict = take_header(c, in, &h);
	if (verdict == PL_WS_MORE)
		return false;
	if (verdict == PL_WS_FINE)
		verdict = check_frame(c, &h, now_mono_ms);
	if (verdict != PL_WS_FINE)
		return fail(c, verdict, ev);
	if (h.len <= in->len)
		return take_whole_frame(c, &h, in, ev);
	begin_partial_frame(c, &h);
	return take_partial_frame(c, in, ev);
}

bool
pl_ws_conn_next(struct pl_ws_conn *c, struct pl_ws_input *in, int64_t now_mono_ms,
    struct pl_ws_event *ev)
{
	for (;;) {
		release(c);
		if (c->state == PL_WS_CLOSED)
			take(in, in->len);
		if (in->len == 0)
			return false;
		if (step(c, in, now_mono_ms, ev))
			return true;
	}
}
