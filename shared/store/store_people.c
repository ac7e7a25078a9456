#include "store/store_people.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "loop/thread.h"

/* So few at once that a send which comes meanwhile hardly waits; 100,000 take a minute or
 * less. */
#define BATCH    64
#define PAUSE_MS 20

/* ---- words --------------------------------------------------------------------------- */

static int
longest_first(const void *a, const void *b)
{
	size_t one = strlen(*(char *const *)a), other = strlen(*(char *const *)b);

	return one == other ? 0 : one > other ? -1 : 1;
}

/* Whoever has the longer word has this one, too. */
static bool
begins_one(const struct pl_fold_words *w, size_t count, const char *word)
{
	for (size_t i = 0; i < count; i++)
		if (strncmp(w->items[i], word, strlen(word)) == 0)
			return true;
	return false;
}

void
pl_store_query_words(struct pl_str query, struct pl_fold_words *out)
{
	size_t kept = 0;

	pl_fold_query(query, out);
	qsort(out->items, out->count, sizeof(out->items[0]), longest_first);
	for (size_t i = 0; i < out->count; i++) {
		if (kept == PL_STORE_QUERY_WORDS_MAX ||
		    begins_one(out, kept, out->items[i]))
			pl_mem_free(out->items[i]);
		else
			out->items[kept++] = out->items[i];
	}
	out->count = kept;
}

/* ---- the thread ---------------------------------------------------------------------- */

struct filler {
	char *data_dir;
	char *mongo_uri; /* NULL: SQLite */
};

static void
filler_free(struct filler *f)
{
	if (f->mongo_uri != NULL)
		pl_mem_wipe_free(f->mongo_uri, strlen(f->mongo_uri));
	pl_mem_free(f->data_dir);
	pl_mem_free(f);
}

/* A failure is tried again, each time after a longer wait. */
static enum pl_err
fill_batch(struct pl_store *s, size_t *filled)
{
	int tries = 0;
	enum pl_err err;

	do
		err = pl_store_people_fill(s, BATCH, filled);
	while (pl_store_try_again(err, &tries));
	return err;
}

static void
fill_all(struct pl_store *s)
{
	const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};
	size_t filled = BATCH, total = 0;
	enum pl_err err = PL_OK;

	while (err == PL_OK && filled == BATCH) {
		err = fill_batch(s, &filled);
		if (err == PL_OK && total == 0 && filled == BATCH)
			pl_log_info("users are being made findable by name, those that "
				    "are not yet are missing in pages");
		total += err == PL_OK ? filled : 0;
		nanosleep(&pause, NULL);
	}
	if (err != PL_OK)
		pl_log_error("users could not be made findable by name, each page does "
			     "some, and the next start all",
		    PL_L_ERR(err), PL_L_INT("users", (int64_t)total));
	else if (total > 0)
		pl_log_info("users were made findable by name",
		    PL_L_INT("users", (int64_t)total));
}

static void *
filler_main(void *arg)
{
	struct filler *f = arg;
	struct pl_store_config config = {
	    .data_dir = f->data_dir, .mongo_uri = f->mongo_uri};
	struct pl_store *s;
	int tries = 0;
	enum pl_err err;

	do
		err = pl_store_open(&config, &s);
	while (pl_store_try_again(err, &tries));
	if (err == PL_OK) {
		fill_all(s);
		pl_store_close(s);
	}
	filler_free(f);
	return NULL;
}

void
pl_store_people_start(const struct pl_store_config *config)
{
	static atomic_flag is_begun = ATOMIC_FLAG_INIT;
	struct filler *f;

	if (atomic_flag_test_and_set(&is_begun))
		return;
	f = pl_mem_zalloc(sizeof(*f));
	f->data_dir = pl_mem_strdup(config->data_dir);
	f->mongo_uri = pl_mem_strdup(config->mongo_uri);
	if (!pl_thread_start_detached("store-people", filler_main, f))
		filler_free(f);
}
