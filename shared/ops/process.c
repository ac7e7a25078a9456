#include "ops/process.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

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

static void
print_memory(struct pl_buf *out)
{
	FILE *file = fopen("/proc/self/statm", "re");
	int64_t pages;
	char value[24];

	if (file == NULL)
		return;
	if (fscanf(file, "%*d %" SCNd64, &pages) == 1) {
		snprintf(value, sizeof(value), "%" PRId64, pages * sysconf(_SC_PAGESIZE));
		print(out, "process_resident_memory_bytes", "gauge", "Memory in use.",
		    value);
	}
	fclose(file);
}

static void
print_descriptors(struct pl_buf *out)
{
	DIR *dir = opendir("/proc/self/fd");
	int64_t count = -3; /* ".", ".." and the one of this look */
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

/* The 22nd word of stat: ticks from the boot; the 2nd may hold anything, in brackets. */
static bool
read_start_ticks(int64_t *ticks)
{
	FILE *file = fopen("/proc/self/stat", "re");
	char line[1024];
	const char *p = NULL;

	if (file == NULL)
		return false;
	if (fgets(line, sizeof(line), file) != NULL)
		p = strrchr(line, ')');
	fclose(file);
	return p != NULL &&
	       sscanf(p + 1,
		   " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d"
		   " %*d %*d %" SCNd64,
		   ticks) == 1;
}

static void
print_start(struct pl_buf *out)
{
	struct timespec now, up;
	int64_t ticks;
	char value[24];

	if (!read_start_ticks(&ticks) || clock_gettime(CLOCK_REALTIME, &now) == -1 ||
	    clock_gettime(CLOCK_BOOTTIME, &up) == -1)
		return;
	snprintf(value, sizeof(value), "%" PRId64,
	    (int64_t)now.tv_sec - up.tv_sec + ticks / sysconf(_SC_CLK_TCK));
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
