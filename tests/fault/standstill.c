/*
 * standstill: put under the services (SERVICE_PRELOAD) on a machine that stands still for
 * seconds now and then, as those of continuous integration do. Who waits for MongoDB with
 * poll() would otherwise find its time over when the machine goes on, before the server,
 * which stood still as well, could answer. Here time counts in steps, and a step that
 * took much longer counts as one; so a server that is away is found out as soon as ever.
 */
#include <dlfcn.h>
#include <poll.h>
#include <stdint.h>
#include <time.h>

#define STEP_MS 100
#define MOST_MS (3 * STEP_MS) /* that one step counts for */

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int
/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): glibc has __fds */
poll(struct pollfd *fds, nfds_t count, int timeout)
{
	int (*next)(struct pollfd *, nfds_t, int) =
	    (int (*)(struct pollfd *, nfds_t, int))dlsym(RTLD_NEXT, "poll");
	int64_t left = timeout;
	int ready;

	if (timeout <= STEP_MS)
		return next(fds, count, timeout);
	do {
		int64_t begin = now_ms(), took;

		ready = next(fds, count, (int)(left < STEP_MS ? left : STEP_MS));
		took = now_ms() - begin;
		left -= took < MOST_MS ? took : MOST_MS;
	} while (ready == 0 && left > 0);
	return ready;
}
