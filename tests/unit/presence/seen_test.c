#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/base64.h"
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
	assert_true(text.len <= seen_offset_room(s));
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

/* ---- as the plain rules have it, whatever the order ---- */

#define ARRIVALS 6000

/* All that was taken, oldest arrival first; those before `first` are under the floor. */
struct plain {
	struct pl_message_pos all[ARRIVALS];
	unsigned first, count;
	struct pl_message_pos floor;
};

static void
raise_to(struct pl_message_pos *floor, const struct pl_message_pos *pos)
{
	if (pl_message_pos_compare(pos, floor) > 0)
		*floor = *pos;
}

static bool
plain_has(const struct plain *p, const struct pl_oid *id)
{
	for (unsigned i = p->first; i < p->count; i++)
		if (pl_oid_eq(&p->all[i].id, id))
			return true;
	return false;
}

static bool
plain_add(struct plain *p, const struct pl_message_pos *pos)
{
	int64_t keep_from = pos->created_unix_ms - SEEN_KEEP_MS;

	if (plain_has(p, &pos->id))
		return false;
	while (p->count - p->first == SEEN_MAX ||
	       (p->count > p->first && p->all[p->first].created_unix_ms < keep_from))
		raise_to(&p->floor, &p->all[p->first++]);
	p->all[p->count++] = *pos;
	return true;
}

static bool
plain_has_change(const struct plain *p, const struct pl_oid *id, int64_t after_unix_ms)
{
	for (unsigned i = p->first; i < p->count; i++) {
		int64_t at_ms = p->all[i].created_unix_ms;
		struct pl_message_pos change = pl_message_change_pos(id, at_ms);

		if (at_ms > after_unix_ms && pl_oid_eq(&change.id, &p->all[i].id))
			return true;
	}
	return false;
}

static void
plain_offset(const struct plain *p, struct pl_buf *out)
{
	unsigned last =
	    p->count - p->first > SEEN_OFFSET_MAX ? p->count - SEEN_OFFSET_MAX : p->first;
	struct pl_message_pos floor = p->floor;
	char text[PL_MESSAGE_POS_LEN + 1];
	bool is_first = true;

	for (unsigned i = p->first; i < last; i++)
		raise_to(&floor, &p->all[i]);
	pl_message_pos_format(&floor, text);
	(void)pl_buf_add_cstr(out, text);
	for (unsigned i = last; i < p->count; i++) {
		if (pl_message_pos_compare(&p->all[i], &floor) <= 0)
			continue;
		(void)pl_buf_add_cstr(out, is_first ? "." : "");
		is_first = false;
		(void)pl_base64url_encode(
		    out, p->all[i].id.bytes + PL_OID_LEN - SEEN_ID_BYTES, SEEN_ID_BYTES);
	}
}

static void
assert_same_offset(const struct seen *s, const struct plain *p)
{
	struct pl_buf got, wanted;

	pl_buf_init(&got, PL_BUF_UNLIMITED);
	pl_buf_init(&wanted, PL_BUF_UNLIMITED);
	seen_write_offset(s, &got);
	assert_true(got.len <= seen_offset_room(s));
	plain_offset(p, &wanted);
	assert_string_equal(got.data, wanted.data);
	pl_buf_fini(&got);
	pl_buf_fini(&wanted);
}

static unsigned
next_random(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (unsigned)(*seed >> 33);
}

/* Mostly in order, some late, some twice, some a change of one before, some after a pause
 * that puts most under the floor. */
static struct pl_message_pos
next_arrival(const struct plain *p, int64_t *now_ms, unsigned number, uint64_t *seed)
{
	unsigned kind = next_random(seed) % 100;
	const struct pl_message_pos *before =
	    p->count > 0 ? &p->all[p->count - 1 - next_random(seed) % p->count] : NULL;

	*now_ms += next_random(seed) % 3;
	if (kind == 0 && number % 500 == 0)
		*now_ms += SEEN_KEEP_MS - 100;
	if (kind < 10 && before != NULL)
		return *before;
	if (kind < 20 && before != NULL)
		return pl_message_change_pos(&before->id, T0 + *now_ms);
	return pos(kind < 50 ? *now_ms - next_random(seed) % 300 : *now_ms, number);
}

static void
is_as_the_plain_rules_have_it(void **state)
{
	static struct plain p;

	(void)state;
	for (uint64_t round = 1; round <= 4; round++) {
		struct seen s = {0};
		uint64_t seed = round;
		int64_t now_ms = 0;

		p = (struct plain){.count = 0};
		for (unsigned i = 1; i <= ARRIVALS; i++) {
			struct pl_message_pos one = next_arrival(&p, &now_ms, i, &seed);
			int64_t after = T0 + now_ms - next_random(&seed) % 100;

			assert_int_equal(seen_has_change(&s, &one.id, after),
			    plain_has_change(&p, &one.id, after));
			assert_int_equal(seen_add(&s, &one), plain_add(&p, &one));
			assert_int_equal(s.count, p.count - p.first);
			if (i % 7 == 0)
				assert_same_offset(&s, &p);
		}
		seen_fini(&s);
	}
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
	    cmocka_unit_test(is_as_the_plain_rules_have_it),
	    cmocka_unit_test(refuses_what_it_would_not_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
