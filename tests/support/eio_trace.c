#include "support/eio_trace.h"

#include <stdio.h>

/* Taken texts live here until the next one. */
static char taken[131072];

void
eio_trace_init(struct eio_trace *t)
{
	pl_buf_init(&t->text, PL_BUF_UNLIMITED);
	pl_buf_init(&t->out.body, PL_BUF_UNLIMITED);
}

void
eio_trace_fini(struct eio_trace *t)
{
	pl_buf_fini(&t->text);
	pl_buf_fini(&t->out.body);
}

static void
add_bytes(struct pl_buf *to, struct pl_str bytes, bool as_hex)
{
	if (as_hex)
		(void)pl_buf_add_char(to, '#');
	for (size_t i = 0; i < bytes.len; i++) {
		unsigned char c = (unsigned char)bytes.ptr[i];

		if (as_hex)
			(void)pl_buf_printf(to, "%02x", c);
		else if (c == PL_EIO_SEPARATOR)
			(void)pl_buf_add_char(to, '|');
		else
			(void)pl_buf_add_char(to, (char)c);
	}
}

void
eio_trace_note(struct eio_trace *t, const char *word, struct pl_str bytes, bool is_binary)
{
	if (t->text.len > 0)
		(void)pl_buf_add_char(&t->text, ' ');
	(void)pl_buf_printf(&t->text, "%s<", word);
	add_bytes(&t->text, bytes, is_binary);
	(void)pl_buf_add_char(&t->text, '>');
}

static void
note_action(struct eio_trace *t, enum pl_eio_action action)
{
	char code[8];

	switch (action) {
	case PL_EIO_WS_SEND:
		eio_trace_note(t, "ws", pl_ref_str(t->out.message), t->out.is_binary);
		pl_ref_drop(t->out.message);
		break;
	case PL_EIO_WS_CLOSE:
		(void)snprintf(code, sizeof(code), "%u", (unsigned)t->out.ws_code);
		eio_trace_note(t, "close", pl_str(code), false);
		break;
	case PL_EIO_POLL_ANSWER:
		eio_trace_note(t, "poll", pl_buf_str(&t->out.body), false);
		break;
	case PL_EIO_ENDED:
		eio_trace_note(
		    t, "ended", pl_str(pl_eio_reason_name(t->out.reason)), false);
		break;
	case PL_EIO_FREE:
		(void)pl_buf_add_cstr(&t->text, t->text.len > 0 ? " free" : "free");
		break;
	case PL_EIO_WAIT:
		break;
	}
}

void
eio_trace_pull(struct eio_trace *t, eio_next_fn *next, void *machine)
{
	enum pl_eio_action action;

	do {
		action = next(machine, &t->out);
		note_action(t, action);
	} while (action != PL_EIO_WAIT && action != PL_EIO_FREE);
}

const char *
eio_trace_take(struct eio_trace *t)
{
	struct pl_str text = pl_buf_str(&t->text);

	(void)snprintf(
	    taken, sizeof(taken), "%.*s", (int)text.len, text.len ? text.ptr : "");
	pl_buf_clear(&t->text);
	return taken;
}
