#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "bus/events.h"
#include "services/llm-responder/responder.h"
#include "support/bus_local.h"
#include "support/fake/store.h"
#include "support/fake_loop.h"

#define FALLBACK "I am busy."
#define SWEEP_MS 500

/* ---- the LLM, which the test plays ---- */

static struct completion *asked; /* the last one that was started and not cancelled */
static int64_t asked_until;

void
completion_start(struct llm *llm, struct completion *c, const struct prompt *prompt,
    int64_t deadline_mono_ms)
{
	(void)llm, (void)prompt;
	asked = c;
	asked_until = deadline_mono_ms;
}

void
completion_cancel(struct completion *c)
{
	if (c == asked)
		asked = NULL;
}

static void
llm_answers(enum pl_err err, const char *text)
{
	struct completion *c = asked;

	asked = NULL;
	c->done(c, err, pl_str(text));
}

/* ---- the rest of the world ---- */

struct ear {
	struct pl_bus_listener listener;
	char last[32]; /* the event's name; "typing-" when it ends */
	int count;
};

struct world {
	struct pl_loop *loop;
	struct pl_bus *bus;
	struct pl_gap *gap;
	struct responder *responder;
	struct ear sender, busy;
	struct pl_oid sender_id, busy_id;
	int idles;
};

static void
on_event(void *arg, struct pl_str channel, struct pl_str payload)
{
	struct ear *ear = arg;
	struct pl_event event;

	(void)channel;
	assert_true(pl_event_parse(payload, &event));
	snprintf(ear->last, sizeof(ear->last), "%.*s%s", (int)event.name.len,
	    event.name.ptr,
	    memmem(payload.ptr, payload.len, "false", 5) != NULL ? "-" : "");
	ear->count++;
}

static void
listen_to(struct world *w, struct ear *ear, const char *channel)
{
	ear->listener.on_message = on_event;
	ear->listener.arg = ear;
	pl_bus_subscribe(w->bus, pl_str(channel), &ear->listener);
}

static int
setup(void **state)
{
	struct world *w = pl_mem_zalloc(sizeof(*w));
	struct responder_config config = {
	    .fallback = FALLBACK,
	    .concurrency = 1,
	    .context_messages = 1,
	    .llm = (struct llm *)(void *)w, /* never looked into */
	};
	char channel[PL_CHANNEL_USER_LEN + 1];

	fake_store_reset();
	asked = NULL;
	w->loop = config.loop = fake_loop_new();
	w->bus = config.bus = bus_local_new(w->loop);
	w->gap = config.gap = pl_gap_new(w->loop, w->bus);
	pl_oid_new(&w->sender_id);
	pl_oid_new(&w->busy_id);
	pl_channel_user(&w->sender_id, channel);
	listen_to(w, &w->sender, channel);
	pl_channel_sent(&w->busy_id, channel);
	listen_to(w, &w->busy, channel);
	w->responder = responder_new(&config);
	fake_loop_run(w->loop);
	*state = w;
	return 0;
}

static void
on_idle(void *arg)
{
	((struct world *)arg)->idles++;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	responder_close(w->responder);
	pl_gap_free(w->gap);
	pl_bus_unsubscribe(w->bus, &w->sender.listener);
	pl_bus_unsubscribe(w->bus, &w->busy.listener);
	pl_bus_free(w->bus);
	responder_free(w->responder);
	fake_loop_free(w->loop);
	pl_mem_free(w);
	return 0;
}

/* ---- steps ---- */

static struct pl_write_claim *
next_claim(struct pl_store_write_call **call)
{
	*call = fake_store_next_write(PL_WRITE_REPLY_CLAIM);
	return &(*call)->write.u.claim;
}

/* The claim that waits finds nothing. */
static void
claim_nothing(void)
{
	fake_store_end_write(fake_store_next_write(PL_WRITE_REPLY_CLAIM), PL_E_NOT_FOUND);
}

/* The claim that waits finds a message, claimed for the attempt-th time. */
static void
claim_message(struct world *w, int64_t attempt, int64_t age_ms)
{
	struct pl_store_write_call *call;
	struct pl_write_claim *claim = next_claim(&call);

	pl_message_init(&claim->message, &w->sender_id, &w->busy_id,
	    PL_STR("Are you there?"), pl_clock_unix_ms() - age_ms);
	claim->busy_user = (struct pl_user){.id = w->busy_id,
	    .full_name = pl_mem_strdup("Bea"),
	    .username = pl_mem_strdup("bea")};
	claim->attempt = attempt;
	fake_store_end_write(call, PL_OK);
}

/* A wake-up, and its message claimed at once. */
static void
wake(struct world *w, int64_t attempt, int64_t age_ms)
{
	struct pl_oid id;

	pl_oid_new(&id);
	responder_wake(w->responder, &id);
	claim_message(w, attempt, age_ms);
}

static void
check_reply(struct pl_store_write_call *call, enum pl_reply_kind kind, const char *text)
{
	assert_int_equal(call->write.u.reply.kind, kind);
	assert_true(pl_str_eq(call->write.u.reply.text, pl_str(text)));
}

static void
store_takes(struct world *w, struct pl_store_write_call *call)
{
	pl_message_init(&call->write.u.reply.message, &w->busy_id, &w->sender_id,
	    call->write.u.reply.text, pl_clock_unix_ms());
	fake_store_end_write(call, PL_OK);
	fake_loop_run(w->loop);
}

/* ---- claiming ---- */

static void
sweeps_at_the_start_and_every_half_second(void **state)
{
	struct world *w = *state;
	struct pl_store_write_call *call;
	struct pl_write_claim *claim = next_claim(&call);

	assert_null(claim->message_id);
	assert_true(claim->due_before_unix_ms == INT64_MAX);
	assert_int_equal(claim->lease_ms, 8800);
	fake_store_end_write(call, PL_E_NOT_FOUND);
	fake_loop_advance(w->loop, SWEEP_MS - 1);
	assert_int_equal(fake_store_writes(), 0);
	fake_loop_advance(w->loop, 1);
	assert_int_equal(fake_store_writes(), 1);
	/* one at a time, however slow the store is */
	fake_loop_advance(w->loop, 10 * SWEEP_MS);
	assert_int_equal(fake_store_writes(), 1);
	claim_nothing();
	fake_loop_advance(w->loop, SWEEP_MS);
	assert_int_equal(fake_store_writes(), 1);
}

static void
a_sweep_goes_on_until_there_is_nothing_to_take(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 3; i++) {
		claim_message(w, 1, 0);
		assert_int_equal(fake_store_writes(), 1);
	}
	claim_nothing();
	assert_int_equal(fake_store_writes(), 0);
	assert_int_equal(fake_store_reads(), 3);
}

static void
a_wake_up_claims_the_message_that_it_names(void **state)
{
	struct world *w = *state;
	struct pl_store_write_call *call;
	struct pl_oid id;

	claim_nothing();
	pl_oid_new(&id);
	responder_wake(w->responder, &id);
	assert_true(pl_oid_eq(next_claim(&call)->message_id, &id));
	fake_store_end_write(call, PL_E_NOT_FOUND); /* another process has it */
	assert_int_equal(fake_store_writes() + fake_store_reads(), 0);
}

static void
is_not_put_off_by_a_store_that_takes_no_more(void **state)
{
	struct world *w = *state;
	struct pl_oid id;

	claim_nothing();
	fake_store.is_full = true;
	pl_oid_new(&id);
	responder_wake(w->responder, &id);
	fake_loop_advance(w->loop, 2 * SWEEP_MS);
	fake_store.is_full = false;
	fake_loop_advance(w->loop, SWEEP_MS);
	claim_message(w, 1, 0);
	assert_int_equal(fake_store_reads(), 1);
}

static void
at_full_load_leaves_what_is_not_nearly_due_until_there_is_room(void **state)
{
	struct world *w = *state;
	struct pl_store_write_call *call;
	struct pl_oid id;
	int64_t now;

	claim_nothing();
	for (int i = 0; i < 16; i++)
		wake(w, 3, 0); /* for the third time: goes to the store at once */
	pl_oid_new(&id);
	responder_wake(w->responder, &id);
	assert_int_equal(fake_store_writes(), 16);
	for (int i = 0; i < 15; i++)
		(void)fake_store_next_write(PL_WRITE_REPLY);
	call = fake_store_next_write(PL_WRITE_REPLY);
	now = pl_clock_unix_ms();
	fake_loop_advance(w->loop, SWEEP_MS);
	assert_in_range(
	    fake_store_next_write(PL_WRITE_REPLY_CLAIM)->write.u.claim.due_before_unix_ms,
	    now + 3000, now + 8000);
	fake_store_end_write(call, PL_E_NOT_FOUND);
	assert_int_equal(fake_store_writes(), 0); /* the claim has no answer yet */
}

static void
room_for_what_was_left_brings_a_sweep_at_once(void **state)
{
	struct world *w = *state;
	struct pl_store_write_call *call;
	struct pl_oid id;

	claim_nothing();
	for (int i = 0; i < 16; i++)
		wake(w, 3, 0);
	pl_oid_new(&id);
	responder_wake(w->responder, &id);
	call = fake_store_next_write(PL_WRITE_REPLY);
	for (int i = 0; i < 15; i++)
		(void)fake_store_next_write(PL_WRITE_REPLY);
	store_takes(w, call);
	assert_int_equal(fake_store_writes(), 1);
	assert_true(fake_store_next_write(PL_WRITE_REPLY_CLAIM)
			->write.u.claim.due_before_unix_ms == INT64_MAX);
}

/* ---- replying ---- */

static void
stores_what_the_llm_wrote_and_tells_both_users(void **state)
{
	struct world *w = *state;
	struct pl_store_write_call *call;
	int64_t began = FAKE_LOOP_START_MS;

	claim_nothing();
	wake(w, 1, 2000);
	fake_store_end_read(PL_OK);
	assert_non_null(asked);
	assert_in_range(asked_until, began + 6000, began + 6500);
	fake_loop_run(w->loop);
	assert_string_equal(w->sender.last, "typing");
	llm_answers(PL_OK, "Later!");
	fake_loop_run(w->loop);
	assert_string_equal(w->sender.last, "typing-");
	call = fake_store_next_write(PL_WRITE_REPLY);
	check_reply(call, PL_REPLY_LLM, "Later!");
	store_takes(w, call);
	assert_string_equal(w->sender.last, "newMessage");
	assert_string_equal(w->busy.last, "messageSent");
	assert_int_equal(w->busy.count, 1);
	assert_int_equal(w->sender.count, 3);
}

static void
says_typing_again_before_clients_believe_that_it_ended(void **state)
{
	struct world *w = *state;

	claim_nothing();
	wake(w, 1, 0);
	fake_store_end_read(PL_OK);
	fake_loop_run(w->loop);
	assert_int_equal(w->sender.count, 1);
	fake_loop_advance(w->loop, 3999);
	assert_int_equal(w->sender.count, 1);
	fake_loop_advance(w->loop, 1);
	assert_int_equal(w->sender.count, 2);
	assert_string_equal(w->sender.last, "typing");
}

static void
ends_the_typing_that_a_process_which_died_may_have_shown(void **state)
{
	struct world *w = *state;

	claim_nothing();
	wake(w, 3, 0);
	fake_loop_run(w->loop);
	assert_string_equal(w->sender.last, "typing-");
	check_reply(fake_store_next_write(PL_WRITE_REPLY), PL_REPLY_FALLBACK, FALLBACK);
}

static void
stores_the_standard_text_when_the_llm_has_none(void **state)
{
	struct world *w = *state;

	claim_nothing();
	wake(w, 1, 0);
	fake_store_end_read(PL_OK);
	llm_answers(PL_E_TIMEOUT, "");
	check_reply(fake_store_next_write(PL_WRITE_REPLY), PL_REPLY_FALLBACK, FALLBACK);
}

static void
stores_the_standard_text_when_the_conversation_cannot_be_read(void **state)
{
	struct world *w = *state;

	claim_nothing();
	wake(w, 1, 0);
	fake_store_end_read(PL_E_UNAVAILABLE);
	assert_null(asked);
	check_reply(fake_store_next_write(PL_WRITE_REPLY), PL_REPLY_FALLBACK, FALLBACK);
}

static void
tries_to_store_again_after_half_a_second_and_says_typing_ends_once(void **state)
{
	struct world *w = *state;
	struct pl_store_write_call *call;

	claim_nothing();
	wake(w, 1, 0);
	fake_store_end_read(PL_OK);
	fake_loop_run(w->loop);
	llm_answers(PL_OK, "Later!");
	fake_store_end_write(fake_store_next_write(PL_WRITE_REPLY), PL_E_UNAVAILABLE);
	fake_loop_advance(w->loop, 499); /* before it there is a sweep */
	assert_int_equal(fake_store_writes(), 0);
	fake_loop_advance(w->loop, 1);
	assert_int_equal(fake_store_writes(), 2);
	claim_nothing();
	call = fake_store_next_write(PL_WRITE_REPLY);
	check_reply(call, PL_REPLY_LLM, "Later!");
	assert_int_equal(w->sender.count, 2);
	store_takes(w, call);
	assert_string_equal(w->sender.last, "newMessage");
}

static void
gives_up_after_two_minutes(void **state)
{
	struct world *w = *state;
	int tries = 0;

	claim_nothing();
	wake(w, 3, 0);
	do {
		fake_store_end_write(
		    fake_store_next_write(PL_WRITE_REPLY), PL_E_UNAVAILABLE);
		tries++;
		fake_loop_advance(w->loop, 500);
	} while (fake_store_writes() == 2); /* the sweep's claim, and another try */
	assert_int_equal(tries, 120000 / 500 + 1);
}

/* ---- stopping ---- */

static void
a_stop_ends_the_writing_and_tells_once_nothing_is_left(void **state)
{
	struct world *w = *state;
	struct pl_store_write_call *call;

	claim_nothing();
	wake(w, 1, 0);
	fake_store_end_read(PL_OK);
	responder_stop(w->responder, on_idle, w);
	fake_loop_run(w->loop);
	assert_null(asked);
	call = fake_store_next_write(PL_WRITE_REPLY);
	check_reply(call, PL_REPLY_FALLBACK, FALLBACK);
	assert_int_equal(w->idles, 0);
	store_takes(w, call);
	assert_int_equal(w->idles, 1);
	fake_loop_advance(w->loop, 10000);
	assert_int_equal(fake_store_writes(), 0);
	assert_int_equal(w->idles, 1);
}

static void
a_stop_tells_once_if_the_last_job_ends_by_itself(void **state)
{
	struct world *w = *state;

	responder_stop(w->responder, on_idle, w);
	claim_nothing(); /* before the loop turns */
	assert_int_equal(w->idles, 1);
	fake_loop_advance(w->loop, 1000);
	assert_int_equal(w->idles, 1);
}

static void
a_stop_with_nothing_to_do_tells_at_the_loops_next_turn(void **state)
{
	struct world *w = *state;
	struct pl_oid id;

	claim_nothing();
	responder_stop(w->responder, on_idle, w);
	assert_int_equal(w->idles, 0);
	fake_loop_run(w->loop);
	assert_int_equal(w->idles, 1);
	pl_oid_new(&id);
	responder_wake(w->responder, &id);
	assert_int_equal(fake_store_writes(), 0);
}

static void
a_message_that_is_claimed_while_stopping_gets_the_standard_text(void **state)
{
	struct world *w = *state;

	responder_stop(w->responder, on_idle, w);
	fake_loop_run(w->loop);
	claim_message(w, 1, 0);
	check_reply(fake_store_next_write(PL_WRITE_REPLY), PL_REPLY_FALLBACK, FALLBACK);
	assert_int_equal(fake_store_writes(), 0); /* and no other is looked for */
}

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WORLD_TEST(sweeps_at_the_start_and_every_half_second),
	    WORLD_TEST(a_sweep_goes_on_until_there_is_nothing_to_take),
	    WORLD_TEST(a_wake_up_claims_the_message_that_it_names),
	    WORLD_TEST(is_not_put_off_by_a_store_that_takes_no_more),
	    WORLD_TEST(at_full_load_leaves_what_is_not_nearly_due_until_there_is_room),
	    WORLD_TEST(room_for_what_was_left_brings_a_sweep_at_once),
	    WORLD_TEST(stores_what_the_llm_wrote_and_tells_both_users),
	    WORLD_TEST(says_typing_again_before_clients_believe_that_it_ended),
	    WORLD_TEST(ends_the_typing_that_a_process_which_died_may_have_shown),
	    WORLD_TEST(stores_the_standard_text_when_the_llm_has_none),
	    WORLD_TEST(stores_the_standard_text_when_the_conversation_cannot_be_read),
	    WORLD_TEST(
		tries_to_store_again_after_half_a_second_and_says_typing_ends_once),
	    WORLD_TEST(gives_up_after_two_minutes),
	    WORLD_TEST(a_stop_ends_the_writing_and_tells_once_nothing_is_left),
	    WORLD_TEST(a_stop_tells_once_if_the_last_job_ends_by_itself),
	    WORLD_TEST(a_stop_with_nothing_to_do_tells_at_the_loops_next_turn),
	    WORLD_TEST(a_message_that_is_claimed_while_stopping_gets_the_standard_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
