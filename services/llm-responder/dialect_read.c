#include "answer.h"
#include "base/utf8.h"
#include "dialect.h"
#include "loose.h"

#define REASON_BYTES_MAX 64
#define BYTE_ORDER_MARK  PL_STR("\xEF\xBB\xBF")

/* How the model ended, by the server's word. */
enum end {
	END_WHOLE,
	END_CUT,
	END_REFUSED, /* or called a tool */
	END_FAILED,
};

/* What the values of a body, one or many, add up to. */
struct reading {
	struct pl_buf text;
	enum end end;
	bool has_text;  /* there was a text, perhaps an empty one */
	bool has_parts; /* the text comes in pieces, and one is the last */
	bool is_ended;
	bool is_broken; /* what should be a text is none */
};

/* ---- how it ended ---- */

static bool
has_any(struct pl_str word, const char *const *parts)
{
	for (; *parts != NULL; parts++)
		if (memmem(word.ptr, word.len, *parts, strlen(*parts)) != NULL)
			return true;
	return false;
}

/* By parts of the word, because servers have many words of their own. */
static enum end
end_of(struct pl_str word)
{
	static const char *const failed[] = {"error", "abort", "cancel", "fail",
	    "malformed", "insufficient", "timeout", "unavailable", "other", "load", NULL};
	static const char *const refused[] = {"filter", "safety", "block", "prohibit",
	    "recitation", "refus", "guardrail", "sensitive", "toxic", "spii", "moderat",
	    "tool", "function", "call", NULL};
	static const char *const cut[] = {
	    "length", "max_tokens", "max_output", "token_limit", "limit", NULL};

	if (has_any(word, failed))
		return END_FAILED;
	if (has_any(word, refused))
		return END_REFUSED;
	return has_any(word, cut) ? END_CUT : END_WHOLE;
}

static void
note_end(struct reading *r, enum end end)
{
	r->is_ended = true;
	if (end > r->end)
		r->end = end;
}

/* "length", "LENGTH"; null or "" in all pieces but the last. */
static void
read_reason(struct reading *r, struct pl_str value)
{
	struct pl_buf word;

	pl_buf_init(&word, REASON_BYTES_MAX);
	if (loose_str(value, &word) && word.len > 0) {
		for (size_t i = 0; i < word.len; i++)
			if (word.data[i] >= 'A' && word.data[i] <= 'Z')
				word.data[i] |= 0x20;
		note_end(r, end_of(pl_buf_str(&word)));
	}
	pl_buf_fini(&word);
}

/* ---- text ---- */

static void
read_string(struct reading *r, struct pl_str value)
{
	r->has_text = true;
	if (!loose_str(value, &r->text))
		r->is_broken = true;
}

/* {"type":"text","text":"Hi"}; thoughts are of another type, or say so. */
static void
read_part(struct reading *r, struct pl_str part)
{
	struct pl_str type = loose_get(part, "type"), text = loose_get(part, "text");

	if (loose_is_string(part))
		read_string(r, part);
	else if (loose_is_string(text) && !loose_is(loose_get(part, "thought"), "true") &&
		 (loose_str_is(type, "text") || loose_str_is(type, "output_text")))
		read_string(r, text);
}

/* A string, an array of parts, or null. */
static void
read_content(struct reading *r, struct pl_str content)
{
	struct pl_str part;

	if (loose_is(content, "null")) {
		r->has_text = true;
	} else if (loose_is(content, "[")) {
		r->has_text = true;
		while (loose_each(&content, &part))
			read_part(r, part);
	} else if (loose_is(content, "{")) {
		read_part(r, content);
	} else if (content.len > 0) {
		read_string(r, content);
	}
}

static void
read_message(struct reading *r, struct pl_str message)
{
	if (loose_says_something(loose_get(message, "tool_calls")) ||
	    loose_says_something(loose_get(message, "function_call")))
		note_end(r, END_REFUSED);
	if (loose_says_something(loose_get(message, "error")))
		note_end(r, END_FAILED);
	read_content(r, loose_get(message, "content"));
}

/* ---- the forms ---- */

static void
read_choice(struct reading *r, struct pl_str choice)
{
	struct pl_str message = loose_get(choice, "message");
	struct pl_str delta = loose_get(choice, "delta");
	struct pl_str index = loose_get(choice, "index");

	if (index.len > 0 && !loose_is(index, "0") && loose_is(delta, "{"))
		return; /* a second answer to choose from */
	if (loose_says_something(loose_get(choice, "error")))
		note_end(r, END_FAILED);
	if (loose_is(message, "{")) {
		if (r->has_parts) /* the whole text once more, at the end of a stream */
			pl_buf_clear(&r->text);
		read_message(r, message);
	} else if (loose_is(delta, "{")) {
		r->has_parts = true;
		read_message(r, delta);
	} else if (loose_is_string(loose_get(choice, "text"))) {
		read_string(r, loose_get(choice, "text"));
	}
	read_reason(r, loose_get(choice, "finish_reason"));
}

static void
read_ollama(struct reading *r, struct pl_str root)
{
	struct pl_str done = loose_get(root, "done");

	if (loose_is(done, "false"))
		r->has_parts = true;
	else if (loose_is(done, "true"))
		r->is_ended = true;
	read_message(r, loose_get(root, "message"));
	read_reason(r, loose_get(root, "done_reason"));
}

/* In a stream each piece has a token, and the last one the whole text, too. */
static void
read_generated(struct reading *r, struct pl_str root)
{
	struct pl_str text = loose_get(root, "generated_text");

	if (loose_is_string(text)) {
		pl_buf_clear(&r->text);
		read_string(r, text);
		r->is_ended = true;
	}
	read_reason(r, loose_get(loose_get(root, "details"), "finish_reason"));
}

static void
read_value(struct reading *r, struct pl_str value)
{
	struct pl_str root = loose_is(value, "[") ? loose_first(value) : value;
	struct pl_str choices = loose_get(root, "choices");

	if (loose_is(value, "[DONE]")) {
		r->is_ended = true;
		return;
	}
	if (loose_says_something(loose_get(root, "error")) ||
	    loose_str_is(loose_get(root, "type"), "error") ||
	    loose_str_is(loose_get(root, "object"), "error"))
		note_end(r, END_FAILED);
	if (choices.len > 0)
		read_choice(r, loose_first(choices));
	else if (loose_is(loose_get(root, "message"), "{"))
		read_ollama(r, root);
	else
		read_generated(r, root);
}

/* ---- event streams ---- */

/* The next line, which \n, \r or both end. */
static bool
take_line(struct pl_str *rest, struct pl_str *line)
{
	size_t len = 0, step;

	if (rest->len == 0)
		return false;
	while (len < rest->len && rest->ptr[len] != '\n' && rest->ptr[len] != '\r')
		len++;
	*line = pl_str_n(rest->ptr, len);
	step = len < rest->len ? 1 : 0;
	if (len + 1 < rest->len && rest->ptr[len] == '\r' && rest->ptr[len + 1] == '\n')
		step = 2;
	*rest = pl_str_n(rest->ptr + len + step, rest->len - len - step);
	return true;
}

/* "name: value"; the space is not part of the value. */
static bool
has_field(struct pl_str line, const char *name, struct pl_str *value)
{
	size_t len = strlen(name);

	if (!pl_str_starts(line, pl_str_n(name, len)) || line.len == len ||
	    line.ptr[len] != ':')
		return false;
	*value = pl_str_n(line.ptr + len + 1, line.len - len - 1);
	if (value->len > 0 && *value->ptr == ' ')
		*value = pl_str_n(value->ptr + 1, value->len - 1);
	return true;
}

static bool
is_event_stream(struct pl_str text)
{
	static const char *const fields[] = {"data", "event", "id", "retry", ""};
	struct pl_str value;

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (has_field(text, fields[i], &value))
			return true;
	return false;
}

/* An event's data: a value, or several if a server leaves out the empty lines. */
static void
read_event(struct reading *r, struct pl_buf *data)
{
	struct pl_str rest = pl_buf_str(data), value;

	while (loose_take(&rest, &value))
		read_value(r, value);
	pl_buf_clear(data);
}

/* A last event without its empty line counts, because servers end so. Its JSON shows
 * whether it is whole. */
static void
read_events(struct reading *r, struct pl_str text)
{
	struct pl_str line, value;
	struct pl_buf data;

	pl_buf_init(&data, text.len + 1);
	while (take_line(&text, &line)) {
		if (line.len == 0) {
			read_event(r, &data);
		} else if (has_field(line, "data", &value)) {
			pl_buf_add_str(&data, value);
			pl_buf_add_char(&data, '\n');
		} else if (has_field(line, "event", &value) &&
			   pl_str_eq(value, PL_STR("error"))) {
			note_end(r, END_FAILED);
		}
	}
	read_event(r, &data);
	pl_buf_fini(&data);
}

/* ---- a body ---- */

static struct pl_str
skip_start(struct pl_str body)
{
	while (body.len > 0 && strchr(" \t\r\n", *body.ptr) != NULL && *body.ptr != '\0')
		body = pl_str_n(body.ptr + 1, body.len - 1);
	return body;
}

/* One value, or a value a line, perhaps with events after; or events. False: neither. */
static bool
read_body(struct reading *r, struct pl_str body)
{
	struct pl_str value;

	if (pl_str_starts(body, BYTE_ORDER_MARK))
		body = pl_str_n(body.ptr + 3, body.len - 3);
	body = skip_start(body);
	while (body.len > 0 && (*body.ptr == '{' || *body.ptr == '[')) {
		if (!loose_take(&body, &value))
			return false;
		read_value(r, value);
		body = skip_start(body);
	}
	if (body.len > 0 && !is_event_stream(body))
		return false;
	read_events(r, body);
	return true;
}

enum pl_err
dialect_read_answer(struct pl_str body, struct pl_buf *text)
{
	struct reading r = {.end = END_WHOLE};
	enum pl_err err = PL_E_INVALID;

	pl_buf_init(&r.text, body.len);
	if (read_body(&r, body) && !r.is_broken && r.end != END_FAILED &&
	    (r.has_text || r.end == END_REFUSED) && (r.is_ended || !r.has_parts)) {
		if (r.end == END_REFUSED)
			err = PL_E_NOT_FOUND;
		else
			err = answer_clean(pl_buf_str(&r.text), r.end == END_CUT, text);
	}
	pl_buf_fini(&r.text);
	return err;
}

/* ---- an error ---- */

/* {"error":{"message"}}, {"error"}, {"message"}, {"detail"}: the first string. */
static void
find_error(struct pl_str root, struct pl_buf *text)
{
	struct pl_str error = loose_get(root, "error");
	const struct pl_str places[] = {loose_get(error, "message"), error,
	    loose_get(root, "message"), loose_get(root, "detail")};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (!loose_is_string(places[i]))
			continue;
		if (!loose_str(places[i], text))
			pl_buf_clear(text);
		return;
	}
}

static void
copy_whole_chars(char *out, size_t size, struct pl_str text)
{
	size_t len = text.len < size ? text.len : size - 1;

	while (len > 0 && len < text.len && ((unsigned char)text.ptr[len] & 0xC0) == 0x80)
		len--;
	if (len > 0)
		memcpy(out, text.ptr, len);
	out[len] = '\0';
}

/* Before the text is shortened: a part of a secret is secret, too. */
static struct pl_str
hide(struct pl_str text, const char *secret)
{
	bool shows_it = secret != NULL && text.len > 0 &&
			memmem(text.ptr, text.len, secret, strlen(secret)) != NULL;

	return shows_it ? PL_STR("(hidden)") : text;
}

/* OpenRouter's 403 for what its moderation flags; others say it in the code. */
static bool
is_moderation(struct pl_str root)
{
	struct pl_str error = loose_get(root, "error");
	struct pl_str metadata = loose_get(error, "metadata"),
		      code = loose_get(error, "code");

	return loose_get(metadata, "flagged_input").len > 0 ||
	       loose_says_something(loose_get(metadata, "reasons")) ||
	       loose_str_is(code, "content_filter") ||
	       loose_str_is(code, "content_policy_violation") ||
	       loose_str_is(code, "moderation_blocked");
}

void
dialect_read_error(struct pl_str body, const char *secret, struct dialect_error *out)
{
	struct pl_str root = PL_STR_NONE;
	struct pl_buf text;
	double seconds;

	*out = (struct dialect_error){0};
	if (pl_str_starts(body, BYTE_ORDER_MARK))
		body = pl_str_n(body.ptr + 3, body.len - 3);
	if (!loose_take(&body, &root))
		return;
	if (loose_is(root, "["))
		root = loose_first(root);
	pl_buf_init(&text, root.len);
	find_error(root, &text);
	copy_whole_chars(out->text, sizeof(out->text), hide(pl_buf_str(&text), secret));
	pl_buf_fini(&text);
	out->blames_message = is_moderation(root);
	if (loose_real(loose_get(root, "estimated_time"), &seconds) && seconds > 0 &&
	    seconds < 86400)
		out->retry_after_ms = (int64_t)(seconds * 1000);
}
