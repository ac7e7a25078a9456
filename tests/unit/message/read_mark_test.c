#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "base/mem.h"
#include "services/message/read_mark.h"
#include "support/fake/bus.h"
#include "support/fake/http.h"
#include "support/fake/store.h"
#include "support/fake_loop.h"

#define WRITER "0123456789abcdef01234567"
#define M1     "65a000000000000000000001"
#define M2     "65a000000000000000000002"

static struct pl_oid reader;
static bool is_blocked; /* what the store says of the two */

static int
setup(void **state)
{
	fake_store_reset();
	is_blocked = false;
	pl_settings = (struct pl_settings){.limit_marks_per_second = 2};
	pl_oid_new(&reader);
	*state = fake_loop_new();
	pl_app = (struct pl_app){.loop = *state, .bus = fake_bus_new(*state)};
	read_mark_start();
	return 0;
}

static int
teardown(void **state)
{
	read_mark_stop();
	fake_bus_end_all(pl_app.bus, PL_OK);
	pl_bus_free(pl_app.bus);
	fake_loop_free(*state);
	return 0;
}

static struct fake_request *
mark(const char *param, const char *body)
{
	struct fake_request *r = fake_request_new(param, body);

	r->rq.claims.user = reader;
	fake_request_add(r, "x-socket-id", "tab1");
	message_read_post(&r->rq);
	return r;
}

/* What the store says: where the mark is, whether it moved, and what is unread. */
static void
store_says(const char *hex, bool moved, unsigned unread)
{
	struct pl_store_write_call *call = fake_store_next_write(PL_WRITE_MARK);
	struct pl_write_mark *m = &call->write.u.mark;

	assert_true(pl_oid_eq(&m->reader, &reader));
	assert_true(m->is_read);
	m->moved = moved;
	m->is_blocked = is_blocked;
	m->unread = unread;
	m->pos.created_unix_ms = 1;
	assert_true(pl_oid_parse(pl_str(hex), &m->pos.id));
	fake_store_end_write(call, PL_OK);
}

static void
check_marked(struct fake_request *r, const char *body)
{
	assert_int_equal(r->answer.kind, FAKE_JSON);
	assert_int_equal(r->answer.status, 200);
	assert_string_equal(r->answer.body.data, body);
	fake_request_free(r);
}

static void
check_problem(struct fake_request *r, enum pl_problem problem)
{
	assert_int_equal(r->answer.kind, FAKE_PROBLEM);
	assert_int_equal(r->answer.problem, problem);
	fake_request_free(r);
}

static void
a_mark_that_moved_is_told_to_both(void **state)
{
	struct fake_request *r = mark(WRITER, "{\"upTo\":\"" M1 "\"}");

	(void)state;
	assert_int_equal(r->answer.kind, FAKE_UNANSWERED);
	store_says(M1, true, 3);
	check_marked(r, "{\"success\":true,\"upTo\":\"" M1 "\",\"unread\":3}");
	assert_int_equal(fake_bus_count(pl_app.bus, "parley:user:" WRITER " {\"name\":"
						    "\"messagesRead\"}"),
	    1);
	assert_int_equal(
	    fake_bus_count(pl_app.bus,
		"{\"name\":\"conversationRead\",\"not\":\"tab1\"}\n2["
		"\"conversationRead\","
		"{\"userId\":\"" WRITER "\",\"upTo\":\"" M1 "\",\"unread\":3}]"),
	    1);
}

static void
where_there_is_a_block_only_the_reader_is_told(void **state)
{
	struct fake_request *r = mark(WRITER, "{\"upTo\":\"" M1 "\"}");

	(void)state;
	is_blocked = true;
	store_says(M1, true, 0);
	check_marked(r, "{\"success\":true,\"upTo\":\"" M1 "\",\"unread\":0}");
	assert_int_equal(fake_bus_count(pl_app.bus, "messagesRead"), 0);
	assert_int_equal(fake_bus_count(pl_app.bus, "\"name\":\"conversationRead\""), 1);
}

static void
an_older_one_is_answered_with_the_newer_and_told_to_nobody(void **state)
{
	struct fake_request *r = mark(WRITER, "{\"upTo\":\"" M1 "\"}");

	(void)state;
	store_says(M2, false, 0);
	check_marked(r, "{\"success\":true,\"upTo\":\"" M2 "\",\"unread\":0}");
	assert_int_equal(fake_bus_count(pl_app.bus, "parley:"), 0);
}

static void
what_is_no_message_of_the_two_is_refused(void **state)
{
	struct fake_request *r = mark(WRITER, "{\"upTo\":\"" M1 "\"}");

	(void)state;
	fake_store_end_write(fake_store_next_write(PL_WRITE_MARK), PL_E_NOT_FOUND);
	check_problem(r, PL_PROBLEM_BAD_MESSAGE);
	assert_int_equal(fake_bus_count(pl_app.bus, "parley:"), 0);
}

static void
what_is_no_mark_is_refused_and_costs_nothing(void **state)
{
	static const char *const bodies[] = {"{}", "{\"upTo\":null}", "{\"upTo\":1}",
	    "{\"upTo\":[\"" M1 "\"]}", "{\"upTo\":{\"$gt\":\"\"}}", "{\"upTo\":\"\"}",
	    "{\"upTo\":\"65a00000000000000000000\"}",
	    "{\"upTo\":\"65a00000000000000000000g\"}", "{\"upto\":\"" M1 "\"}"};

	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct fake_request *r = mark(WRITER, bodies[i]);

		assert_int_equal(r->answer.kind, FAKE_INVALID);
		assert_string_equal(r->answer.code, "BAD_MESSAGE");
		fake_request_free(r);
	}
	check_problem(mark("me", "{\"upTo\":\"" M1 "\"}"), PL_PROBLEM_BAD_ID);
	check_problem(mark(WRITER, "{"), PL_PROBLEM_BAD_JSON);
	assert_int_equal(fake_store_writes(), 0);
}

static void
a_store_that_fails_is_told_and_no_event_goes_out(void **state)
{
	struct fake_request *r = mark(WRITER, "{\"upTo\":\"" M1 "\"}");

	(void)state;
	fake_store_end_write(fake_store_next_write(PL_WRITE_MARK), PL_E_UNAVAILABLE);
	assert_int_equal(r->answer.kind, FAKE_ERR);
	assert_int_equal(r->answer.err, PL_E_UNAVAILABLE);
	fake_request_free(r);
	assert_int_equal(fake_bus_count(pl_app.bus, "parley:"), 0);
}

static void
beyond_the_rate_it_is_429_until_time_has_passed(void **state)
{
	struct fake_request *r;

	for (int i = 0; i < 2 * READ_MARKS_BURST_S; i++) {
		r = mark(WRITER, "{\"upTo\":\"" M1 "\"}");
		store_says(M1, false, 0);
		fake_request_free(r);
	}
	r = mark(WRITER, "{\"upTo\":\"" M1 "\"}");
	assert_int_equal(r->answer.kind, FAKE_RETRY);
	assert_int_equal(r->answer.problem, PL_PROBLEM_TOO_MANY);
	fake_request_free(r);
	assert_int_equal(fake_store_writes(), 0);
	fake_loop_advance(*state, 500);
	r = mark(WRITER, "{\"upTo\":\"" M1 "\"}");
	store_says(M1, false, 0);
	fake_request_free(r);
}

#define TEST(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_mark_that_moved_is_told_to_both),
	    TEST(where_there_is_a_block_only_the_reader_is_told),
	    TEST(an_older_one_is_answered_with_the_newer_and_told_to_nobody),
	    TEST(what_is_no_message_of_the_two_is_refused),
	    TEST(what_is_no_mark_is_refused_and_costs_nothing),
	    TEST(a_store_that_fails_is_told_and_no_event_goes_out),
	    TEST(beyond_the_rate_it_is_429_until_time_has_passed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
