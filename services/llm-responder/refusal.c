#include "loose.h"
#include "refusal.h"

#define TEXT_BYTES_MAX   8192
#define FIELDS_BYTES_MAX 2048
#define ITEMS_MAX        32
#define DEPTH_MAX        3

/* ---- gathering ---- */

static void
add_line(struct pl_buf *out, struct pl_str string)
{
	struct pl_buf one;

	pl_buf_init(&one, out->limit);
	if (loose_str(string, &one) && one.len > 0 && !one.overflowed) {
		pl_buf_add_str(out, pl_buf_str(&one));
		pl_buf_add_char(out, '\n');
	}
	pl_buf_fini(&one);
}

/* ["body","max_tokens"]; the first only says in which part of the request it was. */
static void
add_path(struct pl_buf *out, struct pl_str path)
{
	struct pl_str item;

	for (unsigned i = 0; i < ITEMS_MAX && loose_each(&path, &item); i++)
		if (!loose_str_is(item, "body"))
			add_line(out, item);
}

static void gather(struct refusal *r, struct pl_str value, unsigned depth);

static void
gather_object(struct refusal *r, struct pl_str object, unsigned depth)
{
	static const char *const fields[] = {
	    "param", "parameter", "field", "loc", "path", NULL};
	struct pl_str value;

	static const char *const texts[] = {"error", "errors", "message", "msg", "detail",
	    "details", "description", "metadata", "raw", "fieldViolations", "code", NULL};

	for (size_t i = 0; fields[i] != NULL; i++) {
		value = loose_get(object, fields[i]);
		if (loose_is(value, "["))
			add_path(&r->fields, value);
		else if (strcmp(fields[i], "path") != 0) /* as a string, the URL's */
			add_line(&r->fields, value);
	}
	for (size_t i = 0; texts[i] != NULL; i++)
		gather(r, loose_get(object, texts[i]), depth + 1);
}

static void
gather(struct refusal *r, struct pl_str value, unsigned depth)
{
	struct pl_str item;

	if (depth > DEPTH_MAX)
		return;
	if (loose_is(value, "{")) {
		gather_object(r, value, depth);
	} else if (loose_is(value, "[")) {
		for (unsigned i = 0; i < ITEMS_MAX && loose_each(&value, &item); i++)
			gather(r, item, depth + 1);
	} else {
		add_line(&r->text, value);
	}
}

void
refusal_init(struct refusal *r, struct pl_str body)
{
	struct pl_str rest = body, value;

	pl_buf_init(&r->fields, FIELDS_BYTES_MAX);
	pl_buf_init(&r->text, TEXT_BYTES_MAX);
	if (pl_str_starts(rest, PL_STR("\xEF\xBB\xBF")))
		rest = pl_str_n(rest.ptr + 3, rest.len - 3);
	if (loose_take(&rest, &value) && (loose_is(value, "{") || loose_is(value, "[")))
		gather(r, value, 0);
	else
		pl_buf_add(&r->text, body.ptr,
		    body.len < TEXT_BYTES_MAX ? body.len : TEXT_BYTES_MAX);
}

void
refusal_fini(struct refusal *r)
{
	pl_buf_fini(&r->fields);
	pl_buf_fini(&r->text);
}

/* ---- asking about it ---- */

static bool
is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '_';
}

static bool
is_quote(char c)
{
	return c == '\'' || c == '"' || c == '`';
}

/* Does the word stand anywhere as a whole, and not within a longer name? */
static bool
has_word(struct pl_str text, const char *word, bool is_quoted)
{
	size_t len = strlen(word);

	while (text.len >= len) {
		const char *at = memmem(text.ptr, text.len, word, len);
		const char *end = text.ptr + text.len;
		char before, after;

		if (at == NULL)
			return false;
		before = at > text.ptr ? at[-1] : ' ';
		after = at + len < end ? at[len] : ' ';
		if (!is_name_char(before) && !is_name_char(after) &&
		    (!is_quoted || (is_quote(before) && is_quote(after))))
			return true;
		text = pl_str_n(at + 1, (size_t)(end - at) - 1);
	}
	return false;
}

bool
refusal_names(const struct refusal *r, const char *parameter)
{
	return has_word(
	    pl_buf_str(r->fields.len > 0 ? &r->fields : &r->text), parameter, false);
}

bool
refusal_quotes(const struct refusal *r, const char *parameter)
{
	if (r->fields.len > 0)
		return has_word(pl_buf_str(&r->fields), parameter, false);
	return has_word(pl_buf_str(&r->text), parameter, true);
}

bool
refusal_says(const struct refusal *r, const char *word)
{
	return has_word(pl_buf_str(&r->text), word, false);
}

bool
refusal_says_part(const struct refusal *r, const char *part)
{
	struct pl_str text = pl_buf_str(&r->text), wanted = pl_str(part);

	for (; text.len >= wanted.len; text.ptr++, text.len--)
		if (pl_str_eq_nocase(pl_str_n(text.ptr, wanted.len), wanted))
			return true;
	return false;
}

bool
refusal_is_of_length(const struct refusal *r)
{
	return refusal_says_part(r, "context length") ||
	       refusal_says_part(r, "context_length") ||
	       refusal_says_part(r, "context window");
}
