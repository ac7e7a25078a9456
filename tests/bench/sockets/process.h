/*
 * process: a program under measure: started in a folder of its own, with an environment
 * of its own, and read by what the kernel knows of it.
 *
 * What is wrong ends the bench with one line (bench_die); each program then ends with it.
 */
#ifndef BENCH_PROCESS_H
#define BENCH_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

struct process {
	pid_t pid;    /* of what was started; 0: none */
	pid_t worker; /* its one child, where kore runs the module; else pid */
};

struct process_memory {
	uint64_t private_bytes; /* Private_Clean and Private_Dirty */
	uint64_t rss_bytes;
	uint64_t peak_rss_bytes; /* since its start */
};

void bench_die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* Run kore in dir, by the kore.conf there and with exactly env; what it prints goes to
 * dir/log. */
void process_start_kore(struct process *p, const char *dir, char **env);
/* kore runs a module in one child: measure that. Waits until it is there. */
void process_find_worker(struct process *p);
void process_stop(struct process *p); /* SIGTERM, then SIGKILL; waits; twice is fine */
/* SIGKILL, to kore and its child, neither of which can do anything about it. */
void process_kill(struct process *p);

struct process_memory process_memory(const struct process *p);
double process_cpu_ms(const struct process *p); /* all its threads, since its start */
unsigned process_open_files(const struct process *p);

#endif
