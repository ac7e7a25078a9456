#include <stdatomic.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/thread.h"
#include "store/sqlite/fill.h"
#include "store/sqlite/recent.h"

/* Between two chunks, so that sends come in between while an old database is noted. */
#define PAUSE_MS 10

static void
look_and_say(struct pl_store *store)
{
	size_t added = 0;

	if (pl_sqlite_fill(pl_sqlite_of(store), &added) != PL_OK)
		pl_log_warn_sampled("messages were not looked through for conversations, "
				    "will try again");
	if (added > 0)
		pl_log_info("conversations that an older process began were listed",
		    PL_L_INT("messages", (int64_t)added));
}

static void
pause_ms(int64_t ms)
{
	struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&pause, NULL);
}

static void
note_recent(struct pl_store *store)
{
	bool is_behind = true;

	while (is_behind) {
		if (pl_sqlite_recent_fill(pl_sqlite_of(store), &is_behind) != PL_OK)
			pl_log_warn_sampled("recent messages were not noted, lists of "
					    "conversations cost more; will try again");
		if (is_behind)
			pause_ms(PAUSE_MS);
	}
}

/* What it writes is found again by what is there: so its commits need no sync, for which
 * sends would wait; the next send's syncs them, too. */
static bool
open_unsynced(const struct pl_store_config *config, struct pl_store **store)
{
	if (pl_store_sqlite_open(config, store) != PL_OK)
		return false;
	if (pl_sqlite_exec(pl_sqlite_of(*store), "PRAGMA synchronous = NORMAL") == PL_OK)
		return true;
	pl_store_close(*store);
	*store = NULL;
	return false;
}

static void *
fill_main(void *arg)
{
	struct pl_store_config config = {.data_dir = arg};
	struct pl_store *store = NULL;
	int64_t due_mono_ms = 0;

	for (;;) {
		bool is_open = store != NULL || open_unsynced(&config, &store);

		if (is_open && pl_clock_mono_ms() >= due_mono_ms) {
			look_and_say(store);
			due_mono_ms = pl_clock_mono_ms() + PL_SQLITE_FILL_INTERVAL_MS;
		}
		if (is_open)
			note_recent(store);
		pause_ms(PL_SQLITE_RECENT_INTERVAL_MS);
	}
	return NULL;
}

void
pl_sqlite_fill_start(const char *data_dir)
{
	static atomic_flag is_begun = ATOMIC_FLAG_INIT;
	char *copy;

	if (atomic_flag_test_and_set(&is_begun))
		return;
	copy = pl_mem_strdup(data_dir);
	if (!pl_thread_start_detached("store-fill", fill_main, copy))
		pl_mem_free(copy);
}
