#include "store/sqlite/checkpoint.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "loop/thread.h"
#include "store/sqlite/joined_log.h"

#define AGAIN_PAGES (PL_SQLITE_LOG_DUE / 4) /* more, and it is tried again */
#define ROUNDS      3                       /* each leaves less than the one before */
#define TURN_WAIT_S 1   /* callers of this batch and of the next wait for 5 at most */
#define REST_PAGES  256 /* a commit copies no more than that for the thread */

struct pl_sqlite_checkpoint {
	char *path;
	sqlite3 *db;       /* the thread's; NULL: not open */
	atomic_int copied; /* all but the pages after these; 0: nothing to say */
	pthread_t thread;
	pthread_mutex_t copying; /* held by who copies: SQLite would refuse the other */
	pthread_mutex_t lock;    /* guards what follows */
	pthread_cond_t wake;
	bool is_due, is_stopping;
};

/* ---- the thread ---- */

static bool
open_own(struct pl_sqlite_checkpoint *c)
{
	int rc;

	if (c->db != NULL)
		return true;
	rc = sqlite3_open_v2(c->path, &c->db,
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
	    pl_sqlite_joined_log());
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(c->db, "PRAGMA synchronous = FULL", NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		return true;
	pl_log_warn_sampled(
	    "database could not be opened to empty its log, will try again",
	    PL_L_INT("sqlite", rc));
	sqlite3_close(c->db);
	c->db = NULL;
	return false;
}

/* *pages: in the log when it began. */
static bool
copy(struct pl_sqlite_checkpoint *c, int *pages)
{
	int rc;

	pthread_mutex_lock(&c->copying);
	rc = sqlite3_wal_checkpoint_v2(
	    c->db, NULL, SQLITE_CHECKPOINT_PASSIVE, pages, NULL);
	pthread_mutex_unlock(&c->copying);
	if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY)
		pl_log_warn_sampled("database's log could not be emptied, will try again",
		    PL_L_INT("sqlite", rc), PL_L_CSTR("meaning", sqlite3_errstr(rc)));
	return rc == SQLITE_OK;
}

/* If nobody wrote since the round before, the log is begun anew without us. */
static void
empty_log(struct pl_sqlite_checkpoint *c)
{
	int before = -1, pages = 0;

	if (!open_own(c))
		return;
	for (int i = 0; i < ROUNDS && before != pages; i++) {
		before = pages;
		if (!copy(c, &pages))
			return;
	}
	if (before != pages)
		atomic_store(&c->copied, pages);
}

/* False once it shall stop. */
static bool
wait_until_due(struct pl_sqlite_checkpoint *c)
{
	bool is_stopping;

	pthread_mutex_lock(&c->lock);
	while (!c->is_due && !c->is_stopping)
		pthread_cond_wait(&c->wake, &c->lock);
	c->is_due = false;
	is_stopping = c->is_stopping;
	pthread_mutex_unlock(&c->lock);
	return !is_stopping;
}

static void *
checkpoint_main(void *arg)
{
	struct pl_sqlite_checkpoint *c = arg;

	while (wait_until_due(c))
		empty_log(c);
	sqlite3_close(c->db);
	return NULL;
}

/* ---- the session ---- */

static void
checkpoint_free(struct pl_sqlite_checkpoint *c)
{
	pthread_cond_destroy(&c->wake);
	pthread_mutex_destroy(&c->lock);
	pthread_mutex_destroy(&c->copying);
	pl_mem_free(c->path);
	pl_mem_free(c);
}

/* NULL: there is no thread to be had. */
static struct pl_sqlite_checkpoint *
start(struct pl_sqlite *s)
{
	struct pl_sqlite_checkpoint *c = pl_mem_zalloc(sizeof(*c));

	c->path = pl_mem_strdup(sqlite3_db_filename(s->db, "main"));
	pthread_mutex_init(&c->copying, NULL);
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->wake, NULL);
	if (pl_thread_try(&c->thread, "store-log", checkpoint_main, c))
		return c;
	checkpoint_free(c);
	return NULL;
}

static void
wake(struct pl_sqlite *s)
{
	if (s->checkpoint == NULL)
		s->checkpoint = start(s);
	if (s->checkpoint == NULL)
		return;
	pthread_mutex_lock(&s->checkpoint->lock);
	s->checkpoint->is_due = true;
	pthread_cond_signal(&s->checkpoint->wake);
	pthread_mutex_unlock(&s->checkpoint->lock);
}

/* Has the thread left a few pages of the log that is there? */
static bool
takes_the_rest(struct pl_sqlite *s, int pages)
{
	int copied =
	    s->checkpoint != NULL ? atomic_exchange(&s->checkpoint->copied, 0) : 0;

	return copied > 0 && copied <= pages && pages - copied <= REST_PAGES;
}

static void
copy_here(sqlite3 *db, const char *schema)
{
	(void)sqlite3_wal_checkpoint_v2(
	    db, schema, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

static bool
wait_for_turn(struct pl_sqlite_checkpoint *c)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += TURN_WAIT_S;
	return pthread_mutex_clocklock(&c->copying, CLOCK_MONOTONIC, &until) == 0;
}

/* Once the thread is not at it: else one that gets no time would let the log grow as fast
 * as others write. */
static void
copy_in_turn(struct pl_sqlite *s, sqlite3 *db, const char *schema)
{
	struct pl_sqlite_checkpoint *c = s->checkpoint;

	if (c != NULL && !wait_for_turn(c))
		return;
	copy_here(db, schema);
	if (c != NULL)
		pthread_mutex_unlock(&c->copying);
}

/* After a commit, which stands whatever comes of this. pages: in the log. */
static int
on_commit(void *arg, sqlite3 *db, const char *schema, int pages)
{
	struct pl_sqlite *s = arg;

	if (pages < s->log_pages) /* it was begun anew */
		s->log_due_pages = PL_SQLITE_LOG_DUE;
	s->log_pages = pages;
	if (pages >= PL_SQLITE_LOG_MOST)
		copy_in_turn(s, db, schema);
	else if (takes_the_rest(s, pages))
		copy_here(db, schema);
	if (pages >= s->log_due_pages) {
		s->log_due_pages = pages + AGAIN_PAGES;
		wake(s);
	}
	return SQLITE_OK;
}

void
pl_sqlite_checkpoint_watch(struct pl_sqlite *s)
{
	s->log_due_pages = PL_SQLITE_LOG_DUE;
	sqlite3_wal_hook(s->db, on_commit, s);
}

void
pl_sqlite_checkpoint_stop(struct pl_sqlite *s)
{
	struct pl_sqlite_checkpoint *c = s->checkpoint;

	if (c == NULL)
		return;
	pthread_mutex_lock(&c->lock);
	c->is_stopping = true;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
	checkpoint_free(c);
	s->checkpoint = NULL;
}
