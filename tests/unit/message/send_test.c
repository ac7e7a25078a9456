#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/message/send.h"
#include "support/fake/bus.h"
#include "support/fake/http.h"
#include "support/fake/store.h"
#include "support/fake_loop.h"

#define RECEIVER "0123456789abcdef01234567"
#define HELLO    "{\"message\":\"hello\"}"

static int
setup(void **state)
{
	struct pl_loop *loop = fake_loop_new();

	fake_store_reset();
	pl_settings = (struct pl_settings){
	    .message_bytes_max = 100,
	    .chat_requires_online = PL_ONLINE_OFF,
	    .limit_messages_per_second = 1,
	    .limit_messages_burst = 1,
	};
	pl_app = (struct pl_app){.loop = loop, .bus = fake_bus_new(loop)};
	send_start();
	fake_loop_run(loop);
	fake_bus_end_all(pl_app.bus, PL_OK); /* the gap of the start */
	*state = loop;
	return 0;
}

static int
teardown(void **state)
{
	send_stop();
	pl_bus_free(pl_app.bus);
	fake_loop_free(*state);
	return 0;
}

/* A send with this key; NULL: without one. */
static struct fake_request *
send_with(const char *param, const char *body, const char *key)
{
	struct fake_request *r = fake_request_new(param, body);

	if (key != NULL)
		fake_request_add(r, "idempotency-key", key);
	message_send_post(&r->rq);
	return r;
}

static void
check_problem(struct fake_request *r, enum pl_problem problem)
{
	assert_int_equal(r->answer.kind, FAKE_PROBLEM);
	assert_int_equal(r->answer.problem, problem);
	fake_request_free(r);
}

static void
check_invalid(struct fake_request *r)
{
	assert_int_equal(r->answer.kind, FAKE_INVALID);
	assert_string_equal(r->answer.code, "INVALID_FIELD");
	fake_request_free(r);
}

static struct fake_request *
stored(const char *key, bool replayed)
{
	struct fake_request *r = send_with(RECEIVER, HELLO, key);
	struct pl_store_write_call *call = fake_store_next_write(PL_WRITE_SEND);

	call->write.u.send.replayed = replayed;
	fake_store_end_write(call, PL_OK);
	fake_bus_end_all(pl_app.bus, PL_OK);
	assert_int_equal(r->answer.kind, FAKE_JSON);
	assert_int_equal(r->answer.status, 201);
	assert_non_null(memmem(r->answer.body.data, r->answer.body.len, "hello", 5));
	return r;
}

static void
refuses_what_is_no_send_before_it_counts(void **state)
{
	struct fake_request *r;

	(void)state;
	/* the id comes first, then the body, then the key */
	check_problem(send_with("1", "no JSON", "no key"), PL_PROBLEM_BAD_ID);
	check_problem(send_with(RECEIVER, "no JSON", "no key"), PL_PROBLEM_BAD_JSON);
	check_invalid(send_with(RECEIVER, "{}", "no key"));
	check_invalid(send_with(RECEIVER, "{\"message\":\" \"}", "no key"));
	check_invalid(send_with(RECEIVER, HELLO, "no key"));
	check_invalid(send_with(RECEIVER, HELLO, ""));
	r = fake_request_new(RECEIVER, HELLO);
	fake_request_add(r, "idempotency-key", "one");
	fake_request_add(r, "idempotency-key", "one");
	message_send_post(&r->rq);
	check_invalid(r);
	assert_int_equal(fake_store_writes(), 0);
	fake_request_free(stored(NULL, false));
}

static void
answers_with_the_message_and_says_when_it_was_stored_before(void **state)
{
	struct fake_request *r = stored("key", false);

	assert_null(fake_answer_header(r, "idempotent-replayed"));
	fake_request_free(r);
	fake_loop_advance(*state, 1000);
	r = stored("key", true);
	assert_string_equal(fake_answer_header(r, "idempotent-replayed"), "true");
	fake_request_free(r);
}

static void
says_when_to_try_again(void **state)
{
	struct fake_request *r;

	(void)state;
	fake_request_free(stored(NULL, false));
	r = send_with(RECEIVER, HELLO, NULL);
	assert_int_equal(r->answer.kind, FAKE_RETRY);
	assert_int_equal(r->answer.problem, PL_PROBLEM_TOO_MANY);
	assert_int_equal(r->answer.wait_ms, 1000);
	fake_request_free(r);
}

static void
keeps_the_senders_own_socket_out_of_the_event(void **state)
{
	struct fake_request *r = fake_request_new(RECEIVER, HELLO);

	(void)state;
	fake_request_add(r, "x-socket-id", "mine-alone");
	message_send_post(&r->rq);
	fake_store_end_write(fake_store_next_write(PL_WRITE_SEND), PL_OK);
	assert_int_equal(fake_bus_count(pl_app.bus, "\"not\":\"mine-alone\""), 1);
	fake_bus_end_all(pl_app.bus, PL_OK);
	assert_int_equal(r->answer.status, 201);
	fake_request_free(r);
}

#define SEND_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    SEND_TEST(refuses_what_is_no_send_before_it_counts),
	    SEND_TEST(answers_with_the_message_and_says_when_it_was_stored_before),
	    SEND_TEST(says_when_to_try_again),
	    SEND_TEST(keeps_the_senders_own_socket_out_of_the_event),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
