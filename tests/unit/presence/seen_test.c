#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/presence/delivery/seen.h"

#define T0 INT64_C(1769860000000)

static struct pl_message_pos
pos(int64_t at_ms, unsigned number)
{
	struct pl_message_pos p = {.created_unix_ms = T0 + at_ms};

	for (unsigned i = 0; i < 4; i++)
		p.id.bytes[PL_OID_LEN - 1 - i] = (uint8_t)(number >> (8 * i));
	return p;
}

static bool
add(struct seen *s, int64_t at_ms, unsigned number)
{
	struct pl_message_pos p = pos(at_ms, number);

	return seen_add(s, &p);
}

/* What a client that was sent s would come back with. */
static struct seen_offset
offset_of(const struct seen *s, size_t *len)
{
	struct seen_offset offset;
	struct pl_buf text;

	pl_buf_init(&text, PL_BUF_UNLIMITED);
	seen_write_offset(s, &text);
	*len = text.len;
	assert_true(seen_offset_parse(pl_buf_str(&text), &offset));
	pl_buf_fini(&text);
	return offset;
}

/* Is it one that the offset says the client has? */
static bool
is_known(const struct seen_offset *offset, int64_t at_ms, unsigned number)
{
	struct pl_message_pos p = pos(at_ms, number);

	return pl_message_pos_compare(&p, &offset->floor) <= 0 ||
	       seen_offset_has(offset, &p.id);
}

static void
tells_a_later_change_of_a_message(void **state)
{
	struct pl_oid one = pos(0, 1).id, two = pos(0, 2).id;
	struct pl_message_pos first = pl_message_change_pos(&one, T0 + 10),
			      second = pl_message_change_pos(&one, T0 + 20);
	struct seen s = {0};
	size_t len;
	struct seen_offset offset;

	(void)state;
	assert_true(add(&s, 0, 1));
	assert_true(seen_has(&s, &one));
	assert_false(seen_has_change(&s, &one, 0));
	assert_true(seen_add(&s, &second));
	assert_false(seen_add(&s, &second));
	assert_true(seen_has_change(&s, &one, T0 + 19));
	assert_false(seen_has_change(&s, &one, T0 + 20));
	assert_false(seen_has_change(&s, &two, 0));
	assert_true(seen_add(&s, &first)); /* not the same */
	/* An offset tells them from their message, and from one another. */
	offset = offset_of(&s, &len);
	assert_int_equal(offset.count, 3);
	first = pl_message_change_pos(&one, T0 + 11);
	assert_true(seen_offset_has(&offset, &second.id));
	assert_false(seen_offset_has(&offset, &first.id));
	seen_fini(&s);
}

static void
takes_each_message_once(void **state)
{
	struct seen s = {0};

	(void)state;
	for (unsigned round = 0; round < 2; round++)
		for (unsigned i = 0; i < 1000; i++)
			assert_int_equal(add(&s, i, i), round == 0);
	seen_fini(&s);
	assert_true(add(&s, 0, 0));
	seen_fini(&s);
}

static void
an_offset_is_these_bytes(void **state)
{
	struct pl_message_pos floor = pos(0, 0);
	struct seen s = {0};
	struct pl_buf text;

	(void)state;
	pl_buf_init(&text, PL_BUF_UNLIMITED);
	seen_start(&s, &floor);
	seen_write_offset(&s, &text);
	assert_string_equal(text.data, "19c13e06900-000000000000000000000000");
	add(&s, 1, 1);
	add(&s, 2, 0x01020304);
	pl_buf_clear(&text);
	seen_write_offset(&s, &text);
	assert_string_equal(
	    text.data, "19c13e06900-000000000000000000000000.AAAAAAABAAABAgME");
	pl_buf_fini(&text);
	seen_fini(&s);
}

/* The reason for all this: 2 was told before 1 was, and then the connection broke. */
static void
one_that_is_told_late_is_not_taken_for_known(void **state)
{
	struct pl_message_pos floor = pos(0, 0);
	struct seen_offset offset;
	struct seen s = {0};
	size_t len;

	(void)state;
	seen_start(&s, &floor);
	add(&s, 20, 2);
	offset = offset_of(&s, &len);
	assert_true(is_known(&offset, 20, 2));
	assert_false(is_known(&offset, 10, 1));
	assert_false(is_known(&offset, 30, 3));
	assert_true(is_known(&offset, -1, 0));
	seen_fini(&s);
}

static void
what_is_old_goes_below_the_floor(void **state)
{
	struct seen_offset offset;
	struct seen s = {0};
	size_t len;

	(void)state;
	for (unsigned i = 0; i < 10; i++)
		add(&s, i, i);
	add(&s, SEEN_KEEP_MS + 5, 10);
	offset = offset_of(&s, &len);
	assert_int_equal(offset.count, 6); /* 5 to 10 */
	for (unsigned i = 0; i < 10; i++)
		assert_true(is_known(&offset, i, i));
	assert_false(is_known(&offset, 6, 99));
	assert_int_equal(offset.floor.created_unix_ms, T0 + 4);
	assert_false(seen_is_past_floor(&s, &offset.floor));
	seen_fini(&s);
}

static void
an_offset_stays_short_and_repeats_nothing(void **state)
{
	struct seen_offset offset;
	struct seen s = {0};
	size_t len;

	(void)state;
	for (unsigned i = 0; i < 2 * SEEN_MAX; i++) {
		assert_true(add(&s, i, i));
		offset = offset_of(&s, &len);
		assert_true(len <= PL_MESSAGE_POS_LEN + 1 + 8 * SEEN_OFFSET_MAX);
	}
	assert_int_equal(s.count, SEEN_MAX);
	assert_int_equal(offset.count, SEEN_OFFSET_MAX);
	for (unsigned i = 0; i < 2 * SEEN_MAX; i++)
		assert_true(is_known(&offset, i, i));
	/* One that came late keeps its place in the offset while it is among the last. */
	add(&s, 2 * SEEN_MAX - 50, 99999);
	offset = offset_of(&s, &len);
	assert_true(is_known(&offset, 2 * SEEN_MAX - 50, 99999));
	assert_false(is_known(&offset, 2 * SEEN_MAX - 50, 88888));
	seen_fini(&s);
}

static void
refuses_what_it_would_not_write(void **state)
{
	static const char good[] = "19c13e06900-000000000000000000000000";
	static const char *const tails[] = {".", ".AAAAAAA",
	    ".AAAAAAAB=", ".AAAAAAA=", ".AAAAAA B", ".AAAAAAA+", ".AAAAAAAB.AAAAAAAB",
	    "..", ".AAAAAAAB.", "0", "-", "\n"};
	struct seen_offset out = {.count = 7};
	struct pl_buf text;

	(void)state;
	pl_buf_init(&text, PL_BUF_UNLIMITED);
	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		pl_buf_clear(&text);
		(void)pl_buf_printf(&text, "%s%s", good, tails[i]);
		assert_false(seen_offset_parse(pl_buf_str(&text), &out));
	}
	assert_false(seen_offset_parse(PL_STR_NONE, &out));
	assert_false(seen_offset_parse(PL_STR(".AAAAAAAB"), &out));
	pl_buf_clear(&text);
	(void)pl_buf_printf(&text, "%s.", good);
	for (unsigned i = 0; i < SEEN_OFFSET_MAX; i++)
		(void)pl_buf_add_cstr(&text, "AAAAAAAB");
	assert_int_equal(out.count, 7);
	assert_true(seen_offset_parse(pl_buf_str(&text), &out));
	assert_int_equal(out.count, SEEN_OFFSET_MAX);
	(void)pl_buf_add_cstr(&text, "AAAAAAAB");
	assert_false(seen_offset_parse(pl_buf_str(&text), &out));
	pl_buf_fini(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tells_a_later_change_of_a_message),
	    cmocka_unit_test(takes_each_message_once),
	    cmocka_unit_test(an_offset_is_these_bytes),
	    cmocka_unit_test(one_that_is_told_late_is_not_taken_for_known),
	    cmocka_unit_test(what_is_old_goes_below_the_floor),
	    cmocka_unit_test(an_offset_stays_short_and_repeats_nothing),
	    cmocka_unit_test(refuses_what_it_would_not_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
