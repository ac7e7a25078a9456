#include "loose.h"
#include "mark.h"
#include "transcript.h"

#define HEADER_BYTES_MAX 256
#define NAME_BYTES_MAX   64 /* of a role without a mark */
#define TRIES_MAX        16

struct transcript {
	struct pl_buf *out; /* the answer as far as it is known */
	struct pl_buf header;
	size_t message_start; /* in out */
	bool is_ours;         /* the message being read */
	bool is_header;
	bool is_channel; /* what the header names */
	bool is_thought;
	bool is_wrapped; /* within <answer> */
	bool is_over; /* out is the answer, unless all of it turns out to be thoughts */
	bool has_call;
	bool has_channels;
	bool has_final;
};

static bool
says_something(struct pl_str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (strchr(" \t\r\n", text.ptr[i]) == NULL || text.ptr[i] == '\0')
			return true;
	return false;
}

static void
forget(struct transcript *t)
{
	pl_buf_clear(t->out);
	t->message_start = 0;
	t->is_over = false;
	t->has_call = false;
}

static void
begin_message(struct transcript *t, bool is_ours)
{
	t->is_ours = is_ours;
	t->message_start = t->out->len;
}

/* ---- headers ---- */

/* Its first word, in lower case. */
static void
first_word(const struct pl_buf *header, char *out, size_t size)
{
	size_t len = 0;

	for (size_t i = 0; i < header->len && len + 1 < size; i++) {
		char c = header->data[i];

		if ((c == ' ' || c == '\t' || c == '\r') && len == 0)
			continue;
		if (c >= 'A' && c <= 'Z')
			c |= 0x20;
		if ((c < 'a' || c > 'z') && c != '_')
			break;
		out[len++] = c;
	}
	out[len] = '\0';
}

static void
begin_channel(struct transcript *t, const char *name)
{
	bool is_first = strcmp(name, "final") == 0 && !t->has_final;

	if (is_first) {
		t->has_final = true;
		forget(t);
	}
	begin_message(t, is_first);
}

static void
begin_role(struct transcript *t, const char *name)
{
	begin_message(t, name[0] == '\0' || strcmp(name, "assistant") == 0 ||
			     strcmp(name, "model") == 0 || strcmp(name, "chatbot") == 0 ||
			     strcmp(name, "bot") == 0);
}

static void
end_header(struct transcript *t)
{
	struct pl_str header = pl_buf_str(&t->header);
	char word[32];

	t->is_header = false;
	first_word(&t->header, word, sizeof(word));
	if (t->header.overflowed || (word[0] == '\0' && says_something(header)))
		/* NOLINTNEXTLINE(bugprone-branch-clone): each has its own reason */
		begin_message(t, false);
	else if (header.len > 0 && memmem(header.ptr, header.len, " to=", 4) != NULL)
		begin_message(t, false); /* a call, which is left out */
	else if (t->is_channel)
		begin_channel(t, word);
	else
		begin_role(t, word);
}

static void
begin_header(struct transcript *t, bool is_channel)
{
	pl_buf_clear(&t->header);
	t->header.overflowed = false;
	t->is_header = true;
	t->is_channel = is_channel;
}

/* The header began in the prompt: what was read so far is its name. */
static void
take_for_header(struct transcript *t)
{
	struct pl_str read;

	if (!t->is_ours || t->is_over || t->out->len == t->message_start)
		return;
	read = pl_str_n(t->out->data + t->message_start, t->out->len - t->message_start);
	if (read.len > NAME_BYTES_MAX || !says_something(read))
		return;
	begin_header(t, pl_str_starts(read, PL_STR("final")) ||
			    pl_str_starts(read, PL_STR("analysis")) ||
			    pl_str_starts(read, PL_STR("commentary")));
	pl_buf_add_str(&t->header, read);
	t->out->len = t->message_start;
	t->has_channels = t->has_channels || t->is_channel;
	end_header(t);
}

/* ---- text ---- */

static void
on_text(struct transcript *t, struct pl_str text)
{
	const char *line_end;

	if (t->is_thought || text.len == 0)
		return;
	if (t->is_header) {
		line_end = memchr(text.ptr, '\n', text.len);
		if (line_end == NULL) {
			pl_buf_add_str(&t->header, text);
			return;
		}
		pl_buf_add(&t->header, text.ptr, (size_t)(line_end - text.ptr));
		end_header(t);
		text = pl_str_n(line_end, text.len - (size_t)(line_end - text.ptr));
	}
	if (t->is_ours && !t->is_over)
		pl_buf_add_str(t->out, text);
}

/* ---- marks ---- */

static void
on_border(struct transcript *t)
{
	if (t->is_header)
		end_header(t);
	if (t->is_ours && says_something(pl_buf_str(t->out)))
		t->is_over = true;
	begin_message(t, true);
}

static void
on_thought_end(struct transcript *t, const struct mark *m)
{
	if (!t->is_thought && !m->is_weak) {
		forget(t);
		t->is_header = false;
		begin_message(t, true);
	}
	t->is_thought = false;
}

/* False: it is a part of the text. */
static bool
on_answer(struct transcript *t, const struct mark *m)
{
	if (t->is_over)
		return true;
	if (m->is_weak && says_something(pl_buf_str(t->out)))
		return false;
	t->is_thought = false;
	forget(t);
	t->is_wrapped = true;
	begin_message(t, true);
	return true;
}

static bool
on_answer_end(struct transcript *t, const struct mark *m)
{
	if (m->is_weak && !t->is_wrapped)
		return false;
	t->is_wrapped = false;
	on_border(t);
	return true;
}

/* False: it is a part of the text. */
static bool
on_mark(struct transcript *t, const struct mark *m)
{
	if (t->is_thought && m->kind != MARK_THOUGHT_END &&
	    !(m->kind == MARK_ANSWER && m->is_token))
		return true;
	switch (m->kind) {
	case MARK_NONE:
		return false;
	case MARK_NOTHING:
		break;
	case MARK_BORDER:
		on_border(t);
		break;
	case MARK_HEADER:
		on_border(t);
		begin_header(t, false);
		break;
	case MARK_CHANNEL:
		if (t->is_header)
			end_header(t);
		t->has_channels = true;
		begin_header(t, true);
		break;
	case MARK_BODY:
		t->is_header ? end_header(t) : take_for_header(t);
		break;
	case MARK_OURS:
	case MARK_THEIRS:
		on_border(t);
		begin_message(t, m->kind == MARK_OURS);
		break;
	case MARK_THOUGHT:
		if (t->is_header)
			end_header(t);
		t->is_thought = true;
		break;
	case MARK_THOUGHT_END:
		on_thought_end(t, m);
		break;
	case MARK_ANSWER:
		return on_answer(t, m);
	case MARK_ANSWER_END:
		return on_answer_end(t, m);
	case MARK_CALL:
		if (t->is_ours && !t->is_over)
			t->has_call = true;
		break;
	}
	return true;
}

static void
read_all(struct transcript *t, struct pl_str text, bool was_cut_off)
{
	while (text.len > 0) {
		size_t len = mark_distance(text);
		struct mark m;

		on_text(t, pl_str_n(text.ptr, len));
		text = pl_str_n(text.ptr + len, text.len - len);
		if (text.len == 0 || (was_cut_off && mark_is_unfinished(text)))
			break;
		m = mark_at(text);
		if (m.kind == MARK_NONE)
			m.len = 1;
		if (!on_mark(t, &m))
			on_text(t, pl_str_n(text.ptr, m.len));
		text = pl_str_n(text.ptr + m.len, text.len - m.len);
	}
	if (t->is_header)
		end_header(t);
}

void
transcript_answer(struct pl_str raw, bool was_cut_off, struct pl_buf *out)
{
	struct pl_buf answer;
	struct transcript t = {.out = &answer, .is_ours = true};

	pl_buf_init(&answer, raw.len);
	pl_buf_init(&t.header, HEADER_BYTES_MAX);
	read_all(&t, raw, was_cut_off);
	if (!t.has_call && (t.has_final || !t.has_channels))
		pl_buf_add_str(out, pl_buf_str(&answer));
	pl_buf_fini(&t.header);
	pl_buf_fini(&answer);
}

/* ---- calls without a mark ---- */

static const char *const names[] = {
    "name", "function", "function_name", "tool", "tool_name", "action", NULL};
static const char *const arguments[] = {"arguments", "parameters", "args", "input",
    "tool_input", "action_input", "kwargs", NULL};

static struct pl_str
get_any(struct pl_str object, const char *const *keys)
{
	struct pl_str value = PL_STR_NONE;

	for (; value.len == 0 && *keys != NULL; keys++)
		value = loose_get(object, *keys);
	return value;
}

/* {"name":"x","arguments":{}}, {"function":{...}}, {"action":"x","action_input":{}} */
static bool
is_call_object(struct pl_str value)
{
	if (loose_is(value, "["))
		value = loose_first(value);
	if (loose_get(value, "tool_calls").len > 0 ||
	    loose_get(value, "function_call").len > 0)
		return true;
	return get_any(value, names).len > 0 &&
	       (get_any(value, arguments).len > 0 ||
		   get_any(loose_get(value, "function"), arguments).len > 0);
}

/* [get_weather(city="Paris")], as a whole: Llama's. */
static bool
is_call_expression(struct pl_str line)
{
	size_t at = 1;

	if (line.len < 4 || line.ptr[0] != '[' || line.ptr[line.len - 1] != ']' ||
	    line.ptr[line.len - 2] != ')')
		return false;
	while (at < line.len && line.ptr[at] != '\0' &&
	       strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.",
		   line.ptr[at]) != NULL)
		at++;
	return at > 1 && line.ptr[at] == '(';
}

/* text begins with a bracket; its object may have been cut off. */
static bool
begins_call(struct pl_str text)
{
	struct pl_str rest = text, value;

	if (loose_take(&rest, &value))
		return is_call_object(value);
	if (*text.ptr == '[')
		text = pl_str_n(text.ptr + 1, text.len - 1);
	return get_any(text, names).len > 0 &&
	       (memmem(text.ptr, text.len, "\"arguments\"", 11) != NULL ||
		   memmem(text.ptr, text.len, "\"parameters\"", 12) != NULL);
}

bool
transcript_is_call(struct pl_str text)
{
	struct pl_str line;
	unsigned tries = 0;

	while (text.len > 0) {
		if ((*text.ptr == '{' || *text.ptr == '[') && tries++ < TRIES_MAX &&
		    begins_call(text))
			return true;
		if (!pl_str_split(&text, '\n', &line))
			break;
		line = pl_str_trim(line);
		if (is_call_expression(line))
			return true;
		text = pl_str_trim(text);
	}
	return false;
}
