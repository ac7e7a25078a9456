#include <stdatomic.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "loop/thread.h"
#include "store/sqlite/fill.h"

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

static void *
fill_main(void *arg)
{
	struct timespec pause = {.tv_sec = PL_SQLITE_FILL_INTERVAL_MS / 1000};
	struct pl_store_config config = {.data_dir = arg};
	struct pl_store *store = NULL;

	for (;;) {
		if (store != NULL || pl_store_sqlite_open(&config, &store) == PL_OK)
			look_and_say(store);
		nanosleep(&pause, NULL);
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
