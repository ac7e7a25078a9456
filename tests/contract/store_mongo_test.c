/* The contract against MongoDB's stand-in, and what that back end promises besides:
 * documents of mongoose and of others, indexes, what has had its time. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "contract/mongo_databases.h"
#include "store/mongo/erase_impl.h"
#include "store/mongo/session.h"
#include "store/store_erase.h"
#include "support/capture.h"

#define ANN  "{\"$oid\": \"65a000000000000000000001\"}"
#define BOB  "{\"$oid\": \"65a000000000000000000002\"}"
#define DATE "{\"$date\": \"2024-01-31T12:00:00.123Z\"}"

static const struct pl_oid ann = {{0x65, 0xa0, [11] = 1}};
static const struct pl_oid bob = {{0x65, 0xa0, [11] = 2}};

/* ---- other programs' documents ---- */

static void
serves_users_as_mongoose_left_them(void **state)
{
	struct fixture *f = *state;
	struct pl_user user;

	mongo_databases_insert(&f->config, "users",
	    "{\"_id\": " ANN ", \"fullName\": \"Ann\", \"username\": \"ann\","
	    " \"password\": \"$2a$10$abc\", \"gender\": \"female\", \"profilePic\":"
	    " \"https://x/\", \"createdAt\": " DATE ", \"updatedAt\": " DATE
	    ", \"__v\": 0, \"theme\": {\"dark\": true}}");
	assert_int_equal(
	    pl_store_user_by_username(f->store, PL_STR("ann"), &user), PL_OK);
	assert_true(pl_oid_eq(&user.id, &ann));
	assert_string_equal(user.password_hash, "$2a$10$abc");
	assert_int_equal(user.gender, PL_GENDER_FEMALE);
	assert_int_equal(user.status, PL_STATUS_AVAILABLE);
	assert_null(user.note);
	assert_int_equal(user.created_unix_ms, 1706702400123);
	pl_user_fini(&user);

	store_set_status(f->store, &ann, PL_STATUS_BUSY);
	assert_int_equal(mongo_databases_count(&f->config, "users",
			     "{\"theme.dark\": true, \"status\": \"BUSY\","
			     " \"password\": \"$2a$10$abc\", \"__v\": 0}"),
	    1);
}

static void
gives_users_a_default_for_what_is_missing_or_of_another_type(void **state)
{
	struct fixture *f = *state;
	struct pl_user user;

	mongo_databases_insert(&f->config, "users",
	    "{\"_id\": " ANN ", \"username\": \"ann\", \"fullName\": 7, \"status\":"
	    " \"AWAY\", \"gender\": null, \"password\": [\"x\"], \"createdAt\":"
	    " \"yesterday\", \"statusNote\": {\"$numberLong\": \"1\"}}");
	assert_int_equal(pl_store_user_by_id(f->store, &ann, &user), PL_OK);
	assert_string_equal(user.full_name, "ann");
	assert_string_equal(user.password_hash, "");
	assert_string_equal(user.profile_pic, "");
	assert_int_equal(user.status, PL_STATUS_AVAILABLE);
	assert_null(user.note);
	/* an ObjectId begins with the time of its making */
	assert_int_equal(user.created_unix_ms, INT64_C(0x65a00000) * 1000);
	pl_user_fini(&user);
}

static void
passes_over_users_that_are_none(void **state)
{
	struct fixture *f = *state;
	struct pl_user_list list;
	bool exist[2];

	mongo_databases_insert(
	    &f->config, "users", "{\"_id\": \"a name\", \"username\": \"eve\"}");
	mongo_databases_insert(
	    &f->config, "users", "{\"_id\": " ANN ", \"username\": 12}");
	mongo_databases_insert(
	    &f->config, "users", "{\"_id\": " BOB ", \"username\": \"bob\"}");
	assert_int_equal(pl_store_users_page(f->store, NULL, 1, &list), PL_OK);
	assert_int_equal(list.count, 1);
	assert_true(pl_oid_eq(&list.items[0].id, &bob));
	pl_user_list_fini(&list);
	assert_int_equal(
	    pl_store_users_of(f->store, (struct pl_oid[]){ann, bob}, 2, &list), PL_OK);
	assert_int_equal(list.count, 1);
	assert_true(pl_oid_eq(&list.items[0].id, &bob));
	pl_user_list_fini(&list);
	assert_int_equal(
	    pl_store_user_by_id(f->store, &ann, &(struct pl_user){0}), PL_E_NOT_FOUND);
	/* Spoilt is not gone. */
	assert_int_equal(
	    pl_store_users_exist(f->store, (struct pl_oid[]){ann, bob}, 2, exist), PL_OK);
	assert_true(exist[0] && exist[1]);
}

/* One of each kind that is no message, all in the middle of the page that is asked for. */
static void
insert_no_messages(struct fixture *f)
{
	static const char *const wrong[] = {
	    "\"senderId\": " ANN ", \"receiverId\": " BOB ", \"message\": \"hi\"",
	    "\"senderId\": " ANN ", \"receiverId\": " BOB
	    ", \"message\": \"hi\", \"createdAt\": \"2024-01-31T12:00:00.123Z\"",
	    "\"senderId\": " ANN ", \"receiverId\": " BOB ", \"createdAt\": " DATE,
	    "\"senderId\": " ANN ", \"receiverId\": " BOB
	    ", \"message\": {\"$gt\": 1}, \"createdAt\": " DATE,
	    "\"senderId\": \"65a000000000000000000001\", \"receiverId\": " BOB
	    ", \"message\": \"hi\", \"createdAt\": " DATE,
	    "\"senderId\": " ANN ", \"receiverId\": \"65a000000000000000000002\""
	    ", \"message\": \"hi\", \"createdAt\": " DATE,
	    "\"senderId\": [" ANN "], \"receiverId\": " BOB
	    ", \"message\": \"hi\", \"createdAt\": " DATE,
	    "\"senderId\": " ANN ", \"receiverId\": " BOB
	    ", \"message\": [\"hi\"], \"createdAt\": " DATE,
	    "\"_id\": 5, \"senderId\": " ANN ", \"receiverId\": " BOB
	    ", \"message\": \"hi\", \"createdAt\": " DATE,
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char doc[512];

		snprintf(doc, sizeof(doc), "{%s}", wrong[i]);
		mongo_databases_insert(&f->config, "messages", doc);
	}
}

static void
insert_message(struct fixture *f, int n, const char *more)
{
	char doc[512];

	snprintf(doc, sizeof(doc),
	    "{\"_id\": {\"$oid\": \"65a0000000000000000001%02d\"}, \"senderId\": " ANN
	    ", \"receiverId\": " BOB ", \"message\": \"m%d\", \"createdAt\": " DATE
	    "%s, \"__v\": 0}",
	    n, n, more);
	mongo_databases_insert(&f->config, "messages", doc);
}

static void
fills_pages_though_some_documents_are_no_messages(void **state)
{
	struct fixture *f = *state;
	struct pl_message_list list;

	insert_message(f, 1, "");
	insert_no_messages(f);
	insert_message(f, 2, "");
	for (int i = 0; i < 3; i++) {
		if (i < 2)
			assert_int_equal(
			    pl_store_messages_page(f->store, &ann, &bob,
				i ? PL_PAGE_BEFORE : PL_PAGE_AFTER, NULL, 2, &list),
			    PL_OK);
		else
			assert_int_equal(
			    pl_store_messages_to(f->store, NULL, NULL, 2, &list), PL_OK);
		assert_int_equal(list.count, 2);
		assert_string_equal(list.items[0].text, "m1");
		assert_string_equal(list.items[1].text, "m2");
		pl_message_list_fini(&list);
	}
}

static void
takes_an_automatic_reply_only_where_it_is_whole(void **state)
{
	struct fixture *f = *state;
	struct pl_message_list list;

	insert_message(f, 1, ", \"autoReply\": true");
	insert_message(f, 2, ", \"autoReply\": {\"kind\": \"llm\"}");
	insert_message(
	    f, 3, ", \"autoReply\": {\"kind\": \"robot\", \"inReplyTo\": " ANN "}");
	insert_message(
	    f, 4, ", \"autoReply\": {\"kind\": \"llm\", \"inReplyTo\": " BOB "}");
	assert_int_equal(
	    pl_store_messages_page(f->store, &ann, &bob, PL_PAGE_AFTER, NULL, 9, &list),
	    PL_OK);
	assert_int_equal(list.count, 4);
	for (int i = 0; i < 4; i++)
		assert_int_equal(
		    list.items[i].reply_kind, i == 3 ? PL_REPLY_LLM : PL_REPLY_NONE);
	pl_message_list_fini(&list);
}

/* A comparison finds values of its own type only. */
#define AN_ID  "{\"$gte\": {\"$oid\": \"000000000000000000000000\"}}"
#define A_DATE "{\"$gte\": " DATE "}"
#define ABSENT "{\"$exists\": false}"

static void
writes_documents_by_their_types(void **state)
{
	struct fixture *f = *state;
	struct pl_oid one = store_add_user(f->store, "one");

	store_send(f->store, &one, &one, "hi");
	assert_int_equal(
	    mongo_databases_count(&f->config, "messages",
		"{\"_id\": " AN_ID ", \"senderId\": " AN_ID ", \"receiverId\": " AN_ID
		", \"message\": \"hi\", \"createdAt\": " A_DATE ", \"updatedAt\": " A_DATE
		", \"__v\": 0, \"idemKey\": " ABSENT ", \"replyJob\": " ABSENT
		", \"autoReply\": " ABSENT "}"),
	    1);
	assert_int_equal(
	    mongo_databases_count(&f->config, "users",
		"{\"_id\": " AN_ID ", \"username\": \"one\","
		" \"createdAt\": " A_DATE ", \"updatedAt\": " A_DATE
		", \"gender\": \"male\", \"statusNote\": " ABSENT ", \"__v\": 0}"),
	    1);
}

/* ---- text is text ---- */

static const char *const operators[] = {"{\"$gt\":\"\"}", "$gt", "$where", "a.b.c",
    "$set", "\"}, {\"$ne\": null", "$$NOW", "function() { return true; }"};
enum { OPERATORS = sizeof(operators) / sizeof(operators[0]) };

static void
takes_operators_for_names(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ids[OPERATORS];
	struct pl_user user;

	store_add_user(f->store, "victim");
	for (int i = 0; i < OPERATORS; i++)
		assert_int_equal(
		    pl_store_user_by_username(f->store, pl_str(operators[i]), &user),
		    PL_E_NOT_FOUND);
	for (int i = 0; i < OPERATORS; i++)
		ids[i] = store_add_user(f->store, operators[i]);
	for (int i = 0; i < OPERATORS; i++) {
		struct pl_write w = {
		    .kind = PL_WRITE_STATUS,
		    .u.status = {.user = ids[i], .note = pl_str(operators[i])},
		};

		assert_int_equal(store_write_one(f->store, &w), PL_OK);
		w = (struct pl_write){
		    .kind = PL_WRITE_PASSWORD,
		    .u.password = {ids[i], operators[i], operators[i]},
		};
		assert_int_equal(store_write_one(f->store, &w), PL_E_CONFLICT);
		assert_int_equal(
		    pl_store_user_by_username(f->store, pl_str(operators[i]), &user),
		    PL_OK);
		assert_true(pl_oid_eq(&user.id, &ids[i]));
		assert_string_equal(user.note, operators[i]);
		assert_string_equal(user.password_hash, "hash");
		pl_user_fini(&user);
	}
}

static void
takes_operators_for_messages_and_keys(void **state)
{
	struct fixture *f = *state;
	struct pl_oid one = store_add_user(f->store, "one");
	struct pl_message_list list;

	store_set_status(f->store, &one, PL_STATUS_BUSY);
	for (int i = 0; i < OPERATORS; i++) {
		struct pl_write w, reply;

		store_send_init(&w, &one, &one, operators[i], operators[i]);
		assert_int_equal(store_write_one(f->store, &w), PL_OK);
		assert_false(w.u.send.replayed);
		reply = store_reply(f->store, &w.u.send.message.id, operators[i]);
		assert_int_equal(reply.err, PL_OK);
		assert_string_equal(reply.u.reply.message.text, operators[i]);
		pl_message_fini(&reply.u.reply.message);
		store_send_fini(&w);
	}
	assert_int_equal(pl_store_messages_to(f->store, &one, NULL, 99, &list), PL_OK);
	assert_int_equal(list.count, 2 * OPERATORS);
	for (int i = 0; i < 2 * OPERATORS; i++)
		assert_string_equal(list.items[i].text, operators[i / 2]);
	pl_message_list_fini(&list);
}

/* ---- indexes ---- */

static void
says_which_usernames_are_equal_and_does_not_open(void **state)
{
	struct fixture *f = *state;
	struct pl_store *s;
	char *log;

	mongo_databases_run(&f->config, "{\"dropDatabase\": 1}");
	mongo_databases_insert(&f->config, "users", "{\"username\": \"ann\"}");
	mongo_databases_insert(&f->config, "users", "{\"username\": \"bob\"}");
	mongo_databases_insert(&f->config, "users", "{\"username\": \"ann\"}");
	capture_stderr();
	assert_int_equal(pl_store_open(&f->config, &s), PL_E_CONFLICT);
	log = capture_end();
	assert_non_null(strstr(log, "\"usernames\":\"ann\""));
	free(log);
	assert_int_equal(pl_store_check(&f->config), PL_E_CONFLICT);

	mongo_databases_run(&f->config,
	    "{\"delete\": \"users\", \"deletes\": [{\"q\": {\"username\": \"ann\"},"
	    " \"limit\": 1}]}");
	assert_int_equal(pl_store_check(&f->config), PL_OK);
	assert_int_equal(pl_store_open(&f->config, &s), PL_OK);
	pl_store_close(s);
}

static void
takes_over_the_index_that_mongoose_made(void **state)
{
	struct fixture *f = *state;
	struct pl_store *s;

	mongo_databases_run(&f->config, "{\"dropDatabase\": 1}");
	mongo_databases_run(&f->config,
	    "{\"createIndexes\": \"users\", \"indexes\": [{\"key\": {\"username\": 1},"
	    " \"name\": \"username_1\", \"unique\": true, \"background\": true}]}");
	assert_int_equal(pl_store_open(&f->config, &s), PL_OK);
	store_add_user(s, "ann");
	assert_int_equal(
	    store_insert_user(s, "ann", &(struct pl_oid){{0}}), PL_E_CONFLICT);
	pl_store_close(s);
}

/* Opens, takes one ann and no second, and finds her by her name; ann's name then is free. */
static void
opens_and_keeps_usernames_apart(struct fixture *f)
{
	struct pl_user user;
	struct pl_store *s;

	assert_int_equal(pl_store_check(&f->config), PL_OK);
	assert_int_equal(pl_store_open(&f->config, &s), PL_OK);
	store_add_user(s, "ann");
	assert_int_equal(
	    store_insert_user(s, "ann", &(struct pl_oid){{0}}), PL_E_CONFLICT);
	assert_int_equal(pl_store_user_by_username(s, PL_STR("ann"), &user), PL_OK);
	pl_user_fini(&user);
	pl_store_close(s);
	assert_int_equal(pl_store_open(&f->config, &s), PL_OK); /* and again */
	pl_store_close(s);
}

#define USERNAME_INDEX(options)                                                          \
	"{\"createIndexes\": \"users\", \"indexes\": [{\"key\": {\"username\": "         \
	"1}, " options "}]}"

enum { PEOPLE_INDEXES = 2 }; /* of names, and of words */

/* Each of them gives what is needed, and stays the only one. */
static void
takes_over_any_index_that_keeps_usernames_apart(void **state)
{
	static const char *const indexes[] = {
	    USERNAME_INDEX("\"name\": \"username_1\", \"unique\": true"),
	    USERNAME_INDEX(
		"\"name\": \"username_1\", \"unique\": true, \"sparse\": true"),
	    USERNAME_INDEX("\"name\": \"login\", \"unique\": true"),
	    USERNAME_INDEX("\"name\": \"username_1\", \"unique\": true,"
			   " \"partialFilterExpression\": {\"username\":"
			   " {\"$type\": \"string\"}}"),
	    USERNAME_INDEX("\"name\": \"username_1\", \"unique\": true,"
			   " \"partialFilterExpression\": {\"username\":"
			   " {\"$exists\": true}}"),
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(indexes) / sizeof(indexes[0]); i++) {
		mongo_databases_run(&f->config, "{\"dropDatabase\": 1}");
		mongo_databases_run(&f->config, indexes[i]);
		opens_and_keeps_usernames_apart(f);
		assert_int_equal(
		    mongo_databases_indexes(&f->config, "users"), 2 + PEOPLE_INDEXES);
	}
}

/* These do not; ours stands beside them. */
static void
makes_its_index_beside_one_that_does_not_keep_usernames_apart(void **state)
{
	static const char *const indexes[] = {
	    USERNAME_INDEX("\"name\": \"username_1\""),
	    USERNAME_INDEX("\"name\": \"username_1\", \"unique\": true,"
			   " \"partialFilterExpression\": {\"active\": true}"),
	    USERNAME_INDEX("\"name\": \"username_1\", \"unique\": true, \"collation\":"
			   " {\"locale\": \"en\", \"strength\": 2}"),
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(indexes) / sizeof(indexes[0]); i++) {
		mongo_databases_run(&f->config, "{\"dropDatabase\": 1}");
		mongo_databases_run(&f->config, indexes[i]);
		opens_and_keeps_usernames_apart(f);
		assert_int_equal(
		    mongo_databases_indexes(&f->config, "users"), 3 + PEOPLE_INDEXES);
	}
}

static void
opens_though_users_have_no_username(void **state)
{
	struct fixture *f = *state;

	mongo_databases_run(&f->config, "{\"dropDatabase\": 1}");
	for (int i = 0; i < 3; i++)
		mongo_databases_insert(
		    &f->config, "users", "{\"googleId\": 1, \"fullName\": \"G\"}");
	opens_and_keeps_usernames_apart(f);
	/* and others may go on making them */
	mongo_databases_insert(&f->config, "users", "{\"googleId\": 2}");
	assert_int_equal(mongo_databases_count(
			     &f->config, "users", "{\"username\": {\"$exists\": false}}"),
	    4);
}

static void
takes_over_an_index_of_messages_under_another_name(void **state)
{
	struct fixture *f = *state;
	struct pl_store *s;

	mongo_databases_run(&f->config, "{\"dropDatabase\": 1}");
	mongo_databases_run(&f->config,
	    "{\"createIndexes\": \"messages\", \"indexes\": [{\"key\": {\"receiverId\": "
	    "1,"
	    " \"createdAt\": 1, \"_id\": 1}, \"name\": \"inbox\"}, {\"key\":"
	    " {\"createdAt\": 1}, \"name\": \"forget\", \"expireAfterSeconds\": 9000}]}");
	assert_int_equal(pl_store_check(&f->config), PL_OK);
	assert_int_equal(pl_store_open(&f->config, &s), PL_OK);
	pl_store_close(s);
	assert_int_equal(mongo_databases_indexes(&f->config, "messages"), 12);
}

static void
refuses_a_uri_that_is_none(void **state)
{
	static const char *const uris[] = {"", "postgres://localhost/chat", "mongodb://",
	    "mongodb://host/?w", "localhost"};

	(void)state;
	for (size_t i = 0; i < sizeof(uris) / sizeof(uris[0]); i++) {
		struct pl_store_config config = {.mongo_uri = uris[i]};
		struct pl_store *s;

		assert_int_equal(pl_store_check(&config), PL_E_INVALID);
		assert_int_equal(pl_store_open(&config, &s), PL_E_INVALID);
	}
}

/* ---- the order ---- */

static void
gives_each_place_behind_the_one_before(void **state)
{
	struct pl_message_pos last = {.created_unix_ms = INT64_MIN};
	int64_t now = pl_clock_unix_ms();

	(void)state;
	pl_mongo_order_lock();
	for (int i = 0; i < 100000; i++) {
		struct pl_message_pos pos = pl_mongo_order_next(NULL);

		assert_true(store_pos_compare(&last, &pos) < 0);
		last = pos;
	}
	pl_mongo_order_unlock();
	assert_true(last.created_unix_ms >= now);
}

static void
puts_a_reply_behind_its_message_whatever_the_clocks_say(void **state)
{
	struct pl_message_pos ahead = {.created_unix_ms = pl_clock_unix_ms() + 3600000};
	struct pl_message_pos reply, next;

	(void)state;
	memset(ahead.id.bytes, 0xff, PL_OID_LEN);
	pl_mongo_order_lock();
	reply = pl_mongo_order_next(&ahead);
	next = pl_mongo_order_next(NULL);
	pl_mongo_order_unlock();
	assert_true(store_pos_compare(&ahead, &reply) < 0);
	assert_true(store_pos_compare(&next, &ahead) < 0); /* and no other follows it */
}

/* ---- what has had its time ---- */

static void
forgets_an_idempotency_key_after_24_hours(void **state)
{
	static const char age[] =
	    "{\"update\": \"messages\", \"updates\": [{\"q\": {}, \"u\": {\"$set\":"
	    " {\"idemUntil\": " DATE "}}, \"multi\": true}]}";
	struct fixture *f = *state;
	struct pl_oid one = store_add_user(f->store, "one");
	struct pl_write first, again;
	struct pl_store *s;

	store_send_init(&first, &one, &one, "hi", "k");
	store_send_init(&again, &one, &one, "ho", "k");
	assert_int_equal(store_write_one(f->store, &first), PL_OK);
	assert_int_equal(store_write_one(f->store, &again), PL_E_CONFLICT);
	mongo_databases_run(&f->config, age);
	assert_int_equal(store_write_one(f->store, &again), PL_OK);
	assert_false(again.u.send.replayed);
	assert_int_equal(store_count(f->store, &one, &one), 2);
	assert_int_equal(mongo_databases_count(
			     &f->config, "messages", "{\"idemKey\": {\"$exists\": 1}}"),
	    1);

	/* A session purges at its first batch, and then once a minute. */
	mongo_databases_run(&f->config, age);
	assert_int_equal(pl_store_open(&f->config, &s), PL_OK);
	store_send(s, &one, &one, "hm");
	pl_store_close(s);
	assert_int_equal(mongo_databases_count(
			     &f->config, "messages", "{\"idemKey\": {\"$exists\": 1}}"),
	    0);
	assert_int_equal(mongo_databases_count(&f->config, "messages", "{}"), 3);
	store_send_fini(&first);
	store_send_fini(&again);
}

static void
ends_a_job_whose_reply_was_stored_by_one_who_died(void **state)
{
	struct fixture *f = *state;
	struct pl_oid one = store_add_user(f->store, "one");
	struct pl_message_pos sent;
	struct pl_write reply, claim;

	store_set_status(f->store, &one, PL_STATUS_BUSY);
	sent = store_send(f->store, &one, &one, "hi");
	reply = store_reply(f->store, &sent.id, "out");
	assert_int_equal(reply.err, PL_OK);
	pl_message_fini(&reply.u.reply.message);
	mongo_databases_run(&f->config,
	    "{\"update\": \"messages\", \"updates\": [{\"q\": {\"message\": \"hi\"},"
	    " \"u\": {\"$set\": {\"replyJob\": {\"deadline\": " DATE
	    ", \"leaseUntil\": " DATE ", \"attempt\": 1}}}}]}");
	claim = store_claim(f->store, NULL, INT64_MAX, 60000);
	assert_int_equal(claim.err, PL_OK);
	assert_int_equal(claim.u.claim.attempt, 2);
	store_claim_fini(&claim);
	reply = store_reply(f->store, &sent.id, "out");
	assert_int_equal(reply.err, PL_E_CONFLICT);
	assert_int_equal(mongo_databases_count(
			     &f->config, "messages", "{\"replyJob\": {\"$exists\": 1}}"),
	    0);
}

static void
passes_over_jobs_of_users_who_are_gone(void **state)
{
	struct fixture *f = *state;
	struct pl_oid one = store_add_user(f->store, "one"),
		      gone = store_add_user(f->store, "gone");
	struct pl_message_pos sent;
	struct pl_write claim;

	store_set_status(f->store, &one, PL_STATUS_BUSY);
	store_set_status(f->store, &gone, PL_STATUS_BUSY);
	store_send(f->store, &one, &gone, "hi");
	store_send(f->store, &one, &gone, "hi");
	sent = store_send(f->store, &one, &one, "ho");
	mongo_databases_run(&f->config,
	    "{\"delete\": \"users\", \"deletes\": [{\"q\": {\"username\": \"gone\"},"
	    " \"limit\": 1}]}");
	claim = store_claim(f->store, NULL, INT64_MAX, 60000);
	assert_int_equal(claim.err, PL_OK);
	assert_true(pl_oid_eq(&claim.u.claim.message.id, &sent.id));
	store_claim_fini(&claim);
	assert_int_equal(mongo_databases_count(
			     &f->config, "messages", "{\"replyJob\": {\"$exists\": 1}}"),
	    1);
}

/* ---- people ---- */

static size_t
count_found(struct pl_store *s, const char *query)
{
	struct pl_user_list page;
	size_t count;

	assert_int_equal(
	    pl_store_people_page(s, pl_str(query), NULL, 1000, &page), PL_OK);
	count = page.count;
	pl_user_list_fini(&page);
	return count;
}

/* Those who cannot be served stay away, and keep nobody else waiting. */
static void
finds_whom_a_mern_app_added(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < PL_STORE_PEOPLE_FILL + 10; i++) {
		char doc[200];

		snprintf(doc, sizeof(doc),
		    "{\"_id\": \"no id %d\", \"username\": "
		    "\"eve%d\", \"fullName\": \"Eve\"}",
		    i, i);
		mongo_databases_insert(&f->config, "users", doc);
	}
	mongo_databases_insert(&f->config, "users",
	    "{\"_id\": " ANN ", \"fullName\": \"Ann García\", \"username\": \"ann\","
	    " \"updatedAt\": " DATE "}");
	mongo_databases_insert(&f->config, "users",
	    "{\"_id\": " BOB ", \"fullName\": 7, \"username\": \"bob\"}");
	assert_int_equal(count_found(f->store, "garcia"), 1);
	assert_int_equal(count_found(f->store, "bob"), 1);
	assert_int_equal(count_found(f->store, "eve"), 0);
	assert_int_equal(count_found(f->store, ""), 2);
	/* Nothing else of the document has changed. */
	assert_int_equal(mongo_databases_count(&f->config, "users",
			     "{\"username\": \"ann\", \"updatedAt\": " DATE
			     ", \"parleyPeople.name\": \"ann garcia\"}"),
	    1);
}

/* Whoever took a name away, or gave another one, and left our field as it was. */
static void
mends_whom_a_mern_app_renamed(void **state)
{
	struct fixture *f = *state;

	store_add_user(f->store, "ann");
	mongo_databases_run(&f->config,
	    "{\"update\": \"users\", \"updates\": [{\"q\": {\"username\": \"ann\"},"
	    " \"u\": {\"$set\": {\"fullName\": \"Zoë\"}}}]}");
	assert_int_equal(count_found(f->store, ""), 1); /* meets it */
	assert_int_equal(count_found(f->store, "zoe"), 1);
	assert_int_equal(count_found(f->store, "body"), 0);
	mongo_databases_run(&f->config,
	    "{\"update\": \"users\", \"updates\": [{\"q\": {\"username\": \"ann\"},"
	    " \"u\": {\"fullName\": \"Eva\", \"username\": \"eva\"}}]}");
	assert_int_equal(count_found(f->store, "eva"), 1);
	assert_int_equal(count_found(f->store, "zoe"), 0);
}

static void
fills_in_a_batch_of_many(void **state)
{
	struct fixture *f = *state;
	size_t filled = 0;

	for (int i = 0; i < 30; i++) {
		char name[32];

		snprintf(name, sizeof(name), "old%d", i);
		store_add_user(f->store, name);
	}
	mongo_databases_run(&f->config,
	    "{\"update\": \"users\", \"updates\": [{\"q\": {}, \"multi\": true,"
	    " \"u\": {\"$unset\": {\"parleyPeople\": 1}}}]}");
	for (int i = 0; i < 3; i++) {
		assert_int_equal(pl_store_people_fill(f->store, 10, &filled), PL_OK);
		assert_int_equal(filled, 10);
	}
	assert_int_equal(pl_store_people_fill(f->store, 10, &filled), PL_OK);
	assert_int_equal(filled, 0);
	assert_int_equal(count_found(f->store, "old"), 30);
}

/* ---- invites ---- */

#define CODE "x0k3-9mfd-2q7z-vb41-c8se-jr6w-5h0n"
#define CODE_ID                                                                          \
	"{\"$binary\": {\"base64\": \"D81mL9lZnKC/7pyF5mCOIg==\", \"subType\": \"00\"}}"
#define FAR     "{\"$date\": \"2100-01-01T00:00:00Z\"}"
#define USED_UP "\"uses\": 1, \"left\": 0, \"createdAt\": " DATE ", \"expiresAt\": " FAR

static enum pl_err
sign_up_by_code(struct pl_store *s, const char *username)
{
	struct pl_signup signup = {
	    .full_name = PL_STR("Some Body"), .username = pl_str(username)};
	struct pl_write w = {.kind = PL_WRITE_INVITED};
	struct pl_user user;
	enum pl_err err;

	pl_user_from_signup(&user, &signup, pl_mem_strdup("hash"), pl_clock_unix_ms());
	w.u.invited.user = &user;
	assert_true(pl_invite_id(PL_STR(CODE), w.u.invited.code_id));
	err = store_write_one(s, &w);
	pl_user_fini(&user);
	return err;
}

static enum pl_err
look_at_code(struct pl_store *s)
{
	uint8_t code_id[PL_INVITE_ID_LEN];

	assert_true(pl_invite_id(PL_STR(CODE), code_id));
	return pl_store_invite_look(s, code_id);
}

/* Its process died after it had taken the use, and before it stored the user. */
static void
gives_the_use_of_a_sign_up_that_died_back(void **state)
{
	struct fixture *f = *state;

	mongo_databases_insert(&f->config, "parley_invites",
	    "{\"_id\": " CODE_ID ", " USED_UP ", \"taking\": [{\"userId\": " ANN
	    ", \"at\": " DATE "}]}");
	assert_int_equal(look_at_code(f->store), PL_OK);
	assert_int_equal(sign_up_by_code(f->store, "carol"), PL_OK);
	assert_int_equal(sign_up_by_code(f->store, "dave"), PL_E_NOT_FOUND);
	assert_int_equal(mongo_databases_count(&f->config, "parley_invites",
			     "{\"left\": 0, \"taking\": {\"$size\": 0}}"),
	    1);
}

/* It died after that. */
static void
counts_the_use_of_a_sign_up_that_has_stored_its_user(void **state)
{
	struct fixture *f = *state;

	mongo_databases_insert(&f->config, "users",
	    "{\"_id\": " ANN ", \"username\": \"ann\", \"password\": \"x\"}");
	mongo_databases_insert(&f->config, "parley_invites",
	    "{\"_id\": " CODE_ID ", " USED_UP ", \"taking\": [{\"userId\": " ANN
	    ", \"at\": " DATE "}]}");
	assert_int_equal(sign_up_by_code(f->store, "carol"), PL_E_NOT_FOUND);
	assert_int_equal(mongo_databases_count(&f->config, "parley_invites",
			     "{\"left\": 0, \"taking\": {\"$size\": 0}}"),
	    1);
}

static void
takes_no_use_from_a_sign_up_that_may_still_go_on(void **state)
{
	struct fixture *f = *state;

	mongo_databases_insert(&f->config, "parley_invites",
	    "{\"_id\": " CODE_ID ", " USED_UP ", \"taking\": [{\"userId\": " ANN
	    ", \"at\": " FAR "}]}");
	assert_int_equal(look_at_code(f->store), PL_E_NOT_FOUND);
	assert_int_equal(sign_up_by_code(f->store, "carol"), PL_E_NOT_FOUND);
	assert_int_equal(mongo_databases_count(&f->config, "parley_invites",
			     "{\"left\": 0, \"taking\": {\"$size\": 1}}"),
	    1);
}

/* A document that says so otherwise is of another program. */
static void
takes_a_user_for_disabled_by_our_own_field_alone(void **state)
{
	struct fixture *f = *state;
	struct pl_user user;

	mongo_databases_insert(&f->config, "users",
	    "{\"_id\": " ANN ", \"username\": \"ann\", \"disabled\": true,"
	    " \"parleyDisabled\": 1}");
	mongo_databases_insert(&f->config, "users",
	    "{\"_id\": " BOB ", \"username\": \"bob\", \"parleyDisabled\": true}");
	assert_int_equal(pl_store_user_by_id(f->store, &ann, &user), PL_OK);
	assert_false(user.is_disabled);
	pl_user_fini(&user);
	assert_int_equal(pl_store_user_by_id(f->store, &bob, &user), PL_OK);
	assert_true(user.is_disabled);
	pl_user_fini(&user);
}

/* ---- erasures ---- */

/* Processes of an older version know no place in stage 2, and sweep again in stage 3. */
static void
ends_an_erasure_that_an_older_version_began(void **state)
{
	struct fixture *f = *state;

	for (int stage = 0; stage <= 3; stage += stage == 0 ? 2 : 1) {
		struct pl_oid from = store_add_user(f->store, "from");
		struct pl_oid to = store_add_user(f->store, "to");
		struct pl_erase_step step = {.worker = 1, .lease_ms = 60000};
		struct pl_write w = {.kind = PL_WRITE_ERASE, .u.erase.user = from};
		char command[256];

		pl_revocation_of_all(
		    &w.u.erase.revocation, &from, pl_clock_unix_ms() / 1000 + 2);
		assert_int_equal(store_write_one(f->store, &w), PL_OK);
		store_send(f->store, &from, &to, "late");
		snprintf(command, sizeof(command),
		    "{\"update\": \"parley_erasures\", \"updates\": [{\"q\": "
		    "{\"doneAt\": null}, \"u\": {\"$set\": {\"stage\": %d}}}]}",
		    stage);
		mongo_databases_run(&f->config, command);
		do
			assert_int_equal(pl_store_erase_step(f->store, &step), PL_OK);
		while (step.state == PL_ERASE_GOES_ON);
		assert_int_equal(step.state, PL_ERASE_DONE);
		assert_int_equal(mongo_databases_count(
				     &f->config, "messages", "{\"message\": \"late\"}"),
		    0);
		assert_int_equal(
		    mongo_databases_count(&f->config, "parley_correspondents", "{}"), 0);
		assert_int_equal(
		    pl_store_erase_user(f->store, &to, &w.u.erase.revocation), PL_OK);
		mongo_databases_run(&f->config,
		    "{\"delete\": \"parley_erasures\", \"deletes\": "
		    "[{\"q\": {}, \"limit\": 0}]}");
	}
}

/* The server drops what has a date there, and so none that is not done. */
static void
has_erasures_that_are_done_dropped_after_a_day(void **state)
{
	struct fixture *f = *state;
	struct pl_oid user = store_add_user(f->store, "gone");
	struct pl_erase_step step = {.worker = 1, .lease_ms = 60000};
	struct pl_write w = {.kind = PL_WRITE_ERASE, .u.erase.user = user};

	assert_int_equal(
	    mongo_databases_kept_s(&f->config, "parley_erasures", "doneAt"), 86400);
	assert_int_equal(
	    mongo_databases_kept_s(&f->config, "parley_erasures", "dueAt"), -1);
	pl_revocation_of_all(&w.u.erase.revocation, &user, pl_clock_unix_ms() / 1000 + 2);
	assert_int_equal(store_write_one(f->store, &w), PL_OK);
	assert_int_equal(mongo_databases_count(&f->config, "parley_erasures",
			     "{\"doneAt\": {\"$exists\": true}}"),
	    0);
	do
		assert_int_equal(pl_store_erase_step(f->store, &step), PL_OK);
	while (step.state != PL_ERASE_NOTHING);
	assert_int_equal(
	    mongo_databases_count(&f->config, "parley_erasures",
		"{\"doneAt\": {\"$gt\": {\"$date\": {\"$numberLong\": \"0\"}}}}"),
	    1);
}

/* As with a server that is so far away that a step's time is over before its sweep. */
static void
sweeps_a_receiver_by_each_step_however_late(void **state)
{
	struct fixture *f = *state;
	struct pl_oid user = store_add_user(f->store, "ann"), others[3];
	struct pl_erase_step step = {0};
	struct pl_erasing e = {.s = pl_mongo_start(f->store),
	    .step = &step,
	    .user = user,
	    .from_unix_ms = INT64_MIN};
	bool is_done = false;

	for (int i = 0; i < 3; i++) {
		struct pl_write w;

		others[i] =
		    store_add_user(f->store, (const char *[]){"bob", "dan", "eve"}[i]);
		store_send_init(&w, &user, &others[i], "a word", NULL);
		assert_int_equal(store_write_one(f->store, &w), PL_OK);
		store_send_fini(&w);
	}
	for (int i = 0; i < 4 && !is_done; i++) {
		e.rows = 0;
		e.s = pl_mongo_start(f->store);
		assert_int_equal(pl_erasing_sweep(&e, &is_done), PL_OK);
	}
	assert_true(is_done);
	assert_int_equal(step.texts, 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(serves_users_as_mongoose_left_them),
	    STORE_TEST(gives_users_a_default_for_what_is_missing_or_of_another_type),
	    STORE_TEST(passes_over_users_that_are_none),
	    STORE_TEST(fills_pages_though_some_documents_are_no_messages),
	    STORE_TEST(takes_an_automatic_reply_only_where_it_is_whole),
	    STORE_TEST(writes_documents_by_their_types),
	    STORE_TEST(takes_operators_for_names),
	    STORE_TEST(ends_an_erasure_that_an_older_version_began),
	    STORE_TEST(has_erasures_that_are_done_dropped_after_a_day),
	    STORE_TEST(sweeps_a_receiver_by_each_step_however_late),
	    STORE_TEST(takes_operators_for_messages_and_keys),
	    STORE_TEST(says_which_usernames_are_equal_and_does_not_open),
	    STORE_TEST(takes_over_the_index_that_mongoose_made),
	    STORE_TEST(takes_over_any_index_that_keeps_usernames_apart),
	    STORE_TEST(makes_its_index_beside_one_that_does_not_keep_usernames_apart),
	    STORE_TEST(opens_though_users_have_no_username),
	    STORE_TEST(takes_over_an_index_of_messages_under_another_name),
	    STORE_TEST(refuses_a_uri_that_is_none),
	    STORE_TEST(gives_each_place_behind_the_one_before),
	    STORE_TEST(puts_a_reply_behind_its_message_whatever_the_clocks_say),
	    STORE_TEST(forgets_an_idempotency_key_after_24_hours),
	    STORE_TEST(ends_a_job_whose_reply_was_stored_by_one_who_died),
	    STORE_TEST(passes_over_jobs_of_users_who_are_gone),
	    STORE_TEST(finds_whom_a_mern_app_added),
	    STORE_TEST(mends_whom_a_mern_app_renamed),
	    STORE_TEST(fills_in_a_batch_of_many),
	    STORE_TEST(gives_the_use_of_a_sign_up_that_died_back),
	    STORE_TEST(counts_the_use_of_a_sign_up_that_has_stored_its_user),
	    STORE_TEST(takes_no_use_from_a_sign_up_that_may_still_go_on),
	    STORE_TEST(takes_a_user_for_disabled_by_our_own_field_alone),
	};
	int failed = store_contract_run(&mongo_patient_factory) +
		     store_conversations_suite() + store_erase_suite();

	return failed + cmocka_run_group_tests_name("mongo", tests, NULL, NULL);
}
