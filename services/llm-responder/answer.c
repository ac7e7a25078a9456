#include "answer.h"
#include "base/utf8.h"

#define ZERO_WIDTH_NON_JOINER 0x200C /* Persian and others are misspelt without */
#define ZERO_WIDTH_JOINER     0x200D /* one emoji of several */
#define ELLIPSIS              "\xE2\x80\xA6"

static const char *
find(struct pl_str text, const char *word)
{
	return memmem(text.ptr, text.len, word, strlen(word));
}

static struct pl_str
from(struct pl_str text, const char *at)
{
	return pl_str_n(at, (size_t)(text.ptr + text.len - at));
}

/* Letters of either case; word begins with none. */
static const char *
find_nocase(struct pl_str text, const char *word)
{
	struct pl_str wanted = pl_str(word);
	const char *at;

	while (
	    text.len >= wanted.len && (at = memchr(text.ptr, *word, text.len)) != NULL) {
		text = from(text, at);
		if (text.len >= wanted.len &&
		    pl_str_eq_nocase(pl_str_n(at, wanted.len), wanted))
			return at;
		text = from(text, at + 1);
	}
	return NULL;
}

/* Thoughts stand in front. Their opening mark may be missing, because the server put it into
 * the prompt; their closing one, because the answer was cut off: then all of it is thought. */
static struct pl_str
skip_thoughts(struct pl_str text)
{
	static const char *const marks[][2] = {
	    {"<think>", "</think>"}, {"<thinking>", "</thinking>"},
	    {"[THINK]", "[/THINK]"}, /* Mistral's */
	};

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		const char *at;

		while ((at = find_nocase(text, marks[i][1])) != NULL)
			text = from(text, at + strlen(marks[i][1]));
		at = find_nocase(text, marks[i][0]);
		if (at != NULL)
			text.len = (size_t)(at - text.ptr);
	}
	return text;
}

/* A model that goes on writes the other side's part next. */
static struct pl_str
end_at_token(struct pl_str text)
{
	static const char *const tokens[] = {"</s>", "<|im_end|>", "<|eot_id|>",
	    "<|end|>", "<|endoftext|>", "[INST]", "[/INST]"};

	for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
		const char *at = find(text, tokens[i]);

		if (at != NULL)
			text.len = (size_t)(at - text.ptr);
	}
	return text;
}

static bool
is_joiner(uint32_t c)
{
	return c == ZERO_WIDTH_JOINER || c == ZERO_WIDTH_NON_JOINER;
}

static bool
is_unwanted(uint32_t c)
{
	return pl_utf8_is_control(c) || (pl_utf8_is_format(c) && !is_joiner(c));
}

static bool
is_line_end(uint32_t c)
{
	return c == '\n' || c == 0x2028 || c == 0x2029;
}

/* Without white space at the start; false where the limit cut something off. */
static bool
copy_chars(struct pl_str text, struct pl_buf *out)
{
	size_t count = 0;
	const char *at = text.ptr;
	uint32_t c;

	for (; pl_utf8_next(&text, &c); at = text.ptr) {
		if (count == 0 && pl_utf8_is_space(c))
			continue;
		if (!is_line_end(c) && c != '\t' && is_unwanted(c))
			continue;
		if (count++ == ANSWER_CHARS_MAX)
			return false;
		if (is_line_end(c))
			pl_buf_add_char(out, '\n');
		else if (c == '\t')
			pl_buf_add_char(out, ' ');
		else
			pl_buf_add(out, at, (size_t)(text.ptr - at));
	}
	return true;
}

static bool
is_sentence_end(uint32_t c)
{
	return c == '.' || c == '!' || c == '?' || c == 0x2026 || c == 0x3002 ||
	       c == 0xFF01 || c == 0xFF1F || c == 0x061F || c == 0x0964;
}

/* A quote or bracket that closes belongs to the sentence. */
static bool
is_closing(uint32_t c)
{
	return c == '"' || c == '\'' || c == ')' || c == ']' || c == 0x201D ||
	       c == 0x2019;
}

/* How much of text its whole sentences are; a dot within a word or number ends none. */
static size_t
whole_sentences(struct pl_str text)
{
	struct pl_str rest = text;
	size_t whole = 0, len = 0;
	bool ends = false;
	uint32_t c;

	while (pl_utf8_next(&rest, &c)) {
		if (ends && (pl_utf8_is_space(c) || c > 0x2FFF))
			whole = len;
		len = text.len - rest.len;
		ends = is_sentence_end(c) || (ends && is_closing(c));
	}
	return ends ? len : whole;
}

static size_t
whole_words(struct pl_str text)
{
	struct pl_str rest = text;
	size_t whole = 0, len = 0;
	uint32_t c;

	while (pl_utf8_next(&rest, &c)) {
		if (pl_utf8_is_space(c))
			whole = len;
		len = text.len - rest.len;
	}
	return whole;
}

/* All of it, or one character less where the ellipsis would be one too many. */
static size_t
with_room_for_one(struct pl_str text)
{
	size_t len = text.len;

	if (pl_utf8_count(text) < ANSWER_CHARS_MAX)
		return len;
	do
		len--;
	while (((unsigned char)text.ptr[len] & 0xC0) == 0x80);
	return len;
}

static void
end_well(struct pl_buf *text)
{
	size_t len = whole_sentences(pl_buf_str(text));

	if (len > 0) {
		text->len = len;
		return;
	}
	len = whole_words(pl_buf_str(text));
	text->len = len > 0 ? len : with_room_for_one(pl_buf_str(text));
	pl_buf_add_cstr(text, ELLIPSIS);
}

/* A joiner that joins nothing goes with the white space: it alone would be an empty reply. */
static void
trim_end(struct pl_buf *text)
{
	struct pl_str rest = pl_buf_str(text);
	size_t len = 0;
	uint32_t c;

	while (pl_utf8_next(&rest, &c))
		if (!pl_utf8_is_space(c) && !is_joiner(c))
			len = text->len - rest.len;
	text->len = len;
	if (text->data != NULL)
		text->data[len] = '\0';
}

enum pl_err
answer_clean(struct pl_str raw, bool was_cut_off, struct pl_buf *out)
{
	struct pl_buf text;
	enum pl_err err = PL_E_NOT_FOUND;

	if (raw.len == 0)
		return PL_E_NOT_FOUND;
	pl_buf_init(&text, 4 * (ANSWER_CHARS_MAX + 1));
	if (!copy_chars(end_at_token(skip_thoughts(raw)), &text))
		was_cut_off = true;
	trim_end(&text);
	if (was_cut_off && text.len > 0) {
		end_well(&text);
		trim_end(&text);
	}
	if (pl_utf8_has_visible(pl_buf_str(&text)))
		err = pl_buf_add_str(out, pl_buf_str(&text));
	pl_buf_fini(&text);
	return err;
}
