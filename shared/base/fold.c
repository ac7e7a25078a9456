#include "base/fold.h"

#include <stdlib.h>
#include <utf8proc.h>

#include "base/mem.h"
#include "base/utf8.h"

#define CHARS_MAX  8192 /* of a folded text */
#define EXPAND_MAX 32   /* of one character; Unicode's longest is 18 */

/* ---- one character ------------------------------------------------------------------- */

/* What people type for letters that Unicode does not decompose. */
static const struct {
	int32_t letter;
	const char *typed;
} typed_for[] = {
    {0x00e6, "ae"}, {0x00f0, "d"}, {0x00f8, "o"}, {0x00fe, "th"}, {0x0111, "d"},
    {0x0127, "h"}, {0x0131, "i"}, {0x0138, "k"}, {0x0142, "l"}, {0x014b, "n"},
    {0x0153, "oe"}, {0x0167, "t"}, {0x0180, "b"}, {0x0192, "f"}, {0x019a, "l"},
    {0x01e5, "g"}, {0x0253, "b"}, {0x0254, "o"}, {0x0256, "d"}, {0x0257, "d"},
    {0x025b, "e"}, {0x0268, "i"}, {0x0289, "u"}, {0x0640, ""}, /* tatweel */
};

/* Letters by their category that people take for apostrophes: ʹ ʺ ʻ ʼ ʽ ʾ ʿ. */
static bool
is_apostrophe(int32_t c)
{
	return c >= 0x02b9 && c <= 0x02bf;
}

/* Vowels, tones, voicing and viramas have classes of their own; those of accents are the
 * ones of places (200 and above), of Hebrew and Arabic points, of overlays, and of the
 * nukta. */
static bool
is_accent(int32_t c)
{
	const utf8proc_property_t *of = utf8proc_get_property(c);
	int class = of->combining_class;

	if (of->category != UTF8PROC_CATEGORY_MN && of->category != UTF8PROC_CATEGORY_ME)
		return false;
	return class >= 200 || (class >= 10 && class <= 36) || class == 1 || class == 7 ||
	       of->category == UTF8PROC_CATEGORY_ME;
}

enum kind { SPACE, PUNCT, MARK, LETTER, OWN_WORD };

/* Written without spaces: each may begin a word. */
static bool
is_own_word(int32_t c)
{
	return (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x4e00 && c <= 0x9fff) ||
	       (c >= 0x20000 && c <= 0x3ffff) || (c >= 0x3041 && c <= 0x3096);
}

static enum kind
kind_of(int32_t c)
{
	if (pl_utf8_is_space((uint32_t)c) || pl_utf8_is_control((uint32_t)c))
		return SPACE;
	switch (utf8proc_category(c)) {
	case UTF8PROC_CATEGORY_PC:
	case UTF8PROC_CATEGORY_PD:
	case UTF8PROC_CATEGORY_PS:
	case UTF8PROC_CATEGORY_PE:
	case UTF8PROC_CATEGORY_PI:
	case UTF8PROC_CATEGORY_PF:
	case UTF8PROC_CATEGORY_PO:
	case UTF8PROC_CATEGORY_SK:
		return PUNCT;
	case UTF8PROC_CATEGORY_MN:
	case UTF8PROC_CATEGORY_MC:
	case UTF8PROC_CATEGORY_ME:
		return MARK;
	case UTF8PROC_CATEGORY_SM:
	case UTF8PROC_CATEGORY_SC:
	case UTF8PROC_CATEGORY_SO:
		return OWN_WORD;
	default:
		return is_own_word(c) ? OWN_WORD : LETTER;
	}
}

/* ---- a text -------------------------------------------------------------------------- */

struct folded {
	int32_t chars[CHARS_MAX];
	size_t count;
};

static void
push(struct folded *f, int32_t c)
{
	if (f->count < CHARS_MAX)
		f->chars[f->count++] = c;
}

static void
push_typed(struct folded *f, int32_t c)
{
	if (is_accent(c) || pl_utf8_is_ignorable((uint32_t)c) ||
	    pl_utf8_is_format((uint32_t)c))
		return;
	for (size_t i = 0; i < sizeof(typed_for) / sizeof(typed_for[0]); i++) {
		if (typed_for[i].letter != c)
			continue;
		for (const char *at = typed_for[i].typed; *at != '\0'; at++)
			push(f, *at);
		return;
	}
	push(f, is_apostrophe(c) ? '\'' : c);
}

/* c is one of an NFD text. */
static void
fold_char(struct folded *f, int32_t c)
{
	utf8proc_int32_t parts[EXPAND_MAX];
	utf8proc_ssize_t count;
	int bound = UTF8PROC_BOUNDCLASS_START;

	if (is_accent(c)) /* U+0345 would become a letter */
		return;
	if (utf8proc_category(c) == UTF8PROC_CATEGORY_SK) { /* "´" would become a space */
		push(f, c);
		return;
	}
	count = utf8proc_decompose_char(c, parts, EXPAND_MAX,
	    UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD, &bound);
	for (utf8proc_ssize_t i = 0; i < count && i < EXPAND_MAX; i++)
		push_typed(f, parts[i]);
}

/* At most so many bytes of valid UTF-8, and no half of a character. */
static struct pl_str
cut(struct pl_str text, size_t bytes_max)
{
	if (text.len <= bytes_max)
		return text;
	text.len = bytes_max;
	while (text.len > 0 && ((uint8_t)text.ptr[text.len] & 0xc0) == 0x80)
		text.len--;
	return text;
}

/* NULL if there is nothing; else freed by pl_mem_free(). */
static struct folded *
fold(struct pl_str text)
{
	struct folded *f;
	utf8proc_int32_t *nfd;
	utf8proc_ssize_t count;

	text = cut(text, PL_FOLD_TEXT_BYTES_MAX);
	if (text.len == 0 || !pl_utf8_is_valid(text))
		return NULL;
	f = pl_mem_alloc(sizeof(*f));
	nfd = pl_mem_alloc(CHARS_MAX * 2 * sizeof(*nfd));
	f->count = 0;
	count = utf8proc_decompose((const utf8proc_uint8_t *)text.ptr,
	    (utf8proc_ssize_t)text.len, nfd, CHARS_MAX * 2, UTF8PROC_DECOMPOSE);
	for (utf8proc_ssize_t i = 0; i < count && i < CHARS_MAX * 2; i++)
		fold_char(f, nfd[i]);
	pl_mem_free(nfd);
	return f;
}

static void
encode(struct pl_buf *out, int32_t c)
{
	utf8proc_uint8_t bytes[4];
	utf8proc_ssize_t len = utf8proc_encode_char(c, bytes);

	if (len > 0)
		(void)pl_buf_add(out, bytes, (size_t)len);
}

/* ---- the name ------------------------------------------------------------------------ */

void
pl_fold_name(struct pl_str text, struct pl_buf *out)
{
	struct folded *f = fold(text);
	struct pl_buf name;
	bool has_space = false;

	if (f == NULL)
		return;
	pl_buf_init(&name, PL_BUF_UNLIMITED); /* by CHARS_MAX */
	for (size_t i = 0; i < f->count; i++) {
		if (kind_of(f->chars[i]) == SPACE) {
			has_space = name.len > 0;
			continue;
		}
		if (has_space)
			(void)pl_buf_add_char(&name, ' ');
		has_space = false;
		encode(&name, f->chars[i]);
	}
	(void)pl_buf_add_str(out, cut(pl_buf_str(&name), PL_FOLD_NAME_BYTES_MAX));
	pl_buf_fini(&name);
	pl_mem_free(f);
}

/* ---- words --------------------------------------------------------------------------- */

static void
add_word(struct pl_fold_words *w, struct pl_str word)
{
	word = cut(word, PL_FOLD_WORD_BYTES_MAX);
	if (word.len > 0 && w->count < PL_FOLD_WORDS_MAX)
		w->items[w->count++] = pl_mem_strndup(word.ptr, word.len);
}

/* What stands between white space. */
struct token {
	const int32_t *chars;
	size_t count;
};

static bool
next_token(const struct folded *f, size_t *at, struct token *out)
{
	size_t from;

	while (*at < f->count && kind_of(f->chars[*at]) == SPACE)
		++*at;
	from = *at;
	while (*at < f->count && kind_of(f->chars[*at]) != SPACE)
		++*at;
	*out = (struct token){f->chars + from, *at - from};
	return out->count > 0;
}

static bool
is_punctuation(const struct token *t)
{
	for (size_t i = 0; i < t->count; i++)
		if (kind_of(t->chars[i]) != PUNCT)
			return false;
	return true;
}

/* Writes the token without its punctuation, from at on. */
static void
write_token(const struct token *t, size_t at, struct pl_buf *out)
{
	bool keeps = is_punctuation(t);

	pl_buf_clear(out);
	for (size_t i = at; i < t->count && out->len < PL_FOLD_WORD_BYTES_MAX; i++)
		if (keeps || kind_of(t->chars[i]) != PUNCT)
			encode(out, t->chars[i]);
}

static bool
begins_word(const struct token *t, size_t at)
{
	enum kind kind = kind_of(t->chars[at]);
	enum kind before = at > 0 ? kind_of(t->chars[at - 1]) : PUNCT;

	if (kind == OWN_WORD)
		return true;
	if (kind != LETTER)
		return false;
	/* A mark belongs to what it follows: だ is a word of its own, ด้ is not. */
	for (size_t i = at; before == MARK && i > 1; i--)
		before = kind_of(t->chars[i - 2]);
	return before == PUNCT || before == OWN_WORD;
}

static void
add_token(struct pl_fold_words *w, const struct token *t)
{
	struct pl_buf word;

	pl_buf_init(&word, PL_BUF_UNLIMITED); /* by write_token() */
	write_token(t, 0, &word);
	add_word(w, pl_buf_str(&word));
	for (size_t at = 1; at < t->count && w->count < PL_FOLD_WORDS_MAX; at++) {
		if (!begins_word(t, at))
			continue;
		write_token(t, at, &word);
		add_word(w, pl_buf_str(&word));
	}
	pl_buf_fini(&word);
}

void
pl_fold_words(struct pl_str text, struct pl_fold_words *out)
{
	struct folded *f = fold(text);
	struct token t;
	size_t at = 0;

	if (f == NULL)
		return;
	while (next_token(f, &at, &t))
		add_token(out, &t);
	pl_mem_free(f);
}

static void
add_typed(struct pl_fold_words *w, const struct folded *f, bool punctuation)
{
	struct pl_buf word;
	struct token t;
	size_t at = 0;

	pl_buf_init(&word, PL_BUF_UNLIMITED); /* by write_token() */
	while (next_token(f, &at, &t)) {
		if (is_punctuation(&t) != punctuation)
			continue;
		write_token(&t, 0, &word);
		add_word(w, pl_buf_str(&word));
	}
	pl_buf_fini(&word);
}

void
pl_fold_query(struct pl_str text, struct pl_fold_words *out)
{
	struct folded *f = fold(text);
	size_t before = out->count;

	if (f == NULL)
		return;
	add_typed(out, f, false);
	if (out->count == before)
		add_typed(out, f, true);
	pl_mem_free(f);
}

static int
compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void
pl_fold_words_sort(struct pl_fold_words *w)
{
	size_t kept = 0;

	qsort(w->items, w->count, sizeof(w->items[0]), compare);
	for (size_t i = 0; i < w->count; i++) {
		if (kept > 0 && strcmp(w->items[i], w->items[kept - 1]) == 0)
			pl_mem_free(w->items[i]);
		else
			w->items[kept++] = w->items[i];
	}
	w->count = kept;
}

void
pl_fold_words_fini(struct pl_fold_words *w)
{
	for (size_t i = 0; i < w->count; i++)
		pl_mem_free(w->items[i]);
	*w = (struct pl_fold_words){0};
}
