#include "ops/process.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

static void
print(struct pl_buf *out, const char *name, const char *kind, const char *help,
    const char *value)
{
	pl_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %s\n", name, help, name, kind,
	    name, value);
}

static void
print_cpu(struct pl_buf *out)
{
	struct rusage used;
	char value[48];

	if (getrusage(RUSAGE_SELF, &used) == -1)
		return;
	snprintf(value, sizeof(value), "%" PRId64 ".%06" PRId64,
	    (int64_t)used.ru_utime.tv_sec + used.ru_stime.tv_sec +
		(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1000000,
	    (int64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) % 1000000);
	print(out, "process_cpu_seconds_total", "counter",
	    "Processor time used, in user and system mode.", value);
}

/* The index-th word (from 0) of one of the kernel's lines. If a line begins with a name
 * in brackets, which may hold anything, words are counted after the name. */
static bool
read_word(const char *path, size_t index, uint64_t *out)
{
	FILE *file = fopen(path, "re");
	char line[1024];
	const char *end_of_name;
	struct pl_str rest = PL_STR_NONE, word;

	if (file == NULL)
		return false;
	if (fgets(line, sizeof(line), file) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		end_of_name = strrchr(line, ')');
		rest = pl_str(end_of_name != NULL ? end_of_name + 2 : line);
	}
	fclose(file);
	for (size_t i = 0; pl_str_split(&rest, ' ', &word); i++)
		if (i == index)
			return pl_str_to_u64(word, UINT64_MAX, out);
	return false;
}

static void
print_memory(struct pl_buf *out)
{
	size_t bytes = pl_mem_resident_bytes();
	char value[24];

	if (bytes == 0)
		return;
	snprintf(value, sizeof(value), "%zu", bytes);
	print(out, "process_resident_memory_bytes", "gauge", "Memory in use.", value);
}

static void
print_descriptors(struct pl_buf *out)
{
	DIR *dir = opendir("/proc/self/fd");
	int64_t count = -3; /* ".", ".." and the descriptor of this call */
	struct rlimit most;
	char value[24];

	if (dir == NULL)
		return;
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	snprintf(value, sizeof(value), "%" PRId64, count);
	print(out, "process_open_fds", "gauge", "Descriptors in use.", value);
	if (getrlimit(RLIMIT_NOFILE, &most) == -1 || most.rlim_cur == RLIM_INFINITY)
		return;
	snprintf(value, sizeof(value), "%" PRIu64, (uint64_t)most.rlim_cur);
	print(out, "process_max_fds", "gauge", "Descriptors that may be in use.", value);
}

static void
print_start(struct pl_buf *out)
{
	struct timespec now, up;
	uint64_t ticks; /* since the boot */
	char value[24];

	if (!read_word("/proc/self/stat", 19, &ticks) ||
	    clock_gettime(CLOCK_REALTIME, &now) == -1 ||
	    clock_gettime(CLOCK_BOOTTIME, &up) == -1)
		return;
	snprintf(value, sizeof(value), "%" PRId64,
	    (int64_t)now.tv_sec - up.tv_sec + (int64_t)ticks / sysconf(_SC_CLK_TCK));
	print(out, "process_start_time_seconds", "gauge",
	    "When the process began, in seconds since 1970.", value);
}

void
pl_process_print(struct pl_buf *out)
{
	print_cpu(out);
	print_memory(out);
	print_descriptors(out);
	print_start(out);
}
