#include <stdatomic.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "loop/thread.h"
#include "store/mongo/fill.h"

static void
pause_ms(long ms)
{
	struct timespec wait = {ms / 1000, ms % 1000 * 1000000};

	nanosleep(&wait, NULL);
}

static void *
fill_main(void *arg)
{
	char *uri = arg;
	struct pl_mongo *s = NULL;
	enum pl_err err = pl_mongo_connect(uri, PL_MONGO_PATIENT_MS, &s);

	pl_mem_wipe_free(uri, strlen(uri));
	if (err != PL_OK)
		return NULL;
	for (;;) {
		if (pl_mongo_fill(s) != PL_OK)
			pl_log_warn_sampled("messages were not looked through for "
					    "conversations, will try again");
		pause_ms(PL_FILL_INTERVAL_MS);
	}
}

void
pl_mongo_fill_start(const char *uri)
{
	static atomic_flag is_begun = ATOMIC_FLAG_INIT;
	char *copy;

	if (atomic_flag_test_and_set(&is_begun))
		return;
	copy = pl_mem_strdup(uri);
	if (!pl_thread_start_detached("store-fill", fill_main, copy))
		pl_mem_wipe_free(copy, strlen(copy));
}
