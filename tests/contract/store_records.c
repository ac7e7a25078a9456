/* Copying record by record: what goes out, what comes in, what stays as it is. */
#include "base/clock.h"
#include "base/mem.h"
#include "contract/store_contract.h"
#include "store/store_records.h"

#define TRACE "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"

static struct pl_record_list
export_all(struct pl_store *s, enum pl_record_kind kind)
{
	struct pl_record_list list;

	assert_int_equal(pl_store_export(s, kind, NULL, 1000, &list), PL_OK);
	return list;
}

static size_t
count_of(struct pl_store *s, enum pl_record_kind kind)
{
	struct pl_record_list list = export_all(s, kind);
	size_t count = list.count;

	pl_record_list_fini(&list);
	return count;
}

static void
import(struct pl_store *s, struct pl_record_list *list, enum pl_record_outcome expected)
{
	assert_int_equal(pl_store_import(s, list->items, list->count), PL_OK);
	for (size_t i = 0; i < list->count; i++)
		assert_int_equal(list->items[i].outcome, expected);
}

/* Another database of the same back end, for the records of the first to go to. */
static struct fixture *
other_database(void)
{
	void *state = NULL;

	assert_int_equal(store_fixture_setup(&state), 0);
	return state;
}

static void
drop_database(struct fixture *f)
{
	void *state = f;

	store_fixture_teardown(&state);
}

/* One of everything: ann wrote to bob under a key, and bob, BUSY, owes a reply; to
 * another message he gave one; ann has logged out, and is logged in at two places. */
struct scene {
	struct pl_oid ann, bob, owed, answered;
};

static struct pl_oid
send_keyed(struct pl_store *s, const struct pl_oid *from, const struct pl_oid *to,
    const char *text, const char *key)
{
	struct pl_write w;
	struct pl_oid id;

	store_send_init(&w, from, to, text, key);
	w.u.send.trace = (struct pl_trace){TRACE};
	assert_int_equal(store_write_one(s, &w), PL_OK);
	id = w.u.send.message.id;
	store_send_fini(&w);
	return id;
}

static void
open_session(struct pl_store *s, const struct pl_oid *user, uint8_t name)
{
	struct pl_write w = {.kind = PL_WRITE_SESSION, .u.session = {.user = *user}};

	memset(w.u.session.token_id, name, PL_JWT_ID_LEN);
	w.u.session.issued_unix_s = pl_clock_unix_ms() / 1000;
	assert_int_equal(store_write_one(s, &w), PL_OK);
}

static struct scene
play(struct pl_store *s)
{
	struct scene scene = {
	    .ann = store_add_user(s, "ann"), .bob = store_add_user(s, "bob")};
	struct pl_write w = {
	    .kind = PL_WRITE_REVOKE,
	    .u.revoke = {.token_id = {1, 2, 3},
		.user = scene.ann,
		.expires_unix_s = pl_clock_unix_ms() / 1000 + 1000},
	};

	assert_int_equal(store_write_one(s, &w), PL_OK);
	open_session(s, &scene.ann, 17);
	open_session(s, &scene.ann, 18);
	w = (struct pl_write){.kind = PL_WRITE_STATUS,
	    .u.status = {scene.bob, PL_STATUS_BUSY, PL_STR("until three")}};
	assert_int_equal(store_write_one(s, &w), PL_OK);
	scene.answered = send_keyed(s, &scene.ann, &scene.bob, "first", NULL);
	w = store_reply(s, &scene.answered, "a reply");
	assert_int_equal(w.err, PL_OK);
	pl_message_fini(&w.u.reply.message);
	scene.owed =
	    send_keyed(s, &scene.ann, &scene.bob, "second \xf0\x9f\x8c\x8d", "k1");
	return scene;
}

static void
copy(struct pl_store *from, struct pl_store *to, enum pl_record_outcome expected)
{
	for (enum pl_record_kind kind = 0; kind < PL_RECORD_KINDS; kind++) {
		struct pl_record_list list = export_all(from, kind);

		import(to, &list, expected);
		pl_record_list_fini(&list);
	}
}

static void
copies_everything(void **state)
{
	static const size_t expected[] = {
	    [PL_RECORD_USER] = 2,
	    [PL_RECORD_MESSAGE] = 3,
	    [PL_RECORD_IDEM] = 1,
	    [PL_RECORD_JOB] = 1,
	    [PL_RECORD_REVOCATION] = 1,
	    [PL_RECORD_SESSIONS] = 1,
	    [PL_RECORD_MARKS] = 0,   /* store_conversations.c */
	    [PL_RECORD_INVITE] = 0,  /* store_invites.c */
	    [PL_RECORD_AVATAR] = 0,  /* store_accounts.c */
	    [PL_RECORD_BLOCK] = 0,   /* store_blocks.c */
	    [PL_RECORD_ERASURE] = 0, /* store_erase.c */
	};
	struct fixture *f = *state, *other = other_database();

	play(f->store);
	copy(f->store, other->store, PL_RECORD_ADDED);
	for (enum pl_record_kind kind = 0; kind < PL_RECORD_KINDS; kind++) {
		struct pl_record_list a = export_all(f->store, kind);
		struct pl_record_list b = export_all(other->store, kind);

		assert_int_equal(a.count, expected[kind]);
		assert_int_equal(b.count, expected[kind]);
		assert_int_equal(count_of(other->store, kind), expected[kind]);
		for (size_t i = 0; i < a.count; i++)
			assert_true(pl_record_is_same(&a.items[i], &b.items[i]));
		if (kind == PL_RECORD_JOB)
			assert_string_equal(b.items[0].u.job.trace.text, TRACE);
		if (kind == PL_RECORD_SESSIONS)
			assert_int_equal(b.items[0].u.sessions->count, 2);
		pl_record_list_fini(&a);
		pl_record_list_fini(&b);
	}
	drop_database(other);
}

static void
copies_nothing_twice(void **state)
{
	struct fixture *f = *state, *other = other_database();

	play(f->store);
	copy(f->store, other->store, PL_RECORD_ADDED);
	copy(f->store, other->store, PL_RECORD_SAME);
	for (enum pl_record_kind kind = 0; kind < PL_RECORD_KINDS; kind++)
		assert_int_equal(count_of(other->store, kind), count_of(f->store, kind));
	drop_database(other);
}

/* What the records mean goes over with them. */
static void
keeps_what_a_copy_means(void **state)
{
	struct fixture *f = *state, *other = other_database();
	struct scene scene = play(f->store);
	struct pl_revocation_list revoked;
	struct pl_write w;

	copy(f->store, other->store, PL_RECORD_ADDED);
	store_send_init(&w, &scene.ann, &scene.bob, "second \xf0\x9f\x8c\x8d", "k1");
	assert_int_equal(store_write_one(other->store, &w), PL_OK);
	assert_true(w.u.send.replayed);
	assert_true(pl_oid_eq(&w.u.send.message.id, &scene.owed));
	store_send_fini(&w);

	w = store_claim(other->store, NULL, INT64_MAX, 1000);
	assert_int_equal(w.err, PL_OK);
	assert_true(pl_oid_eq(&w.u.claim.message.id, &scene.owed));
	assert_string_equal(w.u.claim.busy_user.note, "until three");
	store_claim_fini(&w);

	w = store_reply(other->store, &scene.answered, "another");
	assert_int_equal(w.err, PL_E_CONFLICT);
	w = store_reply(other->store, &scene.owed, "the one");
	assert_int_equal(w.err, PL_OK);
	pl_message_fini(&w.u.reply.message);

	assert_int_equal(pl_store_revocations_since(other->store, 0, &revoked), PL_OK);
	assert_int_equal(revoked.count, 1);
	assert_int_equal(revoked.items[0].token_id[2], 3);
	pl_revocation_list_fini(&revoked);
	drop_database(other);
}

/* Also where the first message of what comes later is older than what was there. */
static void
puts_new_messages_behind_those_that_came(void **state)
{
	struct fixture *f = *state, *other = other_database();
	struct scene scene = play(f->store);
	struct pl_message_list list;

	copy(f->store, other->store, PL_RECORD_ADDED);
	store_send(other->store, &scene.bob, &scene.ann, "third");
	assert_int_equal(pl_store_messages_page(other->store, &scene.ann, &scene.bob,
			     PL_PAGE_AFTER, NULL, 100, &list),
	    PL_OK);
	assert_int_equal(list.count, 4);
	assert_string_equal(list.items[3].text, "third");
	pl_message_list_fini(&list);
	drop_database(other);
}

/* ---- conflicts ---- */

static struct pl_record
message_record(const struct pl_oid *from, const struct pl_oid *to, const char *text)
{
	struct pl_record r = {.kind = PL_RECORD_MESSAGE};

	pl_message_init(&r.u.message, from, to, pl_str(text), pl_clock_unix_ms());
	return r;
}

static void
leaves_what_differs_as_it_is(void **state)
{
	struct fixture *f = *state, *other = other_database();
	struct pl_record_list messages, users;
	struct pl_user user;

	play(f->store);
	copy(f->store, other->store, PL_RECORD_ADDED);
	messages = export_all(f->store, PL_RECORD_MESSAGE);
	messages.items[1].u.message.text[0] = '!';
	assert_int_equal(
	    pl_store_import(other->store, messages.items, messages.count), PL_OK);
	assert_int_equal(messages.items[0].outcome, PL_RECORD_SAME);
	assert_int_equal(messages.items[1].outcome, PL_RECORD_DIFFERS);
	assert_int_equal(messages.items[2].outcome, PL_RECORD_SAME);
	pl_record_list_fini(&messages);
	messages = export_all(other->store, PL_RECORD_MESSAGE);
	assert_int_not_equal(messages.items[1].u.message.text[0], '!');
	pl_record_list_fini(&messages);

	users = export_all(f->store, PL_RECORD_USER);
	users.items[0].u.user.full_name[0] = '!';
	assert_int_equal(pl_store_import(other->store, users.items, users.count), PL_OK);
	assert_int_equal(users.items[0].outcome, PL_RECORD_DIFFERS);
	assert_int_equal(users.items[1].outcome, PL_RECORD_SAME);
	assert_int_equal(
	    pl_store_user_by_id(other->store, &users.items[0].u.user.id, &user), PL_OK);
	assert_string_equal(user.full_name, "Some Body");
	pl_user_fini(&user);
	pl_record_list_fini(&users);
	drop_database(other);
}

static void
refuses_a_second_user_of_a_name(void **state)
{
	struct fixture *f = *state, *other = other_database();
	struct pl_record_list users;

	store_add_user(f->store, "ann");
	store_add_user(f->store, "carol");
	store_add_user(other->store, "ann");
	users = export_all(f->store, PL_RECORD_USER);
	assert_int_equal(pl_store_import(other->store, users.items, users.count), PL_OK);
	assert_int_equal(users.items[0].outcome, PL_RECORD_DIFFERS);
	assert_int_equal(users.items[1].outcome, PL_RECORD_ADDED); /* its neighbour */
	assert_int_equal(count_of(other->store, PL_RECORD_USER), 2);
	pl_record_list_fini(&users);
	drop_database(other);
}

static void
refuses_a_second_reply_and_a_second_use_of_a_key(void **state)
{
	struct fixture *f = *state;
	struct scene scene = play(f->store);
	struct pl_record r = message_record(&scene.bob, &scene.ann, "another reply");
	struct pl_record key = {
	    .kind = PL_RECORD_IDEM,
	    .u.idem = {.sender = scene.ann,
		.message = scene.answered,
		.key = pl_mem_strdup("k1"),
		.created_unix_ms = pl_clock_unix_ms()},
	};

	r.u.message.reply_kind = PL_REPLY_LLM;
	r.u.message.in_reply_to = scene.answered;
	assert_int_equal(pl_store_import(f->store, &r, 1), PL_OK);
	assert_int_equal(r.outcome, PL_RECORD_DIFFERS);
	assert_int_equal(count_of(f->store, PL_RECORD_MESSAGE), 3);
	pl_message_fini(&r.u.message);

	assert_int_equal(pl_store_import(f->store, &key, 1), PL_OK);
	assert_int_equal(key.outcome, PL_RECORD_DIFFERS);
	pl_mem_free(key.u.idem.key);
}

static void
copies_when_a_message_was_edited_and_deleted(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann");
	struct pl_record r[] = {
	    message_record(&ann, &ann, "second thought"),
	    message_record(&ann, &ann, ""),
	};
	struct pl_record_list list;

	r[0].u.message.edited_unix_ms = r[0].u.message.created_unix_ms + 5;
	r[1].u.message.edited_unix_ms = r[1].u.message.created_unix_ms + 6;
	r[1].u.message.deleted_unix_ms = r[1].u.message.created_unix_ms + 7;
	for (int i = 0; i < 2; i++)
		r[i].u.message.updated_unix_ms = pl_message_changed(&r[i].u.message);
	assert_int_equal(pl_store_import(f->store, r, 2), PL_OK);
	list = export_all(f->store, PL_RECORD_MESSAGE);
	assert_int_equal(list.count, 2);
	for (int i = 0; i < 2; i++) {
		assert_true(pl_record_is_same(&list.items[i], &r[i]));
		assert_int_equal(list.items[i].u.message.updated_unix_ms,
		    r[i].u.message.updated_unix_ms);
		pl_message_fini(&r[i].u.message);
	}
	pl_record_list_fini(&list);
}

static void
edit(struct pl_store *s, const struct pl_oid *by, const struct pl_oid *message)
{
	struct pl_write w = {.kind = PL_WRITE_EDIT,
	    .u.change = {.by = *by,
		.message_id = *message,
		.text = PL_STR("second thought"),
		.edit_within_ms = INT64_MAX}};

	assert_int_equal(store_write_one(s, &w), PL_OK);
	pl_message_fini(&w.u.change.message);
}

static void
assert_first_text_is_known(struct pl_store *s, const struct pl_oid *ann, const char *key)
{
	struct pl_write same, another;

	store_send_init(&same, ann, ann, "hi", key);
	store_send_init(&another, ann, ann, "ho", key);
	assert_int_equal(store_write_one(s, &same), PL_OK);
	assert_true(same.u.send.replayed);
	assert_string_equal(same.u.send.message.text, "second thought");
	assert_int_equal(store_write_one(s, &another), PL_E_CONFLICT);
	store_send_fini(&same);
	store_send_fini(&another);
}

/* A repeated send is judged in the copy as it was here, whether the message changed
 * before or after. */
static void
copies_what_a_changed_message_keeps_of_its_first_text(void **state)
{
	struct fixture *f = *state, *other = other_database();
	struct pl_oid ann = store_add_user(f->store, "ann");
	struct pl_oid before = send_keyed(f->store, &ann, &ann, "hi", "k1"),
		      after = send_keyed(f->store, &ann, &ann, "hi", "k2");

	edit(f->store, &ann, &before);
	copy(f->store, other->store, PL_RECORD_ADDED);
	copy(f->store, other->store, PL_RECORD_SAME);
	edit(other->store, &ann, &after);
	assert_first_text_is_known(other->store, &ann, "k1");
	assert_first_text_is_known(other->store, &ann, "k2");
	drop_database(other);
}

/* As where the message itself was refused. */
static void
takes_no_key_and_no_job_without_its_message(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ann = store_add_user(f->store, "ann"), gone;
	struct pl_record key = {
	    .kind = PL_RECORD_IDEM,
	    .u.idem = {.sender = ann,
		.key = pl_mem_strdup("k1"),
		.created_unix_ms = pl_clock_unix_ms()},
	};
	struct pl_record job = {
	    .kind = PL_RECORD_JOB, .u.job = {.deadline_unix_ms = pl_clock_unix_ms()}};

	pl_oid_new(&gone);
	key.u.idem.message = job.u.job.message = gone;
	assert_int_equal(pl_store_import(f->store, &key, 1), PL_OK);
	assert_int_equal(key.outcome, PL_RECORD_DIFFERS);
	assert_int_equal(pl_store_import(f->store, &job, 1), PL_OK);
	assert_int_equal(job.outcome, PL_RECORD_DIFFERS);
	assert_int_equal(count_of(f->store, PL_RECORD_IDEM), 0);
	assert_int_equal(count_of(f->store, PL_RECORD_JOB), 0);
	pl_mem_free(key.u.idem.key);
}

/* ---- pages ---- */

/* Page by page through a kind, limit at a time; how many there were. */
static size_t
walk(struct pl_store *s, enum pl_record_kind kind, size_t limit)
{
	struct pl_record_list page = {0}, next;
	size_t total = 0;

	do {
		const struct pl_record *last =
		    page.count > 0 ? &page.items[page.count - 1] : NULL;

		assert_int_equal(pl_store_export(s, kind, last, limit, &next), PL_OK);
		assert_true(next.count <= limit);
		if (last != NULL && next.count > 0)
			assert_false(pl_record_is_same(last, &next.items[0]));
		pl_record_list_fini(&page);
		page = next;
		total += page.count;
	} while (page.count == limit);
	pl_record_list_fini(&page);
	return total;
}

static void
pages_through_each_kind(void **state)
{
	struct fixture *f = *state;
	struct scene scene = play(f->store);
	struct pl_oid extra;
	char key[] = "k-a";

	for (int i = 0; i < 6; i++) {
		struct pl_write w = {
		    .kind = PL_WRITE_REVOKE,
		    .u.revoke = {.token_id = {9, (uint8_t)i},
			.user = scene.bob,
			.expires_unix_s = pl_clock_unix_ms() / 1000 + 1000},
		};

		assert_int_equal(store_write_one(f->store, &w), PL_OK);
		key[2] = (char)('a' + i);
		extra = store_add_user(f->store, key);
		open_session(f->store, &extra, (uint8_t)i);
		send_keyed(f->store, &scene.ann, &scene.bob, "more", key);
	}
	for (size_t limit = 1; limit < 12; limit += 2) {
		assert_int_equal(walk(f->store, PL_RECORD_USER, limit), 8);
		assert_int_equal(walk(f->store, PL_RECORD_MESSAGE, limit), 9);
		assert_int_equal(walk(f->store, PL_RECORD_IDEM, limit), 7);
		assert_int_equal(walk(f->store, PL_RECORD_JOB, limit), 7);
		assert_int_equal(walk(f->store, PL_RECORD_REVOCATION, limit), 7);
		assert_int_equal(walk(f->store, PL_RECORD_SESSIONS, limit), 7);
	}
}

static void
gives_an_empty_page_of_an_empty_store(void **state)
{
	struct fixture *f = *state;

	for (enum pl_record_kind kind = 0; kind < PL_RECORD_KINDS; kind++) {
		assert_int_equal(walk(f->store, kind, 10), 0);
		assert_int_equal(count_of(f->store, kind), 0);
		assert_non_null(pl_record_kind_name(kind));
	}
	assert_int_equal(pl_store_import(f->store, NULL, 0), PL_OK);
}

int
store_records_suite(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(copies_everything),
	    STORE_TEST(copies_nothing_twice),
	    STORE_TEST(keeps_what_a_copy_means),
	    STORE_TEST(puts_new_messages_behind_those_that_came),
	    STORE_TEST(leaves_what_differs_as_it_is),
	    STORE_TEST(refuses_a_second_user_of_a_name),
	    STORE_TEST(refuses_a_second_reply_and_a_second_use_of_a_key),
	    STORE_TEST(copies_when_a_message_was_edited_and_deleted),
	    STORE_TEST(copies_what_a_changed_message_keeps_of_its_first_text),
	    STORE_TEST(takes_no_key_and_no_job_without_its_message),
	    STORE_TEST(pages_through_each_kind),
	    STORE_TEST(gives_an_empty_page_of_an_empty_store),
	};

	return cmocka_run_group_tests_name("records", tests, NULL, NULL);
}
