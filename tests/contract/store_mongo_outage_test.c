/*
 * What the Mongo back end does where the server stands still, is away, or an answer gets
 * lost on its way. The server is paused, stopped and cut off, so it is this program's
 * own.
 */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "contract/mongo_databases.h"
#include "store/store_records.h"
#include "support/patience.h"
#include "support/wire_proxy.h"

/* R8 wants 3 s of the whole way; a busy machine may add to it. */
#define OUTAGE_MS_MAX patient_ms(6000)

/* A session by way of a proxy, beside the fixture's own. */
struct by_proxy {
	struct wire_proxy proxy;
	struct pl_store_config config;
	char uri[128];
	struct pl_store *store;
};

static void
proxy_config(struct by_proxy *b, const struct fixture *f)
{
	wire_proxy_start(&b->proxy, mongo_databases_server()->port);
	snprintf(b->uri, sizeof(b->uri), "mongodb://127.0.0.1:%d/%s", b->proxy.port,
	    strrchr(f->config.mongo_uri, '/') + 1);
	b->config = (struct pl_store_config){.mongo_uri = b->uri};
}

static void
proxy_open(struct by_proxy *b, const struct fixture *f)
{
	proxy_config(b, f);
	assert_int_equal(pl_store_open(&b->config, &b->store), PL_OK);
}

static void
proxy_close(struct by_proxy *b)
{
	pl_store_close(b->store);
	wire_proxy_stop(&b->proxy);
}

/* ---- answers that get lost ---- */

static void
is_right_at_the_second_try_where_the_first_answer_got_lost(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann");
	struct pl_write first, again, claim;
	struct by_proxy b;

	store_set_status(f->store, &ann, PL_STATUS_BUSY);
	proxy_open(&b, f);
	store_send_init(&first, &ann, &ann, "lost on its way back", "k");
	store_send_init(&again, &ann, &ann, "lost on its way back", "k");
	wire_proxy_set(&b.proxy, WIRE_PROXY_LOSE, "lost on its way back");
	assert_int_equal(store_write_one(b.store, &first), PL_E_UNAVAILABLE);
	assert_int_equal(wire_proxy_seen(&b.proxy), 1);
	assert_false(first.u.send.busy);
	assert_int_equal(store_count(f->store, &ann, &ann), 1); /* it was stored */

	pl_store_close(b.store);
	b.store = store_open_patiently(&b.config);
	assert_int_equal(store_write_one(b.store, &again), PL_OK);
	assert_true(again.u.send.replayed);
	assert_int_equal(store_count(f->store, &ann, &ann), 1);
	claim = store_claim(b.store, NULL, INT64_MAX, 60000);
	assert_int_equal(claim.err, PL_OK); /* with its one job */
	assert_true(pl_oid_eq(&claim.u.claim.message.id, &again.u.send.message.id));
	store_claim_fini(&claim);
	store_send_fini(&first);
	store_send_fini(&again);
	proxy_close(&b);
}

static void
tells_each_of_a_batch_that_it_may_be_stored(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"), nobody;
	struct pl_write sends[3], *batch[3] = {&sends[0], &sends[1], &sends[2]};
	struct by_proxy b;

	pl_oid_new(&nobody);
	proxy_open(&b, f);
	store_send_init(&sends[0], &ann, &ann, "one, lost", NULL);
	store_send_init(&sends[1], &ann, &nobody, "two", NULL);
	store_send_init(&sends[2], &ann, &ann, "three", NULL);
	wire_proxy_set(&b.proxy, WIRE_PROXY_LOSE, "one, lost");
	pl_store_write(b.store, batch, 3);
	assert_int_equal(sends[0].err, PL_E_UNAVAILABLE);
	assert_int_equal(sends[1].err, PL_E_NOT_FOUND); /* this is known */
	assert_int_equal(sends[2].err, PL_E_UNAVAILABLE);
	for (int i = 0; i < 3; i++)
		store_send_fini(&sends[i]);
	proxy_close(&b);
}

static void
gives_a_reply_once_though_its_first_answer_got_lost(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann");
	struct pl_message_pos sent;
	struct pl_write reply;
	struct by_proxy b;

	store_set_status(f->store, &ann, PL_STATUS_BUSY);
	sent = store_send(f->store, &ann, &ann, "hi");
	proxy_open(&b, f);
	wire_proxy_set(&b.proxy, WIRE_PROXY_LOSE, "out, lost");
	reply = store_reply(b.store, &sent.id, "out, lost");
	assert_int_equal(reply.err, PL_E_UNAVAILABLE);
	assert_null(reply.u.reply.message.text);
	reply = store_reply(f->store, &sent.id, "out again");
	assert_int_equal(reply.err, PL_E_CONFLICT);
	reply = store_claim(f->store, NULL, INT64_MAX, 60000);
	assert_int_equal(reply.err, PL_E_NOT_FOUND);
	assert_int_equal(store_count(f->store, &ann, &ann), 2);
	proxy_close(&b);
}

/* Whatever becomes of the note of who writes to whom; the next message has it noted. */
static void
stores_a_first_message_though_its_pair_could_not_be_noted(void **state)
{
	static const enum wire_proxy_way ways[] = {WIRE_PROXY_LOSE, WIRE_PROXY_HOLD};
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann");
	struct pl_conversation_list list;
	struct by_proxy b;

	proxy_open(&b, f);
	for (size_t i = 0; i < 2; i++) {
		struct pl_oid bob = store_add_user(f->store, i ? "bob" : "eve");

		wire_proxy_set(&b.proxy, ways[i], "parley_correspondents");
		store_send(b.store, &ann, &bob, "one");
		assert_int_equal(wire_proxy_seen(&b.proxy), 1);
		assert_int_equal(store_count(f->store, &ann, &bob), 1);
		wire_proxy_set(&b.proxy, WIRE_PROXY_PASS, "parley_correspondents");
		store_send(b.store, &ann, &bob, "two");
	}
	assert_int_equal(pl_store_conversations(f->store, &ann, NULL, 9, &list), PL_OK);
	assert_int_equal(list.count, 2);
	pl_conversation_list_fini(&list);
	proxy_close(&b);
}

/* ---- the way is cut ---- */

static void
goes_on_after_its_connections_were_cut(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann");
	struct pl_user user;
	struct by_proxy b;

	proxy_open(&b, f);
	wire_proxy_cut(&b.proxy);
	if (pl_store_user_by_id(b.store, &ann, &user) == PL_OK)
		pl_user_fini(&user); /* the driver saw it in time */
	pl_store_close(b.store);
	b.store = store_open_patiently(&b.config);
	assert_int_equal(pl_store_user_by_id(b.store, &ann, &user), PL_OK);
	pl_user_fini(&user);
	proxy_close(&b);
}

/* ---- the server stands still, or is away ---- */

static void
answers_in_time_where_the_server_stands_still(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann");
	struct pl_message_list list;
	struct pl_write first, again;
	struct pl_store *s;
	bool exists = true;
	int64_t start;

	store_send_init(&first, &ann, &ann, "hi", "k");
	store_send_init(&again, &ann, &ann, "hi", "k");
	mongo_server_pause(mongo_databases_server());
	start = pl_clock_mono_ms();
	assert_int_equal(store_write_one(f->store, &first), PL_E_UNAVAILABLE);
	assert_in_range(pl_clock_mono_ms() - start, 0, OUTAGE_MS_MAX);
	start = pl_clock_mono_ms();
	assert_int_equal(
	    pl_store_messages_page(f->store, &ann, &ann, PL_PAGE_AFTER, NULL, 9, &list),
	    PL_E_UNAVAILABLE);
	assert_int_equal(
	    pl_store_users_exist(f->store, &ann, 1, &exists), PL_E_UNAVAILABLE);
	assert_true(exists); /* untouched */
	assert_int_equal(pl_store_open(&f->config, &s), PL_E_UNAVAILABLE);
	assert_int_equal(pl_store_check(&f->config), PL_OK);
	assert_in_range(pl_clock_mono_ms() - start, 0, 2 * OUTAGE_MS_MAX);
	mongo_server_resume(mongo_databases_server());

	/* The server may carry out the first one only now, at the same time as the
	 * second. */
	s = store_open_patiently(&f->config);
	assert_int_equal(store_write_one(s, &again), PL_OK);
	assert_int_equal(store_count(s, &ann, &ann), 1);
	pl_store_close(s);
	store_send_fini(&first);
	store_send_fini(&again);
}

static void
opens_once_the_server_is_there(void **state)
{
	struct fixture *f = *state;
	struct mongo_server other;
	struct pl_store_config config = {.mongo_uri = NULL};
	struct pl_store *s;
	int64_t start;

	(void)f;
	mongo_server_init(&other, true);
	mongo_server_start(&other);
	config.mongo_uri = pl_mem_strdup(mongo_server_uri(&other, "chat"));
	mongo_server_stop(&other);
	start = pl_clock_mono_ms();
	assert_int_equal(pl_store_open(&config, &s), PL_E_UNAVAILABLE);
	assert_in_range(pl_clock_mono_ms() - start, 0, OUTAGE_MS_MAX);

	mongo_server_start(&other);
	s = store_open_patiently(&config);
	store_add_user(s, "ann");
	mongo_server_stop(&other);
	assert_int_not_equal(pl_store_ping(s), PL_OK);
	pl_store_close(s);
	mongo_server_start(&other);
	s = store_open_patiently(&config);
	assert_int_equal(
	    store_insert_user(s, "ann", &(struct pl_oid){{0}}), PL_E_CONFLICT);
	pl_store_close(s);
	mongo_server_stop(&other);
	mongo_server_fini(&other);
	mongo_databases_free(&config);
}

/* ---- indexes that take long ---- */

static void
does_not_wait_for_indexes_that_take_long(void **state)
{
	struct fixture *f = *state;
	struct by_proxy b;

	proxy_config(&b, f);
	wire_proxy_set(&b.proxy, WIRE_PROXY_HOLD, "createIndexes");
	assert_int_equal(pl_store_open(&b.config, &b.store), PL_E_UNAVAILABLE);
	/* One asks and waits, in the background; those who open do not ask any more. */
	while (wire_proxy_seen(&b.proxy) < 2)
		;
	for (int i = 0; i < 10; i++)
		assert_int_equal(pl_store_open(&b.config, &b.store), PL_E_UNAVAILABLE);
	assert_int_equal(wire_proxy_seen(&b.proxy), 2);
	wire_proxy_set(&b.proxy, WIRE_PROXY_PASS, NULL);
	b.store = store_open_patiently(&b.config);
	store_add_user(b.store, "ann");
	proxy_close(&b);
}

/* ---- tools ---- */

/* Longer than a service waits for an answer, and for a call. */
#define SLOW_MS 4000

static void *
pass_later(void *arg)
{
	usleep(SLOW_MS * 1000);
	wire_proxy_set(arg, WIRE_PROXY_PASS, NULL);
	return NULL;
}

static void
tool_waits_for_what_a_service_gives_up(void **state)
{
	struct fixture *f = *state;
	struct pl_record_list page;
	struct pl_oid ann;
	pthread_t later;
	struct by_proxy b;

	proxy_config(&b, f);
	strcat(b.uri, "_without_indexes");
	b.config.is_patient = true;
	wire_proxy_set(&b.proxy, WIRE_PROXY_HOLD, "createIndexes");
	assert_int_equal(pthread_create(&later, NULL, pass_later, &b.proxy), 0);
	assert_int_equal(pl_store_open(&b.config, &b.store), PL_OK);
	assert_int_equal(pthread_join(later, NULL), 0);

	ann = store_add_user(b.store, "ann");
	store_send(b.store, &ann, &ann, "hi");
	wire_proxy_set(&b.proxy, WIRE_PROXY_HOLD, "messages");
	assert_int_equal(pthread_create(&later, NULL, pass_later, &b.proxy), 0);
	assert_int_equal(
	    pl_store_export(b.store, PL_RECORD_MESSAGE, NULL, 9, &page), PL_OK);
	assert_int_equal(pthread_join(later, NULL), 0);
	assert_int_equal(page.count, 1);
	pl_record_list_fini(&page);
	mongo_databases_run(&b.config, "{\"dropDatabase\": 1}");
	proxy_close(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(is_right_at_the_second_try_where_the_first_answer_got_lost),
	    STORE_TEST(tells_each_of_a_batch_that_it_may_be_stored),
	    STORE_TEST(gives_a_reply_once_though_its_first_answer_got_lost),
	    STORE_TEST(stores_a_first_message_though_its_pair_could_not_be_noted),
	    STORE_TEST(goes_on_after_its_connections_were_cut),
	    STORE_TEST(answers_in_time_where_the_server_stands_still),
	    STORE_TEST(opens_once_the_server_is_there),
	    STORE_TEST(does_not_wait_for_indexes_that_take_long),
	    STORE_TEST(tool_waits_for_what_a_service_gives_up),
	};

	store_contract_use(&mongo_factory);
	return cmocka_run_group_tests_name("mongo: outages", tests, NULL, NULL);
}
