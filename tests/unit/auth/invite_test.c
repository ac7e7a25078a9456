#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "auth/invite.h"

static void
knows_a_code_that_it_drew_again_however_it_is_typed(void **state)
{
	struct pl_invite invite = {0};
	char code[PL_INVITE_CODE_LEN + 1];
	uint8_t code_id[PL_INVITE_ID_LEN];

	(void)state;
	pl_invite_draw(&invite, code);
	assert_int_equal(strlen(code), PL_INVITE_CODE_LEN);
	assert_true(pl_invite_id(pl_str(code), code_id));
	assert_memory_equal(code_id, invite.code_id, PL_INVITE_ID_LEN);
	for (char *c = code; *c != '\0'; c++)
		*c = *c == '-' ? ' ' : *c >= 'a' ? (char)(*c - 'a' + 'A') : *c;
	assert_true(pl_invite_id(pl_str(code), code_id));
	assert_memory_equal(code_id, invite.code_id, PL_INVITE_ID_LEN);
}

static void
has_another_id_for_each_code(void **state)
{
	struct pl_invite one = {0}, two = {0};
	char code[PL_INVITE_CODE_LEN + 1];

	(void)state;
	pl_invite_draw(&one, code);
	pl_invite_draw(&two, code);
	assert_memory_not_equal(one.code_id, two.code_id, PL_INVITE_ID_LEN);
}

/* What is stored stays what it is, whatever this becomes. */
static void
has_the_same_id_for_ever(void **state)
{
	static const uint8_t expected[PL_INVITE_ID_LEN] = {0x0f, 0xcd, 0x66, 0x2f, 0xd9,
	    0x59, 0x9c, 0xa0, 0xbf, 0xee, 0x9c, 0x85, 0xe6, 0x60, 0x8e, 0x22};
	uint8_t code_id[PL_INVITE_ID_LEN];

	(void)state;
	assert_true(pl_invite_id(PL_STR("x0k3-9mfd-2q7z-vb41-c8se-jr6w-5h0n"), code_id));
	assert_memory_equal(code_id, expected, PL_INVITE_ID_LEN);
}

static void
is_no_code_of_another_length(void **state)
{
	uint8_t code_id[PL_INVITE_ID_LEN] = {7};

	(void)state;
	assert_false(pl_invite_id(PL_STR(""), code_id));
	assert_false(pl_invite_id(PL_STR("x0k3-9mfd"), code_id));
	assert_false(
	    pl_invite_id(PL_STR("x0k3-9mfd-2q7z-vb41-c8se-jr6w-5h0n-x"), code_id));
	assert_int_equal(code_id[0], 7);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(knows_a_code_that_it_drew_again_however_it_is_typed),
	    cmocka_unit_test(has_another_id_for_each_code),
	    cmocka_unit_test(has_the_same_id_for_ever),
	    cmocka_unit_test(is_no_code_of_another_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
