/*
 * store_faults: every call of store.h, with each of its steps failing in turn, on any
 * back end.
 *
 * A call is made with its first step failing, its second, and so on, until it needs no
 * more steps. Each time:
 *   - it gives an error that store.h names, and leaves its outputs alone; or what it gives is what
 *     it gives without a failure
 *   - a write that gave an error has stored nothing (enum faults_steps names those that may have), and
 *     everything that was there before still is
 *   - afterwards the same session works, or, if the way to the server was lost, a new one
 */
#ifndef TESTS_CONTRACT_STORE_FAULTS_H
#define TESTS_CONTRACT_STORE_FAULTS_H

#include "contract/store_contract.h"
#include "store/store_erase.h"

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
	bool is_in_steps;   /* what FAULTS_COMMANDS says of a call holds */
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
	struct pl_oid eve;  /* has a picture, and has blocked bob */
	struct pl_oid word; /* a message of ann's to bob, for an edit or a deletion */
	bool has_word;      /* it is not deleted */
	struct pl_oid leaver;
	bool has_leaver;           /* nobody has begun to erase them */
	struct pl_erase_step step; /* of whoever erases them */
	/* A message, or a user whose messages these are: a call that failed may have
	 * changed it. Zeroed: none. */
	struct pl_oid changing;
	unsigned round;
	char hash[32];
};

/* What a call that gives an error may have stored all the same. */
enum faults_steps {
	FAULTS_WHOLE, /* nothing */
	/* With MongoDB it is several commands, of which the first may be done: to make it
	 * again ends it. */
	FAULTS_COMMANDS,
	FAULTS_COMMITS, /* each step is a commit of its own, with any back end */
};

struct faults_call {
	const char *name;
	enum pl_err (*run)(struct faults_scene *s, struct pl_buf *out);
	bool writes;
	enum faults_steps steps;
	/* NULL, or what it needs to be there each time, made by the healthy side */
	void (*prepare)(struct faults_scene *s);
	/* NULL, or what must be so after a failure that may have stored something, asked
	 * of the healthy side */
	void (*check)(struct faults_scene *s);
};

/* All calls, the last one without a name. Of one's own: edits, blocks, pictures,
 * erasures. */
extern const struct faults_call store_faults_calls[];
extern const struct faults_call store_faults_own[];
/* Their part of the scene. */
void store_faults_play_own(struct faults_scene *s);

/* Fill the fixture's database. */
void store_faults_play(struct faults_scene *s, struct fixture *f);
/* These calls; how many times one failed. config: how the store whose calls fail is
 * opened. */
unsigned store_faults_run(struct faults_scene *s, const struct store_faults *faults,
    const struct faults_call *calls);
/* All that is stored, as text: for comparison. The caller frees it. */
char *store_faults_all(struct pl_store *s);

#endif
