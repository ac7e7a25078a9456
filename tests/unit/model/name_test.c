#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "model/name.h"

/* UTF-8 of what the names below are made of. */
#define ZWNJ   "\xE2\x80\x8C"
#define ZWJ    "\xE2\x80\x8D"
#define ZWSP   "\xE2\x80\x8B" /* U+200B */
#define LRM    "\xE2\x80\x8E"
#define RLO    "\xE2\x80\xAE" /* U+202E */
#define LRI    "\xE2\x81\xA6" /* U+2066 */
#define ALM    "\xD8\x9C"     /* U+061C */
#define SHY    "\xC2\xAD"
#define CGJ    "\xCD\x8F"
#define BOM    "\xEF\xBB\xBF"
#define FILLER "\xE3\x85\xA4"     /* U+3164 */
#define BLANK  "\xE2\xA0\x80"     /* U+2800 */
#define VS16   "\xEF\xB8\x8F"     /* U+FE0F */
#define VS17   "\xF3\xA0\x84\x80" /* U+E0100 */
#define WIDE   "\xE3\x80\x80"     /* U+3000 */
#define MAN    "\xF0\x9F\x91\xA8"
#define GIRL   "\xF0\x9F\x91\xA7"
#define HEART  "\xE2\x9D\xA4"
#define FLAG   "\xF0\x9F\x8F\xB4" /* U+1F3F4, which tags make a country's */
#define TAG(c) "\xF3\xA0\x81" c
#define SCOTLAND                                                                         \
	FLAG TAG("\xA7") TAG("\xA2") TAG("\xB3") TAG("\xA3") TAG("\xB4") TAG("\xBF")

/* A name of either kind may be so. */
static const char *const good[] = {
    "Ann", "\xD8\xB9\xD9\x84\xD9\x8A", "\xE4\xB8\xAD", "A B",
    "\xD9\x85\xDB\x8C" ZWNJ "\xD8\xAE\xD9\x88",    /* Persian, written with a joiner */
    "\xE0\xA4\x95\xE0\xA5\x8D" ZWJ "\xE0\xA4\xB7", /* Devanagari ka, virama, ssa */
    "\xE0\xB4\xA8\xE0\xB5\x8D" ZWJ,                /* Malayalam n at the end of a word */
    "\xE0\xB4\xA8\xE0\xB5\x8D" ZWJ " k", MAN ZWJ GIRL, MAN ZWJ HEART VS16 ZWJ MAN,
    HEART VS16, "1" VS16 "\xE2\x83\xA3", SCOTLAND, SCOTLAND " ann",
    "\xE8\x91\x9B" VS17,             /* a kanji's variant */
    "a" CGJ "b", "\xF0\x9F\xAB\xA9", /* assigned after Unicode 15 */
    "\xCC\x81",                      /* an accent alone is drawn */
};

/* No name of either kind may. */
static const char *const bad[] = {
    "",
    " ",
    "\t",
    WIDE,
    "\xC2\xA0",
    FILLER,
    BLANK,
    ZWSP,
    ZWJ,
    ZWNJ,
    SHY,
    CGJ,
    BOM,
    VS16,
    VS17,
    LRM,
    TAG("\xA7"),
    "\xEF\xBE\xA0",
    "\xE1\x85\x9F",
    "\xE1\xA0\x8E",
    "\xE2\x81\xA5" /* not assigned yet */,
    "\xEF\xBF\xB9",
    "\xF0\x9D\x85\x99",
    FILLER BLANK " " ZWSP,
    "Ann" RLO,
    RLO "nnA",
    "A" LRI "nn",
    LRM "Ann",
    "Ann" ALM,
    "A\nnn",
    "A\x7F",
    "A\xE2\x80\xA8nn",
};

/* A full name may, a username not: it looks like another. */
static const char *const full_only[] = {
    " Ann", "Ann" WIDE, "Ann" BLANK, BLANK "Ann", "A" ZWSP "nn", "Ann" SHY, "Ann" BOM,
    "Ann" FILLER, "A" FILLER "n", ZWJ "Ann", "Ann" ZWJ, "A" ZWJ ZWJ "n", "A " ZWNJ "n",
    VS16 "Ann", "A" VS16 VS16, "A" TAG("\xA7"), FLAG VS16 TAG("\xA7"), "A\xE2\x81\xA5n",
    "\xD8\x80"
    "1", /* the Arabic number sign is drawn, but a format character */
};

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static void
assert_fault(const char *name, const char *fault, bool is_expected)
{
	if ((fault != NULL) != is_expected)
		fail_msg("\"%s\": %s", name, fault == NULL ? "taken" : fault);
}

static void
takes_names_that_show_something(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		assert_fault(good[i], pl_full_name_fault(pl_str(good[i])), false);
		assert_fault(good[i], pl_username_fault(pl_str(good[i])), false);
	}
}

static void
refuses_names_that_show_nothing_or_turn_text_around(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_fault(bad[i], pl_full_name_fault(pl_str(bad[i])), true);
		assert_fault(bad[i], pl_username_fault(pl_str(bad[i])), true);
	}
}

static void
refuses_usernames_that_look_like_others(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(full_only); i++) {
		assert_fault(
		    full_only[i], pl_full_name_fault(pl_str(full_only[i])), false);
		assert_fault(full_only[i], pl_username_fault(pl_str(full_only[i])), true);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(takes_names_that_show_something),
	    cmocka_unit_test(refuses_names_that_show_nothing_or_turn_text_around),
	    cmocka_unit_test(refuses_usernames_that_look_like_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
