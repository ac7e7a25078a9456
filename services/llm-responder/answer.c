#include "answer.h"
#include "base/utf8.h"
#include "mark.h"
#include "transcript.h"

#define ZERO_WIDTH_NON_JOINER 0x200C /* Persian and others need it to be spelt right */
#define ZERO_WIDTH_JOINER     0x200D /* makes one emoji of several */
#define REPLACEMENT           0xFFFD /* stands for bytes that were no character */
#define ELLIPSIS              "\xE2\x80\xA6"

/* ---- thoughts without a mark ---- */

/* In either case. */
static bool
starts_nocase(struct pl_str text, const char *word)
{
	size_t len = strlen(word);

	return text.len >= len &&
	       pl_str_eq_nocase(pl_str_n(text.ptr, len), pl_str_n(word, len));
}

static struct pl_str
after(struct pl_str text, size_t count)
{
	return pl_str_n(text.ptr + count, text.len - count);
}

static struct pl_str
skip_any(struct pl_str text, const char *chars)
{
	while (text.len > 0 && *text.ptr != '\0' && strchr(chars, *text.ptr) != NULL)
		text = after(text, 1);
	return text;
}

/* What comes after the first such word; nothing if there is none. */
static struct pl_str
after_word(struct pl_str text, const char *word)
{
	while (text.len > 0 && !starts_nocase(text, word))
		text = after(text, 1);
	return text.len > 0 ? after(text, strlen(word)) : text;
}

/* Harmony, if the server has dropped its tokens: "analysisHm.assistantfinalYes." */
static struct pl_str
skip_channels(struct pl_str text)
{
	static const char final[] = "assistantfinal";
	const char *at = memmem(text.ptr, text.len, final, sizeof(final) - 1);
	static const char *const channels[] = {"analysis", "commentary"};

	if (at != NULL)
		return after(text, (size_t)(at - text.ptr) + sizeof(final) - 1);
	for (size_t i = 0; i < 2; i++) {
		size_t len = strlen(channels[i]);

		if (text.len > len && memcmp(text.ptr, channels[i], len) == 0 &&
		    text.ptr[len] >= 'A' && text.ptr[len] <= 'Z')
			return PL_STR_NONE;
	}
	return text;
}

/* Thoughts begin the text with one of these, and end with its partner. Without the
 * partner all of the text is thought. */
static struct pl_str
skip_told_thoughts(struct pl_str text)
{
	static const char *const words[][2] = {
	    {"here is my thought process:", "here is my response:"}, /* Granite's */
	    {"here's my thought process:", "here's my response:"},
	    {"thinking...\n", "...done thinking."}, /* what Ollama's terminal shows */
	    {"thought:", "final answer:"},
	    {"thought\n", "final answer:"}, /* Gemma's, if their tokens are dropped */
	};
	struct pl_str start = skip_any(text, " \t\r\n*#");

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (starts_nocase(start, words[i][0]))
			return skip_any(after_word(start, words[i][1]), "* \t\r\n");
	if (starts_nocase(start, words[0][1]))
		return skip_any(after(start, strlen(words[0][1])), "* \t\r\n");
	if (pl_str_starts(start, PL_STR("assistant\n"))) /* Llama's header, likewise */
		return after(start, 10);
	return skip_channels(text);
}

/* ---- characters ---- */

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

/* Leaves out white space at the start. False: the limit cut something off. */
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

/* A closing quote or bracket belongs to the sentence before it. */
static bool
is_closing(uint32_t c)
{
	return c == '"' || c == '\'' || c == ')' || c == ']' || c == 0x201D ||
	       c == 0x2019;
}

/* The length of text's whole sentences; a dot within a word or number ends none. */
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

/* The length of text, or of all but its last character if the ellipsis would be one too
 * many. */
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

/* Cuts white space off, and with it a joiner that joins nothing, which alone would be an
 * empty reply, and the half character that a cut left. */
static void
trim_end(struct pl_buf *text)
{
	struct pl_str rest = pl_buf_str(text);
	size_t len = 0;
	uint32_t c;

	while (pl_utf8_next(&rest, &c))
		if (!pl_utf8_is_space(c) && !is_joiner(c) && c != REPLACEMENT)
			len = text->len - rest.len;
	text->len = len;
	if (text->data != NULL)
		text->data[len] = '\0';
}

/* raw's answer, without marks and thoughts. False: its end is missing. */
static bool
copy_answer(struct pl_str raw, bool was_cut_off, struct pl_buf *text)
{
	struct pl_buf alone;
	bool is_whole;

	pl_buf_init(&alone, raw.len);
	transcript_answer(raw, was_cut_off, &alone);
	is_whole =
	    alone.len == 0 || copy_chars(skip_told_thoughts(pl_buf_str(&alone)), text);
	pl_buf_fini(&alone);
	return is_whole && !was_cut_off;
}

enum pl_err
answer_clean(struct pl_str raw, bool was_cut_off, struct pl_buf *out)
{
	struct pl_buf text;
	enum pl_err err = PL_E_NOT_FOUND;
	bool is_whole;

	if (raw.len == 0)
		return PL_E_NOT_FOUND;
	pl_buf_init(&text, 4 * (ANSWER_CHARS_MAX + 1));
	is_whole = copy_answer(raw, was_cut_off, &text);
	trim_end(&text);
	if (transcript_is_call(pl_buf_str(&text)))
		pl_buf_clear(&text);
	if (!is_whole && text.len > 0) {
		end_well(&text);
		trim_end(&text);
	}
	/* What stood around a mark that was taken out may be a mark together. */
	if (pl_utf8_has_visible(pl_buf_str(&text)) && !mark_is_in(pl_buf_str(&text)))
		err = pl_buf_add_str(out, pl_buf_str(&text));
	pl_buf_fini(&text);
	return err;
}
