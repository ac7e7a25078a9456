#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "bus/wake.h"
#include "ops/settings.h"
#include "sending/send.h"
#include "support/fake/bus.h"
#include "support/fake/store.h"
#include "support/fake_loop.h"

#define RECEIVER "0123456789abcdef01234567"
#define HELLO    "hello"
#define TO_GAP   "parley:gap "

/* ---- who is online, and who is woken, as the test says ---- */

struct question {
	struct pl_oid user;
	void (*on_answer)(void *arg, bool is_online);
	void *arg;
};
static struct question question; /* the one that waits */
static size_t questions;         /* so far */
static size_t wakes;

void
pl_online_ask(struct pl_online *o, const struct pl_oid *user,
    void (*on_answer)(void *arg, bool is_online), void *arg)
{
	(void)o;
	question = (struct question){.user = *user, .on_answer = on_answer, .arg = arg};
	questions++;
}

static void
is_online(bool is)
{
	struct question q = question;

	assert_non_null(q.on_answer);
	question = (struct question){0};
	q.on_answer(q.arg, is);
}

void
pl_wake_send(struct pl_redis *redis, const struct pl_oid *message)
{
	(void)redis, (void)message;
	wakes++;
}

/* ---- the process ---- */

struct world {
	struct pl_sending sending;
	struct pl_loop *loop;
	struct pl_bus *bus;
	struct pl_oid sender;
};

static void
begin(struct world *w, int chat_requires_online, int64_t per_second, int64_t burst)
{
	pl_settings = (struct pl_settings){
	    .message_bytes_max = 100,
	    .chat_requires_online = chat_requires_online,
	    .limit_messages_per_second = per_second,
	    .limit_messages_burst = burst,
	};
	pl_sending_start(&w->sending);
	fake_loop_run(w->loop);
	fake_bus_end_all(w->bus, PL_OK); /* the gap of the start */
}

static int
setup(void **state)
{
	struct world *w = pl_mem_zalloc(sizeof(*w));

	fake_store_reset();
	question = (struct question){0};
	questions = wakes = 0;
	pl_oid_new(&w->sender);
	w->loop = fake_loop_new();
	w->bus = fake_bus_new(w->loop);
	w->sending = (struct pl_sending){.loop = w->loop, .bus = w->bus};
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	assert_int_equal(w->sending.under_way, 0);
	pl_sending_stop(&w->sending);
	pl_bus_free(w->bus);
	fake_loop_free(w->loop);
	pl_mem_free(w);
	return 0;
}

/* A send, and what came of it. */
struct said {
	bool is_done;
	bool is_refused;
	bool is_replayed;
	char text[100];
	enum pl_problem problem;
	int64_t wait_ms;
};

static void
on_done(void *arg, const struct pl_send_outcome *outcome)
{
	struct said *r = arg;

	assert_false(r->is_done);
	r->is_done = true;
	r->is_refused = outcome->sent == NULL;
	r->problem = outcome->problem;
	r->wait_ms = outcome->wait_ms;
	if (outcome->sent == NULL)
		return;
	r->is_replayed = outcome->sent->replayed;
	snprintf(r->text, sizeof(r->text), "%s", outcome->sent->message.text);
}

/* A send with this key; NULL: without one. From this socket; NULL: from none. */
static struct said *
send_with(struct world *w, const char *key, const char *socket)
{
	struct said *r = pl_mem_zalloc(sizeof(*r));
	struct pl_send send = {.sender = w->sender,
	    .text = PL_STR(HELLO),
	    .key = key != NULL ? pl_str(key) : PL_STR_NONE,
	    .not_socket = socket != NULL ? pl_str(socket) : PL_STR_NONE,
	    .from = PL_L_CSTR("test", "send"),
	    .done = on_done,
	    .arg = r};

	assert_true(pl_oid_parse(PL_STR(RECEIVER), &send.receiver));
	pl_send(&w->sending, &send);
	return r;
}

/* A text that takes turns, of one whom the test names. */
static struct said *
send_long(struct world *w, const struct pl_oid *sender)
{
	static char text[PL_SEND_LONG_BYTES + 1];
	struct said *r = pl_mem_zalloc(sizeof(*r));
	struct pl_send send = {.sender = *sender,
	    .text = pl_str_n(text, PL_SEND_LONG_BYTES),
	    .from = PL_L_CSTR("test", "send"),
	    .done = on_done,
	    .arg = r};

	memset(text, 'x', PL_SEND_LONG_BYTES);
	assert_true(pl_oid_parse(PL_STR(RECEIVER), &send.receiver));
	pl_send(&w->sending, &send);
	return r;
}

static struct said *
send_hello(struct world *w)
{
	return send_with(w, NULL, NULL);
}

static struct pl_store_write_call *
next_send(void)
{
	return fake_store_next_write(PL_WRITE_SEND);
}

/* It was committed just now, or age_ms ago under a key that is known. */
static void
commit(struct pl_store_write_call *call, bool replayed, int64_t age_ms)
{
	call->write.u.send.message.created_unix_ms = pl_clock_unix_ms() - age_ms;
	call->write.u.send.replayed = replayed;
	fake_store_end_write(call, PL_OK);
}

static void
check_problem(struct said *r, enum pl_problem problem)
{
	assert_true(r->is_done && r->is_refused);
	assert_int_equal(r->problem, problem);
	assert_int_equal(r->wait_ms, 0);
	pl_mem_free(r);
}

static void
check_unanswered(const struct said *r)
{
	assert_false(r->is_done);
}

static void
check_created(struct said *r)
{
	assert_true(r->is_done && !r->is_refused && !r->is_replayed);
	assert_string_equal(r->text, HELLO);
	pl_mem_free(r);
}

static void
check_replayed(struct said *r)
{
	assert_true(r->is_done && r->is_replayed);
	pl_mem_free(r);
}

/* The end of a send that has shown what the test is about. */
static void
fail_to_store(struct said *r, struct pl_store_write_call *call)
{
	check_unanswered(r);
	fake_store_end_write(call, PL_E_FULL);
	check_problem(r, PL_PROBLEM_FULL);
}

/* ---- what is refused at once ---- */

static void
check_form(const char *json, const char *key, enum pl_err expected)
{
	struct pl_json *body = NULL;
	struct pl_invalid why = {0};
	struct pl_str text;

	assert_int_equal(pl_json_parse(pl_str(json), &body, NULL), PL_OK);
	assert_int_equal(
	    pl_send_read(body, key ? pl_str(key) : PL_STR_NONE, &text, &why), expected);
	if (expected != PL_OK)
		assert_string_equal(why.code, "INVALID_FIELD");
	pl_json_free(body);
}

static void
takes_a_text_and_a_key_of_1_to_64_visible_characters(void **state)
{
	struct world *w = *state;
	const char hi[] = "{\"message\":\"hi\"}";
	char key[66];

	begin(w, PL_ONLINE_OFF, 0, 0);
	check_form("{}", NULL, PL_E_INVALID);
	check_form("{\"message\":\" \"}", NULL, PL_E_INVALID);
	check_form("{\"message\":null}", NULL, PL_E_INVALID);
	check_form(hi, NULL, PL_OK);
	memset(key, '~', sizeof(key));
	key[65] = '\0';
	check_form(hi, key, PL_E_INVALID);
	check_form(hi, "", PL_E_INVALID);
	check_form(hi, "a b", PL_E_INVALID);
	check_form(hi, "caf\xC3\xA9", PL_E_INVALID);
	key[64] = '\0';
	check_form(hi, key, PL_OK);
	check_form(hi, "!", PL_OK);
}

static void
hands_the_key_to_the_store(void **state)
{
	struct world *w = *state;
	struct pl_store_write_call *call;
	struct said *r;

	begin(w, PL_ONLINE_OFF, 0, 0);
	r = send_with(w, "key", NULL);
	call = next_send();
	assert_true(pl_str_eq(call->write.u.send.idem_key, PL_STR("key")));
	assert_int_equal(w->sending.under_way, 1);
	fail_to_store(r, call);
}

static void
refuses_at_once_while_the_disk_has_no_room(void **state)
{
	struct world *w = *state;

	begin(w, PL_ONLINE_BOTH, 0, 0);
	w->sending.room.is_short = true;
	check_problem(send_hello(w), PL_PROBLEM_FULL);
	assert_int_equal(questions + fake_store_writes(), 0);
}

static void
refuses_a_user_who_sends_too_fast_before_anything_is_asked(void **state)
{
	struct world *w = *state;
	struct said *r;
	struct pl_oid sender;

	begin(w, PL_ONLINE_SENDER, 1, 2);
	for (int i = 0; i < 2; i++) {
		r = send_hello(w);
		is_online(true);
		fail_to_store(r, next_send());
	}
	r = send_hello(w);
	assert_true(r->is_done && r->is_refused);
	assert_int_equal(r->problem, PL_PROBLEM_TOO_MANY);
	assert_int_equal(r->wait_ms, 1000);
	pl_mem_free(r);
	assert_int_equal(questions, 2);
	/* nobody else is held back, and they are not after a while */
	sender = w->sender;
	pl_oid_new(&w->sender);
	r = send_hello(w);
	is_online(true);
	fail_to_store(r, next_send());
	w->sender = sender;
	fake_loop_advance(w->loop, 1000);
	r = send_hello(w);
	is_online(true);
	fail_to_store(r, next_send());
}

static void
a_burst_or_a_rate_of_0_lifts_the_limit(void **state)
{
	struct world *w = *state;

	begin(w, PL_ONLINE_OFF, 1, 0);
	for (int i = 0; i < 100; i++) {
		struct said *r = send_hello(w);

		fail_to_store(r, next_send());
	}
}

/* ---- the online rule ---- */

static void
asks_nobody_when_the_rule_is_off(void **state)
{
	struct world *w = *state;
	struct pl_store_write_call *call;
	struct said *r;

	begin(w, PL_ONLINE_OFF, 0, 0);
	r = send_hello(w);
	assert_int_equal(questions, 0);
	call = next_send();
	assert_false(call->write.u.send.only_replay);
	fail_to_store(r, call);
}

static void
asks_for_the_sender_and_then_perhaps_for_the_receiver(void **state)
{
	struct world *w = *state;
	struct pl_store_write_call *call;
	struct said *r;
	struct pl_oid receiver;

	begin(w, PL_ONLINE_SENDER, 0, 0);
	r = send_hello(w);
	assert_true(pl_oid_eq(&question.user, &w->sender));
	is_online(true);
	assert_int_equal(questions, 1);
	call = next_send();
	assert_false(call->write.u.send.only_replay);
	fail_to_store(r, call);

	pl_settings.chat_requires_online = PL_ONLINE_BOTH;
	r = send_hello(w);
	assert_true(pl_oid_eq(&question.user, &w->sender));
	is_online(true);
	assert_true(pl_oid_parse(PL_STR(RECEIVER), &receiver));
	assert_true(pl_oid_eq(&question.user, &receiver));
	assert_int_equal(fake_store_writes(), 0);
	is_online(true);
	call = next_send();
	assert_false(call->write.u.send.only_replay);
	fail_to_store(r, call);
}

/* A send that is refused for whom is offline, up to its look for a replay. */
static struct said *
refused(struct world *w, enum pl_problem problem, struct pl_store_write_call **call)
{
	struct said *r = send_with(w, "key", NULL);

	is_online(problem == PL_PROBLEM_RECIPIENT_OFFLINE);
	if (problem == PL_PROBLEM_RECIPIENT_OFFLINE)
		is_online(false);
	*call = next_send();
	assert_true((*call)->write.u.send.only_replay);
	check_unanswered(r);
	return r;
}

static void
refuses_who_is_offline_unless_the_key_is_known(void **state)
{
	const enum pl_problem problems[] = {
	    PL_PROBLEM_OFFLINE, PL_PROBLEM_RECIPIENT_OFFLINE};
	struct world *w = *state;

	begin(w, PL_ONLINE_BOTH, 0, 0);
	for (size_t i = 0; i < 2; i++) {
		struct pl_store_write_call *call;
		struct said *r = refused(w, problems[i], &call);

		commit(call, false, 0);
		check_problem(r, problems[i]);
		r = refused(w, problems[i], &call);
		commit(call, true, 10 * PL_SEND_RETRY_TELLS_MS);
		check_replayed(r);
		/* nor is another body let through under the key */
		r = refused(w, problems[i], &call);
		fake_store_end_write(call, PL_E_CONFLICT);
		check_problem(r, PL_PROBLEM_IDEMPOTENCY);
	}
	assert_int_equal(fake_bus_count(w->bus, ""), 0);
}

static void
says_first_that_the_sender_is_offline_then_that_nobody_has_the_id(void **state)
{
	struct world *w = *state;
	struct pl_store_write_call *call;
	struct said *r;

	begin(w, PL_ONLINE_BOTH, 0, 0);
	r = refused(w, PL_PROBLEM_OFFLINE, &call);
	fake_store_end_write(call, PL_E_NOT_FOUND);
	check_problem(r, PL_PROBLEM_OFFLINE);
	r = refused(w, PL_PROBLEM_RECIPIENT_OFFLINE, &call);
	fake_store_end_write(call, PL_E_NOT_FOUND);
	check_problem(r, PL_PROBLEM_NO_USER);
}

/* ---- what the store says ---- */

static void
answers_what_the_store_refuses(void **state)
{
	struct world *w = *state;
	struct said *r;

	begin(w, PL_ONLINE_OFF, 0, 0);
	r = send_hello(w);
	fake_store_end_write(next_send(), PL_E_NOT_FOUND);
	check_problem(r, PL_PROBLEM_NO_USER);
	r = send_with(w, "key", NULL);
	fake_store_end_write(next_send(), PL_E_CONFLICT);
	check_problem(r, PL_PROBLEM_IDEMPOTENCY);
	r = send_hello(w);
	fake_store_end_write(next_send(), PL_E_DENIED);
	check_problem(r, PL_PROBLEM_BLOCKED);
	r = send_hello(w);
	fail_to_store(r, next_send());
	fake_store.is_full = true;
	r = send_hello(w);
	check_problem(r, PL_PROBLEM_BUSY);
	fake_loop_run(w->loop);
	assert_int_equal(fake_bus_count(w->bus, ""), 0);
}

static void
notes_a_gap_for_what_mongodb_may_have_stored(void **state)
{
	struct world *w = *state;
	char uri[] = "mongodb://db/chat";
	struct said *r;

	begin(w, PL_ONLINE_OFF, 0, 0);
	for (int i = 0; i < 2; i++) {
		pl_settings.mongo_uri = i == 0 ? NULL : uri; /* SQLite has not */
		r = send_hello(w);
		fake_store_end_write(next_send(), PL_E_UNAVAILABLE);
		check_problem(r, PL_PROBLEM_BUSY);
		fake_loop_run(w->loop);
		assert_int_equal(fake_bus_count(w->bus, TO_GAP), i);
	}
}

/* ---- after the commit ---- */

static void
answers_once_the_bus_has_the_message_for_both_users(void **state)
{
	struct world *w = *state;
	struct said *r;

	begin(w, PL_ONLINE_OFF, 0, 0);
	r = send_hello(w);
	commit(next_send(), false, 0);
	check_unanswered(r);
	assert_int_equal(fake_bus_count(w->bus, "newMessage"), 1);
	assert_int_equal(fake_bus_count(w->bus, "parley:user:" RECEIVER), 1);
	fake_bus_end(w->bus, "newMessage", PL_OK);
	check_unanswered(r);
	fake_bus_end(w->bus, "messageSent", PL_OK);
	assert_int_equal(wakes, 0);
	check_created(r);
}

static void
wakes_a_responder_when_the_receiver_is_busy(void **state)
{
	struct world *w = *state;
	struct pl_store_write_call *call;
	struct said *r;

	begin(w, PL_ONLINE_OFF, 0, 0);
	r = send_hello(w);
	call = next_send();
	assert_int_equal(call->write.u.send.reply_within_ms, PL_REPLY_WITHIN_MS);
	call->write.u.send.busy = true;
	commit(call, false, 0);
	assert_int_equal(wakes, 1);
	fake_bus_end_all(w->bus, PL_OK);
	check_created(r);
}

static void
keeps_the_senders_own_socket_out_of_the_event(void **state)
{
	struct world *w = *state;
	struct said *r;

	begin(w, PL_ONLINE_OFF, 0, 0);
	r = send_with(w, NULL, "mine-alone");
	commit(next_send(), false, 0);
	assert_int_equal(fake_bus_count(w->bus, "\"not\":\"mine-alone\""), 1);
	fake_bus_end_all(w->bus, PL_OK);
	check_created(r);
}

static void
answers_after_the_gap_is_noted_when_the_bus_fails(void **state)
{
	struct world *w = *state;
	struct said *r;

	begin(w, PL_ONLINE_OFF, 0, 0);
	r = send_hello(w);
	commit(next_send(), false, 0);
	fake_bus_end_all(w->bus, PL_E_UNAVAILABLE);
	check_unanswered(r);
	fake_loop_run(w->loop);
	assert_int_equal(fake_bus_count(w->bus, TO_GAP), 1);
	check_unanswered(r);
	fake_bus_end(w->bus, TO_GAP, PL_OK);
	check_created(r);
}

static void
answers_at_the_end_of_its_patience_whatever_the_bus_does(void **state)
{
	struct world *w = *state;
	struct said *r;

	begin(w, PL_ONLINE_OFF, 0, 0);
	/* the message itself hangs */
	r = send_hello(w);
	commit(next_send(), false, 0);
	fake_loop_advance(w->loop, PL_SEND_BUS_PATIENCE_MS - 1);
	check_unanswered(r);
	fake_loop_advance(w->loop, 1);
	check_created(r);
	fake_bus_end_all(w->bus, PL_E_TIMEOUT); /* nobody is answered twice */
	fake_loop_run(w->loop);
	fake_bus_end_all(w->bus, PL_OK);
	/* the note of the gap hangs */
	r = send_hello(w);
	commit(next_send(), false, 0);
	fake_bus_end_all(w->bus, PL_E_UNAVAILABLE);
	fake_loop_advance(w->loop, PL_SEND_BUS_PATIENCE_MS - 1);
	check_unanswered(r);
	fake_loop_advance(w->loop, 1);
	check_created(r);
	fake_bus_end_all(w->bus, PL_OK);
}

static void
does_not_wait_for_a_bus_that_everybody_knows_to_be_away(void **state)
{
	struct world *w = *state;
	struct said *r;

	begin(w, PL_ONLINE_OFF, 0, 0);
	pl_gap_note(w->sending.publisher.gap, pl_clock_unix_ms());
	fake_loop_advance(w->loop, PL_SEND_BUS_PATIENCE_MS + 1);
	r = send_hello(w);
	commit(next_send(), false, 0);
	fake_bus_end(w->bus, "newMessage", PL_E_UNAVAILABLE);
	fake_bus_end(w->bus, "messageSent", PL_E_UNAVAILABLE);
	check_created(r);
}

/* ---- a send that comes again ---- */

static void
a_replay_is_not_published_again_but_notes_a_gap_while_it_is_young(void **state)
{
	struct world *w = *state;
	struct said *r;

	begin(w, PL_ONLINE_OFF, 0, 0);
	r = send_with(w, "key", NULL);
	commit(next_send(), true, PL_SEND_RETRY_TELLS_MS - 5000);
	fake_loop_run(w->loop);
	assert_int_equal(fake_bus_count(w->bus, "newMessage"), 0);
	assert_int_equal(fake_bus_count(w->bus, TO_GAP), 1);
	check_unanswered(r);
	fake_bus_end(w->bus, TO_GAP, PL_OK);
	assert_int_equal(wakes, 0);
	check_replayed(r);

	r = send_with(w, "key", NULL);
	commit(next_send(), true, PL_SEND_RETRY_TELLS_MS + 5000);
	check_replayed(r);
	fake_loop_run(w->loop);
	assert_int_equal(fake_bus_count(w->bus, ""), 0);
}

static void
a_replay_waits_no_longer_than_its_patience(void **state)
{
	struct world *w = *state;
	struct said *r;

	begin(w, PL_ONLINE_OFF, 0, 0);
	r = send_with(w, "key", NULL);
	commit(next_send(), true, 0);
	fake_loop_advance(w->loop, PL_SEND_BUS_PATIENCE_MS - 1);
	check_unanswered(r);
	fake_loop_advance(w->loop, 1);
	check_replayed(r);
	fake_bus_end_all(w->bus, PL_OK);
}

/* The next write, which is sender's, is committed. */
static void
commit_of(const struct pl_oid *sender)
{
	struct pl_store_write_call *call = next_send();

	assert_memory_equal(&call->write.u.send.message.sender, sender, sizeof(*sender));
	commit(call, false, 0);
}

static void
long_texts_take_turns_and_others_do_not_wait_for_one_who_sends_many(void **state)
{
	struct world *w = *state;
	struct said *many[4], *his, *hello;
	struct pl_oid other;

	pl_oid_new(&other);
	begin(w, PL_ONLINE_OFF, 0, 0);
	for (size_t i = 0; i < 4; i++)
		many[i] = send_long(w, &w->sender);
	his = send_long(w, &other);
	hello = send_hello(w);
	for (size_t i = 0; i < PL_SEND_LONG_OF_USER_MAX; i++)
		commit_of(&w->sender);
	commit_of(&other);
	commit(next_send(), false, 0);
	for (size_t i = PL_SEND_LONG_OF_USER_MAX; i < 4; i++)
		commit_of(&w->sender);
	fake_bus_end_all(w->bus, PL_OK);
	check_created(hello);
	for (size_t i = 0; i < 4; i++) {
		assert_true(many[i]->is_done && !many[i]->is_refused);
		pl_mem_free(many[i]);
	}
	assert_true(his->is_done && !his->is_refused);
	pl_mem_free(his);
}

static void
a_long_text_that_has_waited_for_its_turn_too_long_is_refused(void **state)
{
	struct world *w = *state;
	struct said *r[3];

	begin(w, PL_ONLINE_OFF, 0, 0);
	for (size_t i = 0; i < 3; i++)
		r[i] = send_long(w, &w->sender);
	fake_loop_advance(w->loop, PL_SEND_TURN_MS + 1);
	check_unanswered(r[2]);
	fake_store_end_write(next_send(), PL_E_UNAVAILABLE);
	assert_true(r[2]->is_done && r[2]->is_refused);
	fake_store_end_write(next_send(), PL_E_UNAVAILABLE);
	check_problem(r[0], PL_PROBLEM_BUSY);
	check_problem(r[1], PL_PROBLEM_BUSY);
	check_problem(r[2], PL_PROBLEM_BUSY);
}

static void
says_how_long_a_rate_would_refuse_without_taking_of_it(void **state)
{
	struct world *w = *state;
	struct said *r[2];

	begin(w, PL_ONLINE_OFF, 1, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(pl_send_wait_ms(&w->sending, &w->sender), 0);
		assert_int_equal(pl_send_wait_ms(&w->sending, &w->sender), 0);
		r[i] = send_hello(w);
	}
	assert_int_equal(pl_send_wait_ms(&w->sending, &w->sender), 1000);
	for (size_t i = 0; i < 2; i++)
		commit(next_send(), false, 0);
	fake_bus_end_all(w->bus, PL_OK);
	for (size_t i = 0; i < 2; i++)
		check_created(r[i]);
}

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WORLD_TEST(takes_a_text_and_a_key_of_1_to_64_visible_characters),
	    WORLD_TEST(hands_the_key_to_the_store),
	    WORLD_TEST(refuses_at_once_while_the_disk_has_no_room),
	    WORLD_TEST(refuses_a_user_who_sends_too_fast_before_anything_is_asked),
	    WORLD_TEST(a_burst_or_a_rate_of_0_lifts_the_limit),
	    WORLD_TEST(asks_nobody_when_the_rule_is_off),
	    WORLD_TEST(asks_for_the_sender_and_then_perhaps_for_the_receiver),
	    WORLD_TEST(refuses_who_is_offline_unless_the_key_is_known),
	    WORLD_TEST(says_first_that_the_sender_is_offline_then_that_nobody_has_the_id),
	    WORLD_TEST(answers_what_the_store_refuses),
	    WORLD_TEST(notes_a_gap_for_what_mongodb_may_have_stored),
	    WORLD_TEST(answers_once_the_bus_has_the_message_for_both_users),
	    WORLD_TEST(wakes_a_responder_when_the_receiver_is_busy),
	    WORLD_TEST(keeps_the_senders_own_socket_out_of_the_event),
	    WORLD_TEST(answers_after_the_gap_is_noted_when_the_bus_fails),
	    WORLD_TEST(answers_at_the_end_of_its_patience_whatever_the_bus_does),
	    WORLD_TEST(does_not_wait_for_a_bus_that_everybody_knows_to_be_away),
	    WORLD_TEST(a_replay_is_not_published_again_but_notes_a_gap_while_it_is_young),
	    WORLD_TEST(a_replay_waits_no_longer_than_its_patience),
	    WORLD_TEST(
		long_texts_take_turns_and_others_do_not_wait_for_one_who_sends_many),
	    WORLD_TEST(a_long_text_that_has_waited_for_its_turn_too_long_is_refused),
	    WORLD_TEST(says_how_long_a_rate_would_refuse_without_taking_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
