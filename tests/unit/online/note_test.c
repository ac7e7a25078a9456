#include "support/redis_fixture.h"
#include "online/note.h"

#define A "65a000000000000000000001"
#define B "65a000000000000000000002"

static void
reads_changes_in_order(void **state)
{
	struct pl_online_note n;
	struct pl_oid user;
	char hex[PL_OID_HEX_LEN + 1];
	bool is_join;

	(void)state;
	assert_true(pl_online_note_parse(PL_STR("presence-1 17 +" A " -" B), &n));
	assert_true(pl_str_eq(n.process, PL_STR("presence-1")));
	assert_int_equal(n.number, 17);
	assert_false(n.is_retired);
	assert_true(pl_online_note_next(&n.changes, &is_join, &user));
	pl_oid_format(&user, hex);
	assert_string_equal(hex, A);
	assert_true(is_join);
	assert_true(pl_online_note_next(&n.changes, &is_join, &user));
	pl_oid_format(&user, hex);
	assert_string_equal(hex, B);
	assert_false(is_join);
	assert_false(pl_online_note_next(&n.changes, &is_join, &user));
}

static void
reads_renewal_and_retirement(void **state)
{
	struct pl_online_note n;

	(void)state;
	assert_true(pl_online_note_parse(PL_STR("p 4611686018427387904"), &n));
	assert_int_equal(n.number, (uint64_t)1 << 62);
	assert_int_equal(n.changes.len, 0);
	assert_false(n.is_retired);
	assert_true(pl_online_note_parse(PL_STR("p 1 ."), &n));
	assert_true(n.is_retired);
	assert_int_equal(n.changes.len, 0);
}

static void
refuses_anything_else(void **state)
{
	static const char *const rows[] = {"", " ", "p", "p ", " 1", "p  1", "p x",
	    "p -1", "p +1", "p 4611686018427387905", "p 99999999999999999999999", "p 1 ",
	    "p 1  .", "p 1 ..", "p 1 . ", "p 1 +", "p 1 +" A " ", "p 1 " A, "p 1 *" A,
	    "p 1 +65a00000000000000000000", "p 1 +65a00000000000000000000g",
	    "p 1 +" A ".", "p 1 +" A "+" B, "p\t 1", "p\x7f 1", "\xc3\xa9 1",
	    "01234567890123456789012345678901234567890123456789012345678901234 1"};
	struct pl_online_note n;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (pl_online_note_parse(pl_str(rows[i]), &n))
			fail_msg("took \"%s\"", rows[i]);
	assert_false(pl_online_note_parse(PL_STR_NONE, &n));
	assert_false(pl_online_note_parse(pl_str_n("p\0 1", 4), &n));
}

static void
stays_inside_a_payload_cut_anywhere(void **state)
{
	static const char whole[] = "presence-1 17 +" A " -" B;
	struct pl_online_note n;

	(void)state;
	for (size_t len = 0; len < sizeof(whole); len++) {
		char *exact = pl_mem_alloc(len + 1);
		bool is_good;

		memcpy(exact, whole, len);
		is_good = pl_online_note_parse(pl_str_n(exact, len), &n);
		/* "presence-1 1", "... 17", with one change, with both */
		assert_int_equal(
		    is_good, len == 12 || len == 13 || len == 39 || len == 65);
		pl_mem_free(exact);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_changes_in_order),
	    cmocka_unit_test(reads_renewal_and_retirement),
	    cmocka_unit_test(refuses_anything_else),
	    cmocka_unit_test(stays_inside_a_payload_cut_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
