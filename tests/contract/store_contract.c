#include <pthread.h>
#include <unistd.h>

#include "auth/first_text.h"
#include "base/clock.h"
#include "base/mem.h"
#include "contract/store_contract.h"
#include "support/patience.h"

#define OPEN_LIMIT_MS patient_ms(30000)

static const struct store_factory *factory;

void
store_contract_use(const struct store_factory *used)
{
	factory = used;
}

int
store_contract_run(const struct store_factory *used)
{
	store_contract_use(used);
	return store_users_suite() + store_people_suite() + store_messages_suite() +
	       store_idem_suite() + store_replies_suite() + store_revocations_suite() +
	       store_records_suite() + store_invites_suite() + store_accounts_suite() +
	       store_blocks_suite() + store_edits_suite();
}

static enum pl_err
try_to_open(const struct pl_store_config *config, struct pl_store **out)
{
	int64_t limit = pl_clock_mono_ms() + OPEN_LIMIT_MS;
	enum pl_err err;

	while ((err = pl_store_open(config, out)) == PL_E_UNAVAILABLE &&
	       pl_clock_mono_ms() < limit)
		usleep(20000);
	return err;
}

struct pl_store *
store_open_patiently(const struct pl_store_config *config)
{
	struct pl_store *s = NULL;

	assert_int_equal(try_to_open(config, &s), PL_OK);
	return s;
}

int
store_fixture_setup(void **state)
{
	struct fixture *f = pl_mem_zalloc(sizeof(*f));

	pl_first_text_init("a secret for the tests of the store", NULL);
	factory->make(&f->config);
	f->store = store_open_patiently(&f->config);
	*state = f;
	return 0;
}

int
store_fixture_teardown(void **state)
{
	struct fixture *f = *state;

	pl_store_close(f->store);
	factory->drop(&f->config);
	pl_mem_free(f);
	return 0;
}

/* ---- users ---- */

enum pl_err
store_write_one(struct pl_store *s, struct pl_write *w)
{
	pl_store_write(s, &w, 1);
	return w->err;
}

enum pl_err
store_insert_user(struct pl_store *s, const char *username, struct pl_oid *id)
{
	struct pl_signup signup = {
	    .full_name = PL_STR("Some Body"),
	    .username = pl_str(username),
	};
	struct pl_write w = {.kind = PL_WRITE_USER};
	struct pl_user user;
	enum pl_err err;

	pl_user_from_signup(&user, &signup, pl_mem_strdup("hash"), pl_clock_unix_ms());
	w.u.user = &user;
	err = store_write_one(s, &w);
	*id = user.id;
	pl_user_fini(&user);
	return err;
}

struct pl_oid
store_add_user(struct pl_store *s, const char *username)
{
	struct pl_oid id;

	assert_int_equal(store_insert_user(s, username, &id), PL_OK);
	return id;
}

void
store_set_status(struct pl_store *s, const struct pl_oid *user, enum pl_status status)
{
	struct pl_write w = {
	    .kind = PL_WRITE_STATUS,
	    .u.status = {.user = *user, .status = status},
	};

	assert_int_equal(store_write_one(s, &w), PL_OK);
}

/* ---- messages ---- */

void
store_send_init(struct pl_write *w, const struct pl_oid *from, const struct pl_oid *to,
    const char *text, const char *key)
{
	*w = (struct pl_write){.kind = PL_WRITE_SEND};
	pl_message_init(&w->u.send.message, from, to, pl_str(text), 0);
	w->u.send.idem_key = pl_str(key);
	w->u.send.reply_within_ms = 10000;
}

void
store_send_fini(struct pl_write *w)
{
	pl_message_fini(&w->u.send.message);
}

struct pl_message_pos
store_send(struct pl_store *s, const struct pl_oid *from, const struct pl_oid *to,
    const char *text)
{
	struct pl_message_pos pos;
	struct pl_write w;

	store_send_init(&w, from, to, text, NULL);
	assert_int_equal(store_write_one(s, &w), PL_OK);
	pos = store_pos_of(&w.u.send.message);
	store_send_fini(&w);
	return pos;
}

size_t
store_count(struct pl_store *s, const struct pl_oid *a, const struct pl_oid *b)
{
	struct pl_message_list list;
	size_t count;

	assert_int_equal(
	    pl_store_messages_page(s, a, b, PL_PAGE_AFTER, NULL, 100000, &list), PL_OK);
	count = list.count;
	pl_message_list_fini(&list);
	return count;
}

struct pl_message_pos
store_pos_of(const struct pl_message *m)
{
	return (struct pl_message_pos){m->created_unix_ms, m->id};
}

int
store_pos_compare(const struct pl_message_pos *a, const struct pl_message_pos *b)
{
	if (a->created_unix_ms != b->created_unix_ms)
		return a->created_unix_ms < b->created_unix_ms ? -1 : 1;
	return pl_oid_compare(&a->id, &b->id);
}

/* ---- replies ---- */

struct pl_write
store_claim(struct pl_store *s, const struct pl_oid *message, int64_t due_before_unix_ms,
    int64_t lease_ms)
{
	struct pl_write w = {
	    .kind = PL_WRITE_REPLY_CLAIM,
	    .u.claim =
		{
		    .message_id = message,
		    .due_before_unix_ms = due_before_unix_ms,
		    .lease_ms = lease_ms,
		},
	};

	store_write_one(s, &w);
	return w;
}

void
store_claim_fini(struct pl_write *w)
{
	pl_message_fini(&w->u.claim.message);
	pl_user_fini(&w->u.claim.busy_user);
}

struct pl_write
store_reply(struct pl_store *s, const struct pl_oid *to, const char *text)
{
	struct pl_write w = {
	    .kind = PL_WRITE_REPLY,
	    .u.reply = {.in_reply_to = *to, .kind = PL_REPLY_LLM, .text = pl_str(text)},
	};

	store_write_one(s, &w);
	return w;
}

/* ---- several sessions at once ---- */

struct start {
	struct fixture *fixture;
	struct worker *worker;
	pthread_barrier_t *barrier;
	void (*run)(struct worker *w, struct pl_store *s);
};

static void *
worker_main(void *arg)
{
	struct start *start = arg;
	struct worker *w = start->worker;
	struct pl_store *s = NULL;

	w->opened = try_to_open(&start->fixture->config, &s);
	pthread_barrier_wait(start->barrier);
	if (w->opened == PL_OK)
		start->run(w, s);
	pl_store_close(s);
	return NULL;
}

void
store_run_parallel(struct fixture *f, struct worker *workers, unsigned count,
    void (*run)(struct worker *w, struct pl_store *s), void *arg)
{
	struct start starts[STORE_WORKERS_MAX];
	pthread_t threads[STORE_WORKERS_MAX];
	pthread_barrier_t barrier;

	assert_in_range(count, 1, STORE_WORKERS_MAX);
	pthread_barrier_init(&barrier, NULL, count);
	for (unsigned i = 0; i < count; i++) {
		workers[i] = (struct worker){.index = i, .arg = arg};
		starts[i] = (struct start){f, &workers[i], &barrier, run};
		if (pthread_create(&threads[i], NULL, worker_main, &starts[i]) != 0)
			fail_msg("no thread");
	}
	for (unsigned i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&barrier);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(workers[i].opened, PL_OK);
}
