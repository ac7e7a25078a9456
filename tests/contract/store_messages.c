#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "contract/store_contract.h"
#include "support/patience.h"

static void
stores_a_message_whole_and_sets_its_place(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob");
	int64_t before = pl_clock_unix_ms();
	struct pl_message_list list;
	struct pl_write w;

	store_send_init(&w, &ann, &bob, "hi', 0); -- \xf0\x9f\x98\x80 \n\t%s ", NULL);
	assert_int_equal(store_write_one(f->store, &w), PL_OK);
	assert_in_range(w.u.send.message.created_unix_ms, before, pl_clock_unix_ms());
	assert_int_equal(
	    w.u.send.message.created_unix_ms, w.u.send.message.updated_unix_ms);
	assert_false(w.u.send.busy);
	assert_false(w.u.send.replayed);
	assert_int_equal(w.u.send.status, PL_STATUS_AVAILABLE);

	assert_int_equal(
	    pl_store_messages_page(f->store, &bob, &ann, PL_PAGE_AFTER, NULL, 9, &list),
	    PL_OK);
	assert_int_equal(list.count, 1);
	assert_true(pl_oid_eq(&list.items[0].id, &w.u.send.message.id));
	assert_true(pl_oid_eq(&list.items[0].sender, &ann));
	assert_true(pl_oid_eq(&list.items[0].receiver, &bob));
	assert_string_equal(list.items[0].text, w.u.send.message.text);
	assert_int_equal(list.items[0].text_len, w.u.send.message.text_len);
	assert_int_equal(list.items[0].created_unix_ms, w.u.send.message.created_unix_ms);
	assert_int_equal(list.items[0].reply_kind, PL_REPLY_NONE);
	pl_message_list_fini(&list);
	store_send_fini(&w);
}

static void
keeps_65536_bytes_of_text(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann");
	char *text = pl_mem_zalloc(65537);
	struct pl_message_list list;

	for (int i = 0; i < 65536; i++)
		text[i] = (char)('!' + i % 90);
	store_send(f->store, &ann, &ann, text);
	assert_int_equal(
	    pl_store_messages_page(f->store, &ann, &ann, PL_PAGE_AFTER, NULL, 9, &list),
	    PL_OK);
	assert_int_equal(list.count, 1);
	assert_string_equal(list.items[0].text, text);
	pl_message_list_fini(&list);
	pl_mem_free(text);
}

static void
refuses_an_unknown_receiver_and_stores_its_neighbours(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob"), nobody;
	struct pl_write sends[3], *batch[3] = {&sends[0], &sends[1], &sends[2]};

	pl_oid_new(&nobody);
	store_send_init(&sends[0], &ann, &bob, "one", NULL);
	store_send_init(&sends[1], &ann, &nobody, "two", NULL);
	store_send_init(&sends[2], &ann, &bob, "three", NULL);
	pl_store_write(f->store, batch, 3);
	assert_int_equal(sends[0].err, PL_OK);
	assert_int_equal(sends[1].err, PL_E_NOT_FOUND);
	assert_int_equal(sends[2].err, PL_OK);
	assert_int_equal(store_count(f->store, &ann, &bob), 2);
	assert_int_equal(store_count(f->store, &ann, &nobody), 0);
	for (int i = 0; i < 3; i++)
		store_send_fini(&sends[i]);
}

/* ---- pages ---- */

#define TALK 9

static void
check_page(struct fixture *f, const struct pl_oid *a, const struct pl_oid *b,
    const struct pl_message_pos *all, int pos, enum pl_page_way way, int limit)
{
	/* pos -1 stands for none: the start going on, the end going back */
	int first = way == PL_PAGE_AFTER ? pos + 1 : (pos < 0 ? TALK : pos) - limit;
	int end = way == PL_PAGE_AFTER ? first + limit : first + limit;
	struct pl_message_list list;

	if (first < 0)
		first = 0;
	if (end > TALK)
		end = TALK;
	assert_int_equal(pl_store_messages_page(f->store, a, b, way,
			     pos < 0 ? NULL : &all[pos], (size_t)limit, &list),
	    PL_OK);
	assert_int_equal(list.count, end - first);
	for (int i = first; i < end; i++)
		assert_true(pl_oid_eq(&list.items[i - first].id, &all[i].id));
	pl_message_list_fini(&list);
}

static void
pages_a_conversation_at_every_boundary_both_ways(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob"),
		      eve = store_add_user(f->store, "eve");
	struct pl_message_pos all[TALK];

	for (int i = 0; i < TALK; i++) {
		bool is_ann = i % 3 != 1;

		all[i] = store_send(
		    f->store, is_ann ? &ann : &bob, is_ann ? &bob : &ann, "talk");
		store_send(f->store, &ann, &eve, "noise");
		store_send(f->store, &eve, &bob, "noise");
	}
	for (int pos = -1; pos < TALK; pos++)
		for (int limit = 1; limit <= TALK + 1; limit++) {
			check_page(f, &ann, &bob, all, pos, PL_PAGE_AFTER, limit);
			check_page(f, &bob, &ann, all, pos, PL_PAGE_AFTER, limit);
			check_page(f, &ann, &bob, all, pos, PL_PAGE_BEFORE, limit);
			check_page(f, &bob, &ann, all, pos, PL_PAGE_BEFORE, limit);
		}
}

static void
gives_an_empty_page_where_there_is_nothing(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"), nobody;
	struct pl_message_list list;

	pl_oid_new(&nobody);
	assert_int_equal(pl_store_messages_page(
			     f->store, &ann, &nobody, PL_PAGE_BEFORE, NULL, 5, &list),
	    PL_OK);
	assert_int_equal(list.count, 0);
	pl_message_list_fini(&list);
}

static void
gives_what_one_wrote_to_oneself_once(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann");

	store_send(f->store, &ann, &ann, "note");
	store_send(f->store, &ann, &ann, "another");
	assert_int_equal(store_count(f->store, &ann, &ann), 2);
}

static void
tells_where_a_message_stands_in_its_own_conversation_only(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob"),
		      eve = store_add_user(f->store, "eve"), none;
	struct pl_message_pos sent = store_send(f->store, &ann, &bob, "hi"), pos;

	pl_oid_new(&none);
	assert_int_equal(
	    pl_store_message_pos(f->store, &ann, &bob, &sent.id, &pos), PL_OK);
	assert_int_equal(store_pos_compare(&sent, &pos), 0);
	assert_int_equal(
	    pl_store_message_pos(f->store, &bob, &ann, &sent.id, &pos), PL_OK);
	assert_int_equal(
	    pl_store_message_pos(f->store, &ann, &eve, &sent.id, &pos), PL_E_NOT_FOUND);
	assert_int_equal(
	    pl_store_message_pos(f->store, &ann, &bob, &none, &pos), PL_E_NOT_FOUND);
}

static void
gives_what_a_receiver_or_anybody_got_behind_a_place(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob"),
		      eve = store_add_user(f->store, "eve");
	struct pl_message_pos first = store_send(f->store, &ann, &bob, "1");
	struct pl_message_pos second = store_send(f->store, &ann, &eve, "2");
	struct pl_message_pos third = store_send(f->store, &eve, &bob, "3");
	struct pl_message_list list;

	assert_int_equal(pl_store_messages_to(f->store, &bob, NULL, 9, &list), PL_OK);
	assert_int_equal(list.count, 2);
	assert_true(pl_oid_eq(&list.items[0].id, &first.id));
	assert_true(pl_oid_eq(&list.items[1].id, &third.id));
	pl_message_list_fini(&list);

	assert_int_equal(pl_store_messages_to(f->store, &bob, &first, 9, &list), PL_OK);
	assert_int_equal(list.count, 1);
	assert_true(pl_oid_eq(&list.items[0].id, &third.id));
	pl_message_list_fini(&list);

	assert_int_equal(pl_store_messages_to(f->store, NULL, &first, 1, &list), PL_OK);
	assert_int_equal(list.count, 1);
	assert_true(pl_oid_eq(&list.items[0].id, &second.id));
	pl_message_list_fini(&list);

	assert_int_equal(pl_store_messages_to(f->store, &bob, &third, 9, &list), PL_OK);
	assert_int_equal(list.count, 0);
	pl_message_list_fini(&list);
}

static void
gives_the_places_of_what_a_receiver_got_after_a_place(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob");
	struct pl_message_pos first = store_send(f->store, &ann, &bob, "1");
	struct pl_message_pos back = store_send(f->store, &bob, &ann, "2");
	struct pl_message_pos third = store_send(f->store, &ann, &bob, "3");
	struct pl_pos_list list;

	(void)back;
	assert_int_equal(pl_store_positions_to(f->store, &bob, NULL, 9, &list), PL_OK);
	assert_int_equal(list.count, 2);
	assert_int_equal(store_pos_compare(&list.items[0], &first), 0);
	assert_int_equal(store_pos_compare(&list.items[1], &third), 0);
	pl_pos_list_fini(&list);
	assert_int_equal(pl_store_positions_to(f->store, &bob, NULL, 1, &list), PL_OK);
	assert_int_equal(list.count, 1);
	assert_int_equal(store_pos_compare(&list.items[0], &first), 0);
	pl_pos_list_fini(&list);
	assert_int_equal(pl_store_positions_to(f->store, &bob, &first, 9, &list), PL_OK);
	assert_int_equal(list.count, 1);
	assert_int_equal(store_pos_compare(&list.items[0], &third), 0);
	pl_pos_list_fini(&list);
	assert_int_equal(pl_store_positions_to(f->store, &bob, &third, 9, &list), PL_OK);
	assert_int_equal(list.count, 0);
	pl_pos_list_fini(&list);
}

static void
gives_messages_by_their_ids_in_that_order(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob"), ids[40];
	struct pl_message_list list;
	char text[8];

	for (int i = 0; i < 40; i++) {
		snprintf(text, sizeof(text), "m%02d", i);
		ids[39 - i] = store_send(f->store, &ann, &bob, text).id;
	}
	assert_int_equal(pl_store_messages_of(f->store, ids, 40, 120, &list), PL_OK);
	assert_int_equal(list.count, 40);
	assert_string_equal(list.items[0].text, "m39");
	assert_string_equal(list.items[39].text, "m00");
	assert_true(pl_oid_eq(&list.items[39].receiver, &bob));
	pl_message_list_fini(&list);
	pl_oid_new(&ids[1]);
	assert_int_equal(pl_store_messages_of(f->store, ids, 3, 120, &list), PL_OK);
	assert_int_equal(list.count, 2);
	assert_string_equal(list.items[1].text, "m37");
	pl_message_list_fini(&list);
	assert_int_equal(pl_store_messages_of(f->store, ids, 0, 120, &list), PL_OK);
	assert_int_equal(list.count, 0);
	pl_message_list_fini(&list);
}

static void
refuses_to_give_more_text_than_was_asked_for(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"), ids[2];
	struct pl_message_list list = {.count = 77};

	ids[0] = store_send(f->store, &ann, &ann, "12345").id;
	ids[1] = store_send(f->store, &ann, &ann, "67890").id;
	assert_int_equal(pl_store_messages_of(f->store, ids, 2, 9, &list), PL_E_TOO_BIG);
	assert_int_equal(list.count, 77);
	assert_int_equal(pl_store_messages_of(f->store, ids, 2, 10, &list), PL_OK);
	assert_int_equal(list.count, 2);
	pl_message_list_fini(&list);
}

/* ---- the order ---- */

static void
orders_a_batch_as_it_was_handed_over(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"),
		      bob = store_add_user(f->store, "bob");
	struct pl_write sends[100], *batch[100];

	for (int i = 0; i < 100; i++) {
		store_send_init(&sends[i], &ann, &bob, "hi", NULL);
		batch[i] = &sends[i];
	}
	pl_store_write(f->store, batch, 100);
	for (int i = 1; i < 100; i++) {
		struct pl_message_pos a = store_pos_of(&sends[i - 1].u.send.message);
		struct pl_message_pos b = store_pos_of(&sends[i].u.send.message);

		assert_int_equal(sends[i].err, PL_OK);
		assert_true(store_pos_compare(&a, &b) < 0);
	}
	for (int i = 0; i < 100; i++)
		store_send_fini(&sends[i]);
}

#define WRITERS      4
#define WRITES_EACH  40
#define ALL_WRITES   (WRITERS * WRITES_EACH)
#define TAIL_LIMIT   7
#define TAIL_LAST_MS patient_ms(30000)

/* Follow what ann gets from place to place; a message that turned up behind our back
 * would be missing at the end. */
static void
tail(struct worker *w, struct pl_store *s, const struct pl_oid *ann)
{
	int64_t give_up = pl_clock_mono_ms() + TAIL_LAST_MS;
	struct pl_message_pos pos = {.created_unix_ms = INT64_MIN};

	w->flag = true;
	while (w->count < ALL_WRITES && pl_clock_mono_ms() < give_up) {
		struct pl_message_list list;

		w->err = pl_store_messages_to(s, ann, &pos, TAIL_LIMIT, &list);
		if (w->err == PL_E_UNAVAILABLE)
			continue;
		if (w->err != PL_OK)
			return;
		for (size_t i = 0; i < list.count; i++) {
			struct pl_message_pos next = store_pos_of(&list.items[i]);

			w->flag = w->flag && store_pos_compare(&pos, &next) < 0;
			pos = next;
		}
		w->count += list.count;
		pl_message_list_fini(&list);
	}
}

static void
write_or_tail(struct worker *w, struct pl_store *s)
{
	const struct pl_oid *ann = w->arg;

	if (w->index == 0) {
		tail(w, s, ann);
		return;
	}
	for (int i = 0; i < WRITES_EACH && w->err == PL_OK; i++) {
		struct pl_write send;

		store_send_init(&send, ann, ann, "hi", NULL);
		while ((w->err = store_write_one(s, &send)) == PL_E_UNAVAILABLE)
			w->count++; /* too many at once */
		store_send_fini(&send);
	}
}

static void
never_commits_a_message_behind_one_that_was_read(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann");
	struct worker workers[1 + WRITERS];
	size_t unknown = 0; /* writers were told no; stored all the same, perhaps */

	store_run_parallel(f, workers, 1 + WRITERS, write_or_tail, &ann);
	for (int i = 0; i < 1 + WRITERS; i++)
		assert_int_equal(workers[i].err, PL_OK);
	for (int i = 1; i < 1 + WRITERS; i++)
		unknown += workers[i].count;
	assert_true(workers[0].flag);
	assert_in_range(workers[0].count, ALL_WRITES, ALL_WRITES + unknown);
}

int
store_messages_suite(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(stores_a_message_whole_and_sets_its_place),
	    STORE_TEST(keeps_65536_bytes_of_text),
	    STORE_TEST(refuses_an_unknown_receiver_and_stores_its_neighbours),
	    STORE_TEST(pages_a_conversation_at_every_boundary_both_ways),
	    STORE_TEST(gives_an_empty_page_where_there_is_nothing),
	    STORE_TEST(gives_what_one_wrote_to_oneself_once),
	    STORE_TEST(tells_where_a_message_stands_in_its_own_conversation_only),
	    STORE_TEST(gives_what_a_receiver_or_anybody_got_behind_a_place),
	    STORE_TEST(gives_the_places_of_what_a_receiver_got_after_a_place),
	    STORE_TEST(gives_messages_by_their_ids_in_that_order),
	    STORE_TEST(refuses_to_give_more_text_than_was_asked_for),
	    STORE_TEST(orders_a_batch_as_it_was_handed_over),
	    STORE_TEST(never_commits_a_message_behind_one_that_was_read),
	};

	return cmocka_run_group_tests_name("store: messages", tests, NULL, NULL);
}
