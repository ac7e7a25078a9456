#include <assert.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/log.h"
#include "base/random.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
start_sodium(void)
{
	if (sodium_init() >= 0)
		return;
	pl_log_error("random generator did not start, stopping");
	abort();
}

void
pl_random_bytes(void *out, size_t len)
{
	pthread_once(&once, start_sodium);
	randombytes_buf(out, len);
}

uint32_t
pl_random_below(uint32_t bound)
{
	assert(bound > 0);
	pthread_once(&once, start_sodium);
	return randombytes_uniform(bound);
}
