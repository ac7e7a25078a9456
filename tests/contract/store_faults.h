/*
 * store_faults: every call of store.h, with each of its steps failing in turn, on any back end.
 *
 * A call is made with its first step failing, its second, and so on, until it needs no more steps.
 * Each time:
 *   - it gives an error that store.h names, and leaves its outputs alone; or what it gives is what
 *     it gives without a failure
 *   - a write that gave an error has stored nothing (with MongoDB: it may have), and everything that
 *     was there before still is
 *   - afterwards the same session works, or, if the way to the server was lost, a new one
 */
#ifndef TESTS_CONTRACT_STORE_FAULTS_H
#define TESTS_CONTRACT_STORE_FAULTS_H

#include "contract/store_contract.h"

struct store_faults {
	const char *name;
	/* The n-th step from now on fails. */
	void (*begin)(void *arg, unsigned n);
	/* No more; did one? */
	bool (*end)(void *arg);
	/* Is it an error that such a failure may give? */
	bool (*is_right)(enum pl_err err);
	/* After a write that failed (NULL: nothing to look at); before: what was stored. */
	void (*look)(void *arg, const char *before);
	void *arg;
	/* The note of which secret signs, a claim, and a mark are several commands, of which the first may be
	 * done. The note and the mark are the same when made again; the lease of a claim ends. */
	bool is_in_steps;
	bool may_be_stored; /* though the call failed */
	bool only_writes;
	bool loses_session; /* it works no more, and has to be opened again */
};

/* What a scene stands in: some of everything, and the calls that were made on it. */
struct faults_scene {
	struct fixture *f;
	struct pl_store *store; /* whose calls fail */
	const struct pl_store_config *config;
	struct pl_oid ann, bob, first, second;
	struct pl_message_pos first_pos;
	struct pl_oid owed; /* a message whose reply is due */
	unsigned round;
	char hash[32];
};

/* Fill the fixture's database. */
void store_faults_play(struct faults_scene *s, struct fixture *f);
/* All calls; how many times one failed. config: how the store whose calls fail is opened. */
unsigned store_faults_run(struct faults_scene *s, const struct store_faults *faults);
/* All that is stored, as text: for comparison. The caller frees it. */
char *store_faults_all(struct pl_store *s);

#endif
