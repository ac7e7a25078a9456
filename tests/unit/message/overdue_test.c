#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "services/message/overdue.h"
#include "services/message/send.h"
#include "support/fake/bus.h"
#include "support/fake/http.h"
#include "support/fake/store.h"
#include "support/fake_loop.h"

#define SWEEP_MS  1000
#define BATCH_MAX 128
#define TO_GAP    "parley:gap "

static char fallback[] = "I am busy.";
static size_t overdue_count;  /* in the store */
static int64_t begun_unix_ms; /* the test */

static enum pl_err
find_overdue(
    struct pl_store *s, int64_t due_unix_ms, size_t limit, struct pl_overdue_list *out)
{
	(void)s;
	assert_int_equal(limit, BATCH_MAX);
	assert_in_range(due_unix_ms, begun_unix_ms, pl_clock_unix_ms());
	*out = (struct pl_overdue_list){.count = overdue_count};
	if (overdue_count == 0)
		return PL_OK;
	out->items = pl_mem_zalloc(overdue_count * sizeof(*out->items));
	for (size_t i = 0; i < overdue_count; i++) {
		pl_oid_new(&out->items[i].message.id);
		out->items[i].message.created_unix_ms = due_unix_ms - 10000;
	}
	return PL_OK;
}

static int
setup(void **state)
{
	struct pl_loop *loop = fake_loop_new();

	begun_unix_ms = pl_clock_unix_ms();
	fake_store_reset();
	fake_store.backend.overdue = find_overdue;
	pl_settings = (struct pl_settings){.autoreply_fallback = fallback};
	pl_app = (struct pl_app){.loop = loop, .bus = fake_bus_new(loop)};
	send_start();
	overdue_start();
	fake_loop_run(loop);
	fake_bus_end_all(pl_app.bus, PL_OK);
	*state = loop;
	return 0;
}

static int
teardown(void **state)
{
	overdue_stop();
	send_stop();
	pl_bus_free(pl_app.bus);
	fake_loop_free(*state);
	return 0;
}

/* A second passes, and the sweep finds count messages. */
static void
find(struct pl_loop *loop, size_t count)
{
	overdue_count = count;
	fake_loop_advance(loop, SWEEP_MS);
	fake_store_end_read(PL_OK);
}

static struct pl_store_write_call *
next_reply(void)
{
	struct pl_store_write_call *call = fake_store_next_write(PL_WRITE_REPLY);

	assert_int_equal(call->write.u.reply.kind, PL_REPLY_FALLBACK);
	assert_true(pl_str_eq(call->write.u.reply.text, pl_str(fallback)));
	return call;
}

static void
end_replies(size_t count, enum pl_err err)
{
	for (size_t i = 0; i < count; i++)
		fake_store_end_write(next_reply(), err);
}

static void
looks_every_second_and_never_twice_at_once(void **state)
{
	struct pl_loop *loop = *state;

	fake_loop_advance(loop, SWEEP_MS - 1);
	assert_int_equal(fake_store_reads(), 0);
	fake_loop_advance(loop, 5 * SWEEP_MS);
	assert_int_equal(fake_store_reads(), 1);
	overdue_count = 0;
	fake_store_end_read(PL_OK);
	assert_int_equal(fake_store_reads() + fake_store_writes(), 0);
	fake_loop_advance(loop, SWEEP_MS);
	fake_store_end_read(PL_E_UNAVAILABLE);
	fake_loop_advance(loop, SWEEP_MS);
	assert_int_equal(fake_store_reads(), 1);
	fake_store_end_read(PL_OK);
}

static void
stores_the_standard_text_and_publishes_it(void **state)
{
	struct pl_store_write_call *call;

	find(*state, 1);
	call = next_reply();
	pl_message_init(&call->write.u.reply.message, &(struct pl_oid){{1}},
	    &(struct pl_oid){{2}}, pl_str(fallback), pl_clock_unix_ms());
	fake_store_end_write(call, PL_OK);
	/* a responder that died may have shown the sender that the busy user is typing */
	assert_int_equal(fake_bus_count(pl_app.bus, "\"typing\""), 1);
	assert_int_equal(fake_bus_count(pl_app.bus, "newMessage"), 1);
	fake_bus_end_all(pl_app.bus, PL_OK);
	fake_loop_run(*state);
	assert_int_equal(fake_bus_count(pl_app.bus, TO_GAP), 0);
}

static void
notes_a_gap_when_another_was_quicker_and_may_have_died(void **state)
{
	find(*state, 3);
	end_replies(3, PL_E_CONFLICT);
	fake_loop_run(*state);
	assert_int_equal(fake_bus_count(pl_app.bus, "newMessage"), 0);
	assert_int_equal(fake_bus_count(pl_app.bus, TO_GAP), 1);
}

static void
notes_a_gap_when_the_bus_does_not_take_the_reply(void **state)
{
	find(*state, 1);
	end_replies(1, PL_OK);
	fake_bus_end_all(pl_app.bus, PL_E_UNAVAILABLE);
	fake_loop_run(*state);
	assert_int_equal(fake_bus_count(pl_app.bus, TO_GAP), 1);
}

static void
looks_again_at_once_after_a_full_batch_that_all_ended(void **state)
{
	find(*state, BATCH_MAX);
	end_replies(BATCH_MAX - 1, PL_E_CONFLICT);
	assert_int_equal(fake_store_reads(), 0);
	end_replies(1, PL_E_CONFLICT);
	assert_int_equal(fake_store_reads(), 1);
	overdue_count = 0;
	fake_store_end_read(PL_OK);
}

static void
waits_a_second_after_a_batch_that_did_not_all_end(void **state)
{
	find(*state, BATCH_MAX);
	end_replies(1, PL_E_UNAVAILABLE);
	end_replies(BATCH_MAX - 1, PL_E_CONFLICT);
	assert_int_equal(fake_store_reads(), 0);
	find(*state, BATCH_MAX - 1); /* fewer than fit: that was all */
	end_replies(BATCH_MAX - 1, PL_E_CONFLICT);
	assert_int_equal(fake_store_reads(), 0);
}

static void
waits_a_second_when_the_store_takes_no_more(void **state)
{
	struct pl_loop *loop = *state;

	overdue_count = BATCH_MAX;
	fake_loop_advance(loop, SWEEP_MS);
	fake_store.is_full = true;
	fake_store_end_read(PL_OK);
	fake_loop_advance(loop, SWEEP_MS); /* nor a read */
	fake_store.is_full = false;
	assert_int_equal(fake_store_reads() + fake_store_writes(), 0);
	fake_loop_advance(loop, SWEEP_MS);
	assert_int_equal(fake_store_reads(), 1);
	overdue_count = 0;
	fake_store_end_read(PL_OK);
}

static void
begins_nothing_once_it_is_stopped(void **state)
{
	struct pl_loop *loop = *state;

	fake_loop_advance(loop, SWEEP_MS);
	overdue_stop();
	overdue_count = 2;
	fake_store_end_read(PL_OK);
	assert_int_equal(fake_store_writes(), 0);
	fake_loop_advance(loop, 5 * SWEEP_MS);
	assert_int_equal(fake_store_reads(), 0);
}

#define LOOP_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    LOOP_TEST(looks_every_second_and_never_twice_at_once),
	    LOOP_TEST(stores_the_standard_text_and_publishes_it),
	    LOOP_TEST(notes_a_gap_when_another_was_quicker_and_may_have_died),
	    LOOP_TEST(notes_a_gap_when_the_bus_does_not_take_the_reply),
	    LOOP_TEST(looks_again_at_once_after_a_full_batch_that_all_ended),
	    LOOP_TEST(waits_a_second_after_a_batch_that_did_not_all_end),
	    LOOP_TEST(waits_a_second_when_the_store_takes_no_more),
	    LOOP_TEST(begins_nothing_once_it_is_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
