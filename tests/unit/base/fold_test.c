#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/fold.h"
#include "base/mem.h"

static void
assert_name(const char *text, const char *wanted)
{
	struct pl_buf out;

	pl_buf_init(&out, PL_BUF_UNLIMITED);
	pl_fold_name(pl_str(text), &out);
	(void)pl_buf_add_char(&out, '\0');
	assert_string_equal(out.data, wanted);
	pl_buf_fini(&out);
}

/* wanted: the words in their order, with '|' between them. */
static void
assert_list(struct pl_fold_words *w, const char *wanted)
{
	struct pl_buf out;

	pl_buf_init(&out, PL_BUF_UNLIMITED);
	pl_fold_words_sort(w);
	for (size_t i = 0; i < w->count; i++)
		(void)pl_buf_printf(&out, "%s%s", i > 0 ? "|" : "", w->items[i]);
	(void)pl_buf_add_char(&out, '\0');
	assert_string_equal(out.data, wanted);
	pl_buf_fini(&out);
	pl_fold_words_fini(w);
}

static void
assert_words(const char *text, const char *wanted)
{
	struct pl_fold_words w = {0};

	pl_fold_words(pl_str(text), &w);
	assert_list(&w, wanted);
}

static void
assert_query(const char *text, const char *wanted)
{
	struct pl_fold_words w = {0};

	pl_fold_query(pl_str(text), &w);
	assert_list(&w, wanted);
}

/* Does query find text, as the store does it? */
static bool
finds(const char *query, const char *text)
{
	struct pl_fold_words q = {0}, w = {0};
	size_t found = 0;

	pl_fold_query(pl_str(query), &q);
	pl_fold_words(pl_str(text), &w);
	for (size_t i = 0; i < q.count; i++)
		for (size_t j = 0; j < w.count; j++)
			if (strncmp(w.items[j], q.items[i], strlen(q.items[i])) == 0) {
				found++;
				break;
			}
	found = found == q.count;
	pl_fold_words_fini(&q);
	pl_fold_words_fini(&w);
	return found;
}

static void
drops_case_and_accents(void **state)
{
	(void)state;
	assert_name("Aisha García", "aisha garcia");
	assert_name("ÅNGSTRÖM", "angstrom");
	assert_name("A\u030angstro\u0308m", "angstrom"); /* NFD */
	assert_name("Nguyễn Thị Đặng Ư Ơ", "nguyen thi dang u o");
	assert_name("Ёлкин Йод", "елкин иод");
	assert_name("أحمد", "احمد");
	assert_name("שָׁלוֹם", "שלום");
}

static void
takes_forms_of_one_letter_for_it(void **state)
{
	(void)state;
	assert_name("Straße STRASSE Straẞe", "strasse strasse strasse");
	assert_name("ΣΊΣΥΦΟΣ σίσυφος", "σισυφοσ σισυφοσ");
	assert_name("İIıi", "iiii");
	assert_name("ﬁﬂ Ａｎｎａ ① ℌ ǅ", "fifl anna 1 h dz");
	assert_name("Ærøskøbing Łódź Þór Œuvre ŉ", "aeroskobing lodz thor oeuvre 'n");
	assert_name("ｶﾞ", "\u30ab\u3099"); /* half-width, as ガ in NFD */
	assert_name("ガ", "\u30ab\u3099");
}

static void
keeps_marks_that_are_no_accents(void **state)
{
	(void)state;
	assert_name("कि की", "कि की");
	assert_name("ก้อย กอย", "ก้อย กอย");
	assert_name("か が", "か か\u3099");
	assert_true(finds("기", "김철수"));
	assert_true(finds("김", "김철수"));
	assert_true(finds("김", "\u1100\u1175\u11b7\u110e\u1165\u11af"));
	assert_false(finds("철", "김철수"));
}

static void
parts_words_at_white_space_and_after_punctuation(void **state)
{
	(void)state;
	assert_words("Aisha García", "aisha|garcia");
	assert_words(" Jean-Luc\u00a0O’Neil\u3000 ", "jeanluc|luc|neil|oneil");
	assert_words("john_smith.42@x", "42x|johnsmith42x|smith42x|x");
	assert_words("Anna anna ANNA", "anna");
	assert_words("O\u02bbahu d´Or", "ahu|dor|oahu|or");
	assert_words("Anna🦊Fox", "anna🦊fox|fox|🦊fox");
	assert_words("-- *** ...", "***|--|...");
	assert_words("", "");
	assert_words(" \t\u200b", "");
}

static void
begins_a_word_at_what_is_written_without_spaces(void **state)
{
	(void)state;
	assert_words("王小明", "小明|明|王小明");
	assert_words("山田タロウ", "タロウ|山田タロウ|田タロウ");
	assert_words("かな", "かな|な");
	assert_words("だめ", "た\u3099め|め");
	/* behind a mark a word begins where one would behind what has it */
	assert_words("だa", "a|た\u3099a");
	assert_words("ด้ก", "ด้ก");
}

static void
asks_for_all_words_that_were_typed(void **state)
{
	(void)state;
	assert_query("Luc  JEAN-", "jean|luc");
	assert_query("O'N", "on");
	assert_query("anna -", "anna");
	assert_query("***", "***");
	assert_query("  \u00ad", "");
	assert_true(finds("garcia", "Aisha García"));
	assert_true(finds("GARCÍA ais", "Aisha García"));
	assert_true(finds("jean luc", "Jean-Luc"));
	assert_true(finds("jeanl", "Jean-Luc"));
	assert_true(finds("neil", "O’Neil"));
	assert_true(finds("o neil", "O'Neil"));
	assert_true(finds("小明", "王小明"));
	assert_true(finds("Ａｉ", "aisha"));
	assert_true(finds("*", "***"));
	assert_false(finds("isha", "Aisha García"));
	assert_false(finds("aisha x", "Aisha García"));
}

static void
is_bounded(void **state)
{
	struct pl_fold_words w = {0};
	struct pl_buf text, out;

	(void)state;
	pl_buf_init(&text, PL_BUF_UNLIMITED);
	pl_buf_init(&out, PL_BUF_UNLIMITED);
	for (int i = 0; i < 50000; i++)
		(void)pl_buf_add_cstr(&text, "\ufdfa"); /* 18 characters each */
	pl_fold_words(pl_buf_str(&text), &w);
	assert_int_equal(w.count, PL_FOLD_WORDS_MAX);
	pl_fold_name(pl_buf_str(&text), &out);
	assert_in_range(out.len, PL_FOLD_NAME_BYTES_MAX - 3, PL_FOLD_NAME_BYTES_MAX);
	pl_fold_words_fini(&w);
	pl_buf_clear(&text);
	for (int i = 0; i < 2000; i++)
		(void)pl_buf_add_cstr(&text, "小");
	pl_fold_words(pl_buf_str(&text), &w);
	for (size_t i = 0; i < w.count; i++)
		assert_in_range(strlen(w.items[i]), 1, PL_FOLD_WORD_BYTES_MAX);
	pl_fold_words_fini(&w);
	pl_buf_fini(&text);
	pl_buf_fini(&out);
}

static void
makes_nothing_of_what_is_no_utf8(void **state)
{
	(void)state;
	assert_name("a\xff", "");
	assert_words("a\xc3", "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(drops_case_and_accents),
	    cmocka_unit_test(takes_forms_of_one_letter_for_it),
	    cmocka_unit_test(keeps_marks_that_are_no_accents),
	    cmocka_unit_test(parts_words_at_white_space_and_after_punctuation),
	    cmocka_unit_test(begins_a_word_at_what_is_written_without_spaces),
	    cmocka_unit_test(asks_for_all_words_that_were_typed),
	    cmocka_unit_test(is_bounded),
	    cmocka_unit_test(makes_nothing_of_what_is_no_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
