/*
 * parley-migrate: copies all that one store keeps into another, SQLite or MongoDB.
 *
 *   FROM=data TO=mongodb://user:password@host/chat parley-migrate
 *
 * FROM and TO come from the environment, or FROM_FILE and TO_FILE name files that hold
 * them, so that a password shows in no list of processes. Nothing in TO is overwritten:
 * what is there and equal is passed over, what is there and differs is named. A run that
 * was broken off is finished by another. It takes the memory of one page, however much
 * there is.
 *
 * Exit status: 0 all of FROM is in TO, 1 it could not be done, 2 something in TO differs,
 * or a document of FROM cannot be copied as it is: each is named on standard error; 78 a
 * bad FROM or TO.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/config.h"
#include "base/log.h"
#include "base/mem.h"
#include "ends.h"
#include "place.h"
#include "ops/end.h"
#include "store/store_adopt.h"
#include "store/store_records.h"

#define PAGE_RECORDS     500
#define PAGE_AVATARS     16 /* of half a megabyte at most */
#define PROGRESS_RECORDS 10000
#define NAMED_MAX        100 /* records that differ, before they are only counted */

enum { EXIT_DIFFERS = 2 };

struct tally {
	int64_t read;
	int64_t added;
	int64_t same;
	int64_t differs;
	/* afterwards, as each end counts them */
	int64_t in_from;
	int64_t in_to;
};

struct migration {
	struct place from;
	struct place to;
	struct tally tallies[PL_RECORD_KINDS];
	size_t sent_max; /* records of the kind that is copied, to TO at once */
	int64_t left;    /* documents of FROM that no record can be read from */
};

static int
complain(int status, const char *what, const char *why)
{
	fprintf(stderr, "migrate: %s%s\n", what, why);
	return status;
}

/* ---- saying what happens ---- */

static const struct pl_oid *
id_of(const struct pl_record *r)
{
	switch (r->kind) {
	case PL_RECORD_USER:
		return &r->u.user.id;
	case PL_RECORD_MESSAGE:
		return &r->u.message.id;
	case PL_RECORD_IDEM:
		return &r->u.idem.message;
	case PL_RECORD_JOB:
		return &r->u.job.message;
	case PL_RECORD_SESSIONS:
		return &r->u.sessions->user;
	case PL_RECORD_MARKS:
		return &r->u.marks.user;
	case PL_RECORD_INVITE: /* the first bytes of its own, which tell nobody the code */
		return (const struct pl_oid *)(const void *)r->u.invite.code_id;
	case PL_RECORD_AVATAR:
		return &r->u.avatar.user;
	case PL_RECORD_BLOCK:
		return &r->u.block.user;
	case PL_RECORD_ERASURE:
		return &r->u.erasure.user;
	default:
		return &r->u.revocation.user;
	}
}

/* By id alone: names and texts are their users' own, and may hold anything. */
static void
name_one(const struct pl_record *r)
{
	static const struct {
		const char *what;
		const char *why;
	} texts[] = {
	    [PL_RECORD_USER] = {"user", "the id or the username is taken"},
	    [PL_RECORD_MESSAGE] = {"message",
		"the id is taken, or what it replies to has another reply"},
	    [PL_RECORD_IDEM] = {"idempotency key of message",
		"the key is taken, or the message is not there"},
	    [PL_RECORD_JOB] = {"reply owed to message",
		"it is owed otherwise, or the message is not there"},
	    [PL_RECORD_REVOCATION] = {"revoked token of user",
		"it is another user's there"},
	    [PL_RECORD_SESSIONS] = {"sessions of user", "others are listed there"},
	    [PL_RECORD_MARKS] = {"read marks of user",
		"they have others there, or the message is not there"},
	    [PL_RECORD_INVITE] = {"invite", "it was used otherwise there"},
	    [PL_RECORD_AVATAR] = {"avatar of user",
		"they have another one there, or are not there"},
	    [PL_RECORD_BLOCK] = {"block of user", "it is another there"},
	    [PL_RECORD_ERASURE] = {"erasure of user", "another is under way there"},
	};
	char id[PL_OID_HEX_LEN + 1];

	pl_oid_format(id_of(r), id);
	printf("differs: %s %s: %s; TO left as it was\n", texts[r->kind].what, id,
	    texts[r->kind].why);
}

static void
note(struct tally *t, const struct pl_record *r)
{
	t->read++;
	switch (r->outcome) {
	case PL_RECORD_ADDED:
		t->added++;
		break;
	case PL_RECORD_SAME:
		t->same++;
		break;
	case PL_RECORD_DIFFERS:
		if (t->differs++ < NAMED_MAX)
			name_one(r);
		break;
	}
	if (t->read % PROGRESS_RECORDS == 0)
		printf("%s: %" PRId64 " so far\n", pl_record_kind_name(r->kind), t->read);
}

static void
print_tallies(const struct migration *m)
{
	printf("%-18s %10s %10s %10s %10s %10s %10s\n", "", "read", "added", "was there",
	    "differs", "in FROM", "in TO");
	for (enum pl_record_kind kind = 0; kind < PL_RECORD_KINDS; kind++) {
		const struct tally *t = &m->tallies[kind];

		printf("%-18s %10" PRId64 " %10" PRId64 " %10" PRId64 " %10" PRId64
		       " %10" PRId64 " %10" PRId64 "\n",
		    pl_record_kind_name(kind), t->read, t->added, t->same, t->differs,
		    t->in_from, t->in_to);
	}
}

/* ---- pages ---- */

/* All records of a kind, a page at a time. */
struct walk {
	struct pl_store *store;
	enum pl_record_kind kind;
	size_t limit;
	struct pl_record_list page; /* the one before */
};

static size_t
page_of(enum pl_record_kind kind)
{
	return kind == PL_RECORD_AVATAR ? PAGE_AVATARS : PAGE_RECORDS;
}

static struct walk
walk_start(struct pl_store *store, enum pl_record_kind kind)
{
	return (struct walk){.store = store, .kind = kind, .limit = page_of(kind)};
}

/* How many records to ask of a database, or to send to it, next: half as many if it did
 * not answer, for they may be too many for the line in the time that an answer has; and
 * a few more after each time that it did. */
static size_t
next_count(size_t count, size_t most, bool has_answered)
{
	if (!has_answered)
		return (count + 1) / 2;
	count += most / 8 + 1;
	return count < most ? count : most;
}

/* *page, good until the next call, is empty at the end. */
static enum pl_err
walk_next(struct walk *w, struct pl_record_list *page)
{
	const struct pl_record *last =
	    w->page.count > 0 ? &w->page.items[w->page.count - 1] : NULL;
	int tries = 0;
	enum pl_err err;

	do {
		err = pl_store_export(w->store, w->kind, last, w->limit, page);
		w->limit = next_count(w->limit, page_of(w->kind), err == PL_OK);
	} while (pl_store_try_longer(err, &tries));
	if (err == PL_OK) {
		pl_record_list_fini(&w->page);
		w->page = *page;
	}
	return err;
}

static void
walk_end(struct walk *w)
{
	pl_record_list_fini(&w->page);
}

/* ---- the copy ---- */

/* The first *done of them. */
static enum pl_err
copy_some(struct migration *m, struct pl_record *records, size_t count, size_t *done)
{
	size_t most = page_of(records[0].kind);
	size_t sent;
	int tries = 0;
	enum pl_err err;

	do {
		sent = m->sent_max < count ? m->sent_max : count;
		err = pl_store_import(m->to.store, records, sent);
		m->sent_max =
		    next_count(err == PL_OK ? m->sent_max : sent, most, err == PL_OK);
	} while (pl_store_try_longer(err, &tries));
	for (size_t i = 0; err == PL_OK && i < sent; i++)
		note(&m->tallies[records[i].kind], &records[i]);
	*done = sent;
	return err;
}

static enum pl_err
copy_page(struct migration *m, struct pl_record_list *page)
{
	enum pl_err err = PL_OK;
	size_t done;

	for (size_t at = 0; err == PL_OK && at < page->count; at += done)
		err = copy_some(m, page->items + at, page->count - at, &done);
	return err;
}

static enum pl_err
copy_kind(struct migration *m, enum pl_record_kind kind)
{
	struct walk walk = walk_start(m->from.store, kind);
	struct pl_record_list page;
	enum pl_err err;

	m->sent_max = page_of(kind);
	while ((err = walk_next(&walk, &page)) == PL_OK && page.count > 0) {
		err = copy_page(m, &page);
		if (err != PL_OK)
			break;
	}
	walk_end(&walk);
	return err;
}

/* By reading it all. */
static enum pl_err
count_records(struct pl_store *s, enum pl_record_kind kind, int64_t *count)
{
	struct pl_record_list page;
	struct walk walk = walk_start(s, kind);
	enum pl_err err;

	while ((err = walk_next(&walk, &page)) == PL_OK && page.count > 0)
		*count += (int64_t)page.count;
	walk_end(&walk);
	return err;
}

/* What expires may do so meanwhile: TO is counted first. */
static enum pl_err
count_kind(struct migration *m, enum pl_record_kind kind)
{
	struct tally *t = &m->tallies[kind];
	enum pl_err err = count_records(m->to.store, kind, &t->in_to);

	return err != PL_OK ? err : count_records(m->from.store, kind, &t->in_from);
}

/* Is each record of FROM accounted for in TO? */
static bool
counts_agree(const struct migration *m)
{
	bool agree = true;

	for (enum pl_record_kind kind = 0; kind < PL_RECORD_KINDS; kind++) {
		const struct tally *t = &m->tallies[kind];

		agree =
		    agree && t->in_from <= t->read && t->in_from - t->differs <= t->in_to;
	}
	return agree;
}

static int64_t
differing(const struct migration *m)
{
	int64_t sum = 0;

	for (enum pl_record_kind kind = 0; kind < PL_RECORD_KINDS; kind++)
		sum += m->tallies[kind].differs;
	return sum;
}

/* ---- what cannot be copied ---- */

static void
on_left(void *arg, enum pl_adopt_of of, const char *id, const char *why)
{
	(void)arg;
	fprintf(stderr, "left: %s %s: %s\n", of == PL_ADOPT_USERS ? "user" : "message",
	    id, why);
}

static enum pl_err
name_left(struct migration *m)
{
	static const struct pl_adopt_calls calls = {.left = on_left};
	int tries = 0;
	enum pl_err err;

	do
		err = pl_store_name_unservable(&m->from.config, &calls, &m->left);
	while (pl_store_try_longer(err, &tries));
	return err;
}

/* The last line. */
static int
conclude(const struct migration *m)
{
	char left[64];

	if (!counts_agree(m))
		return complain(EXIT_FAILURE, "",
		    "the counts do not agree: somebody writes there; stop it, run this "
		    "again");
	if (m->left > 0) {
		snprintf(left, sizeof(left), "%" PRId64 " of FROM", m->left);
		return complain(EXIT_DIFFERS, left,
		    " cannot be copied as they are, and were left; make adopt "
		    "MONGO_DB_URI=FROM says which it can mend");
	}
	if (differing(m) > 0)
		return complain(EXIT_DIFFERS, "", "what differs was not copied");
	printf("all of FROM is in TO\n");
	return EXIT_SUCCESS;
}

static int
migrate(struct migration *m)
{
	enum pl_err err = PL_OK;

	for (enum pl_record_kind kind = 0; err == PL_OK && kind < PL_RECORD_KINDS; kind++)
		err = copy_kind(m, kind);
	for (enum pl_record_kind kind = 0; err == PL_OK && kind < PL_RECORD_KINDS; kind++)
		err = count_kind(m, kind);
	if (err == PL_OK)
		err = name_left(m);
	if (err != PL_OK)
		return complain(EXIT_FAILURE,
		    "broken off; run it again to finish: ", pl_err_name(err));
	print_tallies(m);
	return conclude(m);
}

/* Not longer: nothing is lost yet, and the name of the host may be wrong. */
static enum pl_err
open_patiently(struct place *p, struct pl_buf *why)
{
	int tries = 0;
	enum pl_err err;

	do {
		pl_buf_clear(why);
		err = place_open(p, why);
	} while (pl_store_try_again(err, &tries));
	return err;
}

static void
print_ends(const struct migration *m)
{
	printf("from %s to %s\n", m->from.shown, m->to.shown);
	if (m->from.config.mongo_uri != NULL || m->to.config.mongo_uri != NULL)
		printf("opening them: a MongoDB makes the indexes that it lacks first, "
		       "which can take minutes\n");
}

static enum pl_err
open_both(struct migration *m, const char **which, struct pl_buf *why)
{
	enum pl_err err;

	print_ends(m);
	*which = "FROM: ";
	err = open_patiently(&m->from, why);
	if (err != PL_OK)
		return err;
	*which = "TO: ";
	return open_patiently(&m->to, why);
}

static int
run(const struct ends *ends)
{
	struct migration m = {.from.lock_fd = -1, .to.lock_fd = -1};
	struct pl_buf why;
	int status = EXIT_FAILURE;
	const char *which;

	pl_buf_init(&why, 1024);
	if (place_find(&m.from, ends->from, false, &why) != PL_OK)
		complain(status, "FROM: ", why.data);
	else if (place_find(&m.to, ends->to, true, &why) != PL_OK)
		complain(status, "TO: ", why.data);
	else if (open_both(&m, &which, &why) != PL_OK)
		complain(status, which, why.data);
	else
		status = migrate(&m);
	place_close(&m.to);
	place_close(&m.from);
	pl_buf_fini(&why);
	return status;
}

int
main(void)
{
	struct ends ends = {0};
	struct pl_buf why;
	int status;

	setvbuf(stdout, NULL, _IOLBF, 0);
	pl_log_init("migrate", PL_LOG_WARN);
	pl_buf_init(&why, 1024);
	if (ends_load(&ends, &why) != PL_OK)
		status = complain(PL_EXIT_CONFIG, "", why.data);
	else if (ends.from == NULL || ends.to == NULL)
		status = complain(PL_EXIT_CONFIG, "",
		    "set FROM and TO: each a data folder or a mongodb:// URI");
	else if (strcmp(ends.from, ends.to) == 0)
		status = complain(PL_EXIT_CONFIG, "", "FROM and TO are the same");
	else
		status = run(&ends);
	pl_buf_fini(&why);
	ends_free(&ends);
	pl_end(status);
}
