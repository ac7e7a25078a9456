#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "process.h"

#include "base/clock.h"

#define START_MS 10000
#define STOP_MS  10000
#define LOOK_US  2000 /* between two looks at what another process does */
#define NAME_LEN 48
#define PATH_LEN 96
#define LINE_LEN 256
#define KILOBYTE 1024
#define MS_A_S   1e3
#define NS_A_MS  1e6

void
bench_die(const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fputs("sockets_bench: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(2);
}

void
process_start_kore(struct process *p, const char *dir, char **env)
{
	pid_t self = getpid();

	p->pid = p->worker = fork();
	if (p->pid == -1)
		bench_die("no fork");
	if (p->pid > 0)
		return;
	/* It ends with us, however we end. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != self || chdir(dir) != 0)
		_exit(126);
	int log = open("log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	if (log == -1 || dup2(log, 1) == -1 || dup2(log, 2) == -1)
		_exit(126);
	environ = env;
	execlp("kore", "kore", "-f", "-n", "-r", "-q", "-c", "kore.conf", NULL);
	_exit(127);
}

static FILE *
open_proc(pid_t pid, const char *name)
{
	char path[PATH_LEN];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return fopen(path, "re");
}

static pid_t
first_child(pid_t pid)
{
	char name[NAME_LEN];
	int child = 0;
	FILE *f;

	snprintf(name, sizeof(name), "task/%d/children", (int)pid);
	f = open_proc(pid, name);
	if (f != NULL && fscanf(f, "%d", &child) != 1)
		child = 0;
	if (f != NULL)
		fclose(f);
	return child;
}

void
process_find_worker(struct process *p)
{
	int64_t deadline = pl_clock_mono_ms() + START_MS;

	for (p->worker = 0; p->worker == 0; usleep(LOOK_US)) {
		p->worker = first_child(p->pid);
		if (waitpid(p->pid, NULL, WNOHANG) != 0)
			bench_die("kore ended at its start");
		if (pl_clock_mono_ms() > deadline)
			bench_die("kore starts no worker");
	}
}

void
process_stop(struct process *p)
{
	int64_t deadline = pl_clock_mono_ms() + STOP_MS;

	if (p->pid == 0)
		return;
	kill(p->pid, SIGTERM);
	while (waitpid(p->pid, NULL, WNOHANG) == 0) {
		if (pl_clock_mono_ms() > deadline) {
			kill(p->worker, SIGKILL);
			kill(p->pid, SIGKILL);
		}
		usleep(LOOK_US);
	}
	*p = (struct process){0};
}

void
process_kill(struct process *p)
{
	/* kore first: it would start another child. */
	kill(p->pid, SIGKILL);
	kill(p->worker, SIGKILL);
	waitpid(p->pid, NULL, 0);
	*p = (struct process){0};
}

/* The sum of a field of /proc/<pid>/name over its lines, which are "Field:   12 kB". */
static uint64_t
read_field(pid_t pid, const char *name, const char *field)
{
	FILE *f = open_proc(pid, name);
	uint64_t bytes = 0;
	char line[LINE_LEN];

	if (f == NULL)
		bench_die("memory of process %d cannot be read: only root may", (int)pid);
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, field, strlen(field)) == 0)
			bytes += strtoul(line + strlen(field), NULL, 10) * KILOBYTE;
	fclose(f);
	return bytes;
}

struct process_memory
process_memory(const struct process *p)
{
	return (struct process_memory){
	    .private_bytes = read_field(p->worker, "smaps_rollup", "Private_Clean:") +
			     read_field(p->worker, "smaps_rollup", "Private_Dirty:"),
	    .rss_bytes = read_field(p->worker, "status", "VmRSS:"),
	    .peak_rss_bytes = read_field(p->worker, "status", "VmHWM:"),
	};
}

double
process_cpu_ms(const struct process *p)
{
	struct timespec t;
	clockid_t clock;

	if (clock_getcpuclockid(p->worker, &clock) != 0 || clock_gettime(clock, &t) != 0)
		bench_die("process %d is gone", (int)p->worker);
	return (double)t.tv_sec * MS_A_S + (double)t.tv_nsec / NS_A_MS;
}

unsigned
process_open_files(const struct process *p)
{
	char path[PATH_LEN];
	unsigned count = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)p->worker);
	dir = opendir(path);
	if (dir == NULL)
		bench_die("files of process %d cannot be counted: only root may",
		    (int)p->worker);
	for (struct dirent *e; (e = readdir(dir)) != NULL;)
		count += e->d_name[0] != '.';
	closedir(dir);
	return count;
}
