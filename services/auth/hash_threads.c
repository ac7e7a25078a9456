#include "hash_threads.h"

#include <sched.h>
#include <unistd.h>

#include "ops/cgroup.h"
#include "password.h"

#define PROCESSORS_MAX 8192 /* more than any kernel is built for */

/* Those that it may run on; the kernel's mask may be longer than cpu_set_t. */
static int64_t
processors(void)
{
	size_t size = CPU_ALLOC_SIZE(PROCESSORS_MAX);
	cpu_set_t *set = CPU_ALLOC(PROCESSORS_MAX);
	int64_t count = 0;

	if (set != NULL && sched_getaffinity(0, size, set) == 0)
		count = CPU_COUNT_S(size, set);
	CPU_FREE(set);
	return count > 0 ? count : sysconf(_SC_NPROCESSORS_ONLN);
}

struct hash_room
hash_room_here(void)
{
	int64_t machine = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
	struct pl_cgroup_limits limits;

	pl_cgroup_limits_read("", &limits);
	return (struct hash_room){
	    .processors = processors(),
	    .cpu_milli = limits.cpu_milli,
	    .memory_bytes = machine > 0 && machine < limits.memory_bytes
				? machine
				: limits.memory_bytes,
	};
}

static int64_t
least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

unsigned
hash_threads(const struct hash_room *room)
{
	int64_t by_time = room->cpu_milli / 1000 + (room->cpu_milli % 1000 > 0);
	int64_t by_memory = room->memory_bytes / 2 / (PASSWORD_MEMORY_KIB * 1024);
	int64_t count =
	    least(least(room->processors - 1, PROCESSORS_MAX), least(by_time, by_memory));

	return count > 1 ? (unsigned)count : 1;
}
