/*
 * fold: names as people look for them, without case, accents and the forms of one letter.
 *
 *   "Aisha García"   name "aisha garcia"     words "aisha", "garcia"
 *   "Jean-Luc O’Neil"     "jean-luc o’neil"        "jeanluc", "luc", "oneil", "neil"
 *   "Straße", "ẞ"         "strasse", "ss"          (as are "ﬁ" "fi", "Ａ" "a", "Σς" "σσ")
 *   "Işık Đặng Ёлкин"     "isik dang елкин"
 *   "王小明"               "王小明"                   "王小明", "小明", "明"
 *
 * Each character is decomposed (NFKD, so that NFC and NFD are the same) and case-folded,
 * and loses the marks that are accents. Marks that are vowels, tones or voicing in their
 * script stay (in Devanagari, Thai, kana); Hangul becomes its letters, so that 기, half of
 * 김, finds it. A few letters that Unicode does not decompose, such as ø, đ, ł, ı and æ,
 * become what people type for them.
 *
 * White space parts words. A word that people may begin to type inside of another one
 * counts, too: after punctuation, which itself is left out, at a symbol, and at each
 * Chinese character or hiragana, which are written without spaces. What has nothing but
 * punctuation stays as it is.
 *
 * Bounded: of a text the first PL_FOLD_TEXT_BYTES_MAX count, and what comes of them is
 * cut. Whoever changes what is made here lets all stores make it again (sqlite/schema.c,
 * mongo/people.c).
 * Source: Unicode 15 chapter 3.13, UAX #29; utf8proc.  Threads: any.
 */
#ifndef PL_BASE_FOLD_H
#define PL_BASE_FOLD_H

#include "base/buf.h"
#include "base/str.h"

#define PL_FOLD_TEXT_BYTES_MAX 4096
#define PL_FOLD_NAME_BYTES_MAX 1024
#define PL_FOLD_WORD_BYTES_MAX 128
#define PL_FOLD_WORDS_MAX      200

/* Zeroed is empty. Each once, in the order of their bytes once pl_fold_words_sort() was
 * called. */
struct pl_fold_words {
	char *items[PL_FOLD_WORDS_MAX]; /* owned */
	size_t count;
};

/* Adds the folded text to out, which is ordered by its bytes; nothing if text is no
 * UTF-8. */
void pl_fold_name(struct pl_str text, struct pl_buf *out);
/* Adds what people may begin to type to find text. */
void pl_fold_words(struct pl_str text, struct pl_fold_words *out);
/* Adds what they typed: each of these is the beginning of some word of what they look
 * for. Punctuation alone counts only if there is nothing else. */
void pl_fold_query(struct pl_str text, struct pl_fold_words *out);
void pl_fold_words_sort(
    struct pl_fold_words *w); /* and drops those that are there twice */
void pl_fold_words_fini(struct pl_fold_words *w);

#endif
