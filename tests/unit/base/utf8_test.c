#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/mem.h"
#include "base/utf8.h"

/* Markus Kuhn's and RFC 3629's cases; `fails_at` is the byte no valid text can have
 * there, or the length for text that is valid so far. */
static const struct {
	struct pl_str text;
	size_t fails_at;
	bool is_complete;
} cases[] = {
    {{"", 0}, 0, true},
    {{"plain ASCII, longer than eight bytes", 36}, 36, true},
    {{"\x00\x7F", 2}, 2, true},
    {{"\xC2\x80\xDF\xBF", 4}, 4, true},
    {{"\xE0\xA0\x80\xEF\xBF\xBF", 6}, 6, true},
    {{"\xED\x9F\xBF\xEE\x80\x80", 6}, 6, true},
    {{"\xF0\x90\x80\x80\xF4\x8F\xBF\xBF", 8}, 8, true},
    {{"12345678\xC3\xA4"
      "12345678\xE2\x82\xAC"
      "1234567",
	 28},
	28, true},
    {{"\xC3", 1}, 1, false},
    {{"\xE2\x82", 2}, 2, false},
    {{"\xF0\x9F\x98", 3}, 3, false},
    {{"\x80", 1}, 0, false},
    {{"\xBF", 1}, 0, false},
    {{"\xC0\x80", 2}, 0, false}, /* overlong */
    {{"\xC1\xBF", 2}, 0, false},
    {{"\xE0\x9F\xBF", 3}, 1, false},
    {{"\xF0\x8F\xBF\xBF", 4}, 1, false},
    {{"\xED\xA0\x80", 3}, 1, false}, /* surrogates */
    {{"\xED\xBF\xBF", 3}, 1, false},
    {{"\xF4\x90\x80\x80", 4}, 1, false}, /* above U+10FFFF */
    {{"\xF5\x80\x80\x80", 4}, 0, false},
    {{"\xFE", 1}, 0, false},
    {{"\xFF", 1}, 0, false},
    {{"\xC3(", 2}, 1, false},
    {{"\xE2\x82(", 3}, 2, false},
    {{"\xF0\x9F\x98(", 4}, 3, false},
    {{"12345678901234567\xFF", 18}, 17, false},
    {{"\xC3\xA4\x80", 3}, 2, false},
};

#define CASES (sizeof(cases) / sizeof(*cases))

static void
judges_whole_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < CASES; i++) {
		struct pl_utf8_state st = {0};
		bool can_go_on = cases[i].fails_at == cases[i].text.len;

		assert_int_equal(pl_utf8_is_valid(cases[i].text), cases[i].is_complete);
		assert_int_equal(
		    pl_utf8_feed(&st, cases[i].text.ptr, cases[i].text.len), can_go_on);
		assert_int_equal(pl_utf8_is_complete(&st), cases[i].is_complete);
	}
}

static void
fails_at_the_first_impossible_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < CASES; i++) {
		struct pl_utf8_state st = {0};

		for (size_t at = 0; at < cases[i].text.len; at++)
			assert_int_equal(pl_utf8_feed(&st, cases[i].text.ptr + at, 1),
			    at < cases[i].fails_at);
		assert_int_equal(pl_utf8_is_complete(&st), cases[i].is_complete);
	}
}

static void
agrees_however_the_text_is_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < CASES; i++) {
		struct pl_str text = cases[i].text;

		for (size_t cut = 0; cut <= text.len; cut++) {
			struct pl_utf8_state st = {0};
			bool first = pl_utf8_feed(&st, text.ptr, cut);
			bool both = pl_utf8_feed(&st, text.ptr + cut, text.len - cut);

			assert_int_equal(first, cut <= cases[i].fails_at);
			assert_int_equal(both, cases[i].fails_at == text.len);
		}
	}
}

static void
stays_failed(void **state)
{
	struct pl_utf8_state st = {0};

	(void)state;
	assert_false(pl_utf8_feed(&st, "\xFF", 1));
	assert_false(pl_utf8_feed(&st, "", 0));
	assert_false(pl_utf8_feed(&st, "a", 1));
	assert_false(pl_utf8_is_complete(&st));
}

static void
accepts_every_code_point_but_surrogates(void **state)
{
	(void)state;
	for (uint32_t cp = 0; cp <= 0x1FFFFF; cp++) {
		uint8_t four[] = {(uint8_t)(0xF0 | cp >> 18),
		    (uint8_t)(0x80 | (cp >> 12 & 63)), (uint8_t)(0x80 | (cp >> 6 & 63)),
		    (uint8_t)(0x80 | (cp & 63))};
		uint8_t three[] = {(uint8_t)(0xE0 | cp >> 12), four[2], four[3]};
		uint8_t two[] = {(uint8_t)(0xC0 | cp >> 6), four[3]};
		struct pl_str rest = pl_str_n(four, 4);
		uint32_t got;

		if (cp < 0x800)
			assert_int_equal(pl_utf8_is_valid(pl_str_n(two, 2)), cp >= 0x80);
		if (cp < 0x10000)
			assert_int_equal(pl_utf8_is_valid(pl_str_n(three, 3)),
			    cp >= 0x800 && (cp < 0xD800 || cp > 0xDFFF));
		assert_int_equal(pl_utf8_is_valid(rest), cp >= 0x10000 && cp <= 0x10FFFF);
		if (cp >= 0x10000 && cp <= 0x10FFFF) {
			assert_true(pl_utf8_next(&rest, &got));
			assert_int_equal(got, cp);
			assert_int_equal(rest.len, 0);
		}
	}
}

static void
takes_code_points_one_by_one(void **state)
{
	struct pl_str rest = PL_STR("a\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80");
	static const uint32_t expected[] = {'a', 0xE4, 0x20AC, 0x1F600};
	uint32_t cp;

	(void)state;
	assert_int_equal(pl_utf8_count(rest), 4);
	for (size_t i = 0; i < 4; i++) {
		assert_true(pl_utf8_next(&rest, &cp));
		assert_int_equal(cp, expected[i]);
	}
	assert_false(pl_utf8_next(&rest, &cp));
	assert_int_equal(pl_utf8_count(PL_STR_NONE), 0);
}

static void
does_not_read_past_a_cut_character(void **state)
{
	char *cut = pl_mem_strndup("\xF0\x9F", 2);
	struct pl_str rest = pl_str_n(cut, 2);
	uint32_t cp;

	(void)state;
	assert_true(pl_utf8_next(&rest, &cp));
	assert_int_equal(rest.len, 0);
	pl_mem_free(cut);
}

static void
knows_the_categories(void **state)
{
	static const uint32_t control[] = {0, 0x1F, 0x7F, 0x80, 0x9F, 0x2028, 0x2029};
	static const uint32_t format[] = {
	    0xAD, 0x200B, 0x200D, 0x200F, 0x202E, 0x2066, 0xFEFF, 0xE0001};
	static const uint32_t space[] = {9, 10, 13, ' ', 0x85, 0xA0, 0x1680, 0x2000,
	    0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000};
	static const uint32_t plain[] = {
	    'a', '~', 0xE4, 0x4E2D, 0x1F600, 0x10FFFF, 0x110000, UINT32_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof(control) / sizeof(*control); i++)
		assert_true(pl_utf8_is_control(control[i]));
	for (size_t i = 0; i < sizeof(format) / sizeof(*format); i++)
		assert_true(pl_utf8_is_format(format[i]) && !pl_utf8_is_space(format[i]));
	for (size_t i = 0; i < sizeof(space) / sizeof(*space); i++)
		assert_true(pl_utf8_is_space(space[i]) && !pl_utf8_is_format(space[i]));
	for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++)
		assert_false(pl_utf8_is_control(plain[i]) ||
			     pl_utf8_is_format(plain[i]) || pl_utf8_is_space(plain[i]));
}

/* Marks in has[] what a line such as "200E..200F ; Bidi_Control # ..." of Unicode's own
 * files says; false where that file is not installed (Debian: unicode-data). */
static bool
read_property(const char *file, const char *property, bool has[0x110000])
{
	char path[128], line[512], name[64];
	FILE *f;

	snprintf(path, sizeof(path), "/usr/share/unicode/%s", file);
	f = fopen(path, "r");
	if (f == NULL)
		return false;
	while (fgets(line, sizeof(line), f) != NULL) {
		unsigned first, last;

		if (sscanf(line, "%x..%x ; %63s", &first, &last, name) != 3) {
			if (sscanf(line, "%x ; %63s", &first, name) != 2)
				continue;
			last = first;
		}
		for (; strcmp(name, property) == 0 && first <= last; first++)
			has[first] = true;
	}
	fclose(f);
	return true;
}

static void
agrees_with_unicodes_lists_on_every_code_point(void **state)
{
	static const struct {
		const char *file, *property;
		bool (*is_such)(uint32_t code_point);
		size_t least;
	} lists[] = {
	    {"PropList.txt", "White_Space", pl_utf8_is_space, 25},
	    {"PropList.txt", "Bidi_Control", pl_utf8_is_bidi_control, 12},
	    {"DerivedCoreProperties.txt", "Default_Ignorable_Code_Point",
		pl_utf8_is_ignorable, 4174},
	};
	static bool has[0x110000];

	(void)state;
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		size_t count = 0;

		memset(has, 0, sizeof(has));
		if (!read_property(lists[i].file, lists[i].property, has))
			skip();
		for (uint32_t c = 0; c < 0x110000; c++) {
			count += has[c];
			if (has[c] != lists[i].is_such(c))
				fail_msg("%s: U+%04X", lists[i].property, c);
		}
		assert_true(count >= lists[i].least);
	}
}

static void
sees_the_format_characters_that_are_drawn(void **state)
{
	static bool has[0x110000];

	(void)state;
	if (!read_property("PropList.txt", "Prepended_Concatenation_Mark", has))
		skip();
	assert_true(has[0x600]);
	for (uint32_t c = 0; c < 0x110000; c++)
		if (pl_utf8_is_format(c))
			assert_int_equal(pl_utf8_is_visible(c), has[c]);
}

static void
knows_what_shows_nothing(void **state)
{
	static const uint32_t unseen[] = {'\t', '\n', ' ', 0x85, 0xA0, 0xAD, 0x34F, 0x61C,
	    0x115F, 0x1160, 0x17B4, 0x180B, 0x180E, 0x2000, 0x200B, 0x200C, 0x200D,
	    0x200E, 0x2028, 0x202E, 0x2060, 0x2065, 0x2069, 0x206F, 0x2800, 0x3000,
	    0x3164, 0xFE00, 0xFE0F, 0xFEFF, 0xFFA0, 0xFFF0, 0xFFF9, 0xFFFB, 0x13430,
	    0x13441, 0x16FE4, 0x1BCA0, 0x1D159, 0x1D173, 0xE0001, 0xE0020, 0xE007F,
	    0xE0100, 0xE0FFF};
	static const uint32_t seen[] = {1, 0x7F, 0xFFFF, 0x10FFFF, 'a', '.', 0xE4, 0x301,
	    0x600, 0x627, 0x903, 0x1100, 0x2801, 0x4E2D, 0xAC00, 0xE000, 0xF8FF, 0xFFFD,
	    0x1F600, 0x1F1E6, 0x1FAE9, 0x20000};

	(void)state;
	for (size_t i = 0; i < sizeof(unseen) / sizeof(*unseen); i++)
		if (pl_utf8_is_visible(unseen[i]))
			fail_msg("U+%04X", unseen[i]);
	for (size_t i = 0; i < sizeof(seen) / sizeof(*seen); i++)
		if (!pl_utf8_is_visible(seen[i]))
			fail_msg("U+%04X", seen[i]);
	assert_false(pl_utf8_has_visible(PL_STR("")));
	assert_false(
	    pl_utf8_has_visible(PL_STR(" \xE2\x80\x8B\xE3\x85\xA4\xE2\xA0\x80\n")));
	assert_true(pl_utf8_has_visible(PL_STR("\xE2\x80\x8B.")));
}

static void
composes_to_nfc(void **state)
{
	size_t len = 0;
	char *form = pl_utf8_nfc(PL_STR("pa\xCC\x88ss\0word\xE2\x84\xAB"), &len);

	(void)state;
	assert_int_equal(len, 12);
	assert_memory_equal(form, "p\xC3\xA4ss\0word\xC3\x85", 13);
	pl_mem_free(form);
	form = pl_utf8_nfc(PL_STR(""), &len);
	assert_int_equal(len, 0);
	assert_string_equal(form, "");
	pl_mem_free(form);
}

static void
has_no_nfc_of_bad_text(void **state)
{
	size_t len = 7;

	(void)state;
	assert_null(pl_utf8_nfc(PL_STR("\xED\xA0\x80"), &len));
	assert_null(pl_utf8_nfc(PL_STR("a\xC3"), &len));
	assert_int_equal(len, 7);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(judges_whole_texts),
	    cmocka_unit_test(fails_at_the_first_impossible_byte),
	    cmocka_unit_test(agrees_however_the_text_is_cut),
	    cmocka_unit_test(stays_failed),
	    cmocka_unit_test(accepts_every_code_point_but_surrogates),
	    cmocka_unit_test(takes_code_points_one_by_one),
	    cmocka_unit_test(does_not_read_past_a_cut_character),
	    cmocka_unit_test(knows_the_categories),
	    cmocka_unit_test(agrees_with_unicodes_lists_on_every_code_point),
	    cmocka_unit_test(sees_the_format_characters_that_are_drawn),
	    cmocka_unit_test(knows_what_shows_nothing),
	    cmocka_unit_test(composes_to_nfc),
	    cmocka_unit_test(has_no_nfc_of_bad_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
