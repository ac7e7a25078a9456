/*
 * store_contract: what every back end of store.h must do, written once. A test program
 * gives a factory of empty databases and runs the suites against it; what only one back
 * end promises stands in that program itself.
 *
 * Sessions belong to one thread, and cmocka's assertions to the main one: what runs in
 * parallel notes its outcome in its worker, and the test looks at it afterwards.
 */
#ifndef TESTS_CONTRACT_STORE_CONTRACT_H
#define TESTS_CONTRACT_STORE_CONTRACT_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "store/store.h"

struct store_factory {
	/* An empty database of its own; the strings live until drop. */
	void (*make)(struct pl_store_config *out);
	void (*drop)(struct pl_store_config *config);
};

/* Run all suites; the number of tests that failed. */
int store_contract_run(const struct store_factory *factory);
int store_users_suite(void);
int store_accounts_suite(void);
int store_people_suite(void);
int store_messages_suite(void);
int store_idem_suite(void);
int store_replies_suite(void);
int store_revocations_suite(void);
int store_records_suite(void);
int store_conversations_suite(void);
int store_invites_suite(void);
int store_blocks_suite(void);
int store_edits_suite(void);
int store_erase_suite(void);

/* ---- a test's own database, and a session on it ---- */
struct fixture {
	struct pl_store_config config;
	struct pl_store *store;
};

void store_contract_use(const struct store_factory *factory);
/* A session, opened as services do: a server that is away or busy is asked again. */
struct pl_store *store_open_patiently(const struct pl_store_config *config);
int store_fixture_setup(void **state);
int store_fixture_teardown(void **state);
#define STORE_TEST(name)                                                                 \
	cmocka_unit_test_setup_teardown(name, store_fixture_setup, store_fixture_teardown)

/* ---- short ways to write ---- */
enum pl_err store_write_one(struct pl_store *s, struct pl_write *w);
/* A user of that name, AVAILABLE; gives its id. */
struct pl_oid store_add_user(struct pl_store *s, const char *username);
enum pl_err store_insert_user(
    struct pl_store *s, const char *username, struct pl_oid *id);
void store_set_status(
    struct pl_store *s, const struct pl_oid *user, enum pl_status status);

/* Fills *w for a send; key may be NULL. store_send_fini() when done. */
void store_send_init(struct pl_write *w, const struct pl_oid *from,
    const struct pl_oid *to, const char *text, const char *key);
void store_send_fini(struct pl_write *w);
/* Send and assert that it was stored; gives its place. */
struct pl_message_pos store_send(struct pl_store *s, const struct pl_oid *from,
    const struct pl_oid *to, const char *text);
/* How many messages a and b have. */
size_t store_count(struct pl_store *s, const struct pl_oid *a, const struct pl_oid *b);

struct pl_write store_claim(struct pl_store *s, const struct pl_oid *message,
    int64_t due_before_unix_ms, int64_t lease_ms);
void store_claim_fini(struct pl_write *w);
struct pl_write store_reply(
    struct pl_store *s, const struct pl_oid *to, const char *text);

int store_pos_compare(const struct pl_message_pos *a, const struct pl_message_pos *b);
struct pl_message_pos store_pos_of(const struct pl_message *m);

/* ---- several sessions at once ---- */
#define STORE_WORKERS_MAX 64

struct worker {
	unsigned index;
	void *arg;
	/* out */
	enum pl_err opened;
	enum pl_err err;
	bool flag;
	size_t count;
	struct pl_oid id;
};

/* Run run count times, each on a thread and a session of its own, all let go together;
 * then assert that all sessions opened. */
void store_run_parallel(struct fixture *f, struct worker *workers, unsigned count,
    void (*run)(struct worker *w, struct pl_store *s), void *arg);

#endif
