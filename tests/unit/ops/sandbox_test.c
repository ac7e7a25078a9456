#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ops/sandbox.h"

#if defined(__SANITIZE_ADDRESS__)
#define IS_SANITIZED 1
#else
#define IS_SANITIZED 0
#endif

/* How a child ends that enters the sandbox and does this: its status, as waitpid() gives
 * it. */
static int
status_of(int (*does)(const long *args), const long *args)
{
	int status;
	pid_t child = fork();

	assert_int_not_equal(child, -1);
	if (child == 0) {
		pl_sandbox_enter(false);
		_exit(does(args));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static int
call(const long *args)
{
	(void)syscall(args[0], args[1], args[2], args[3], args[4], args[5]);
	return 0;
}

/* ---- what is forbidden ---- */

struct forbidden {
	const char *what;
	long args[6];
};

#define TO(name, ...)                                                                    \
	{                                                                                \
#name " " #__VA_ARGS__,                                                  \
		{                                                                        \
			SYS_##name, __VA_ARGS__                                          \
		}                                                                        \
	}

static const struct forbidden forbidden[] = {
    TO(execve),
    TO(execveat),
    TO(fork),
    TO(vfork),
    TO(clone, SIGCHLD),
    TO(clone, CLONE_VM | CLONE_VFORK | SIGCHLD),
    TO(clone, CLONE_NEWUSER | SIGCHLD),
    TO(clone, CLONE_THREAD | CLONE_SIGHAND | CLONE_VM | CLONE_NEWNS),
    TO(unshare, CLONE_NEWUSER),
    TO(setns, -1),
    TO(ptrace, 0),
    TO(process_vm_readv, 1),
    TO(process_vm_writev, 1),
    TO(pidfd_open, 1),
    TO(pidfd_getfd, -1),
    TO(pidfd_send_signal, -1),
    TO(kcmp, 1, 1),
    TO(kill, 1, SIGTERM),
    TO(kill, -1, 0),
    TO(tkill, 1, 0),
    TO(tgkill, 1, 1, 0),
    TO(rt_sigqueueinfo, 1, 0),
    TO(prlimit64, 1, 0),
    TO(sched_setattr, 1, 0, 0),
    TO(setpriority, PRIO_PROCESS, 0, 10),
    TO(mount),
    TO(umount2),
    TO(pivot_root),
    TO(chroot),
    TO(open_tree, -1),
    TO(move_mount, -1),
    TO(fsopen),
    TO(fsmount, -1),
    TO(open_by_handle_at, -1),
    TO(name_to_handle_at, -1),
    TO(memfd_create),
    TO(memfd_secret),
    TO(bpf),
    TO(perf_event_open),
    TO(userfaultfd),
    TO(io_uring_setup),
    TO(io_setup),
    TO(init_module),
    TO(finit_module, -1),
    TO(delete_module),
    TO(kexec_load),
    TO(reboot),
    TO(swapon),
    TO(swapoff),
    TO(syslog),
    TO(add_key),
    TO(request_key),
    TO(keyctl),
    TO(setuid, 0),
    TO(setgid, 0),
    TO(setgroups),
    TO(capset),
    TO(personality, 0xffffffff),
    TO(settimeofday),
    TO(clock_settime),
    TO(adjtimex),
    TO(sethostname),
    TO(mknod),
    TO(mknodat, -1),
    TO(symlink),
    TO(symlinkat),
    TO(link),
    TO(linkat, -1),
    TO(vmsplice, -1),
    TO(modify_ldt),
    TO(remap_file_pages),
    TO(landlock_create_ruleset),
    TO(seccomp),
    TO(prctl, PR_SET_SECCOMP),
    TO(prctl, PR_SET_MM),
    TO(prctl, PR_SET_PTRACER, -1),
    TO(ioctl, 0, TIOCSTI),
    TO(ioctl, 0, TIOCLINUX),
    TO(mmap, 0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
	-1),
    TO(mprotect, 0, 4096, PROT_WRITE | PROT_EXEC),
    TO(pkey_mprotect, 0, 4096, PROT_EXEC, 0),
    TO(socket, AF_PACKET, SOCK_RAW),
    TO(socket, AF_PACKET, SOCK_DGRAM),
    TO(socket, AF_INET, SOCK_RAW, 1),
    TO(socket, AF_INET6, SOCK_RAW | SOCK_CLOEXEC, 58),
    TO(socket, AF_ALG, SOCK_SEQPACKET),
    TO(socket, AF_UNIX, SOCK_SEQPACKET), /* but for presence */
    TO(socket, AF_VSOCK, SOCK_STREAM),
    TO(socket, AF_NETLINK, SOCK_RAW, 12), /* netfilter */
    TO(socket, AF_NETLINK, SOCK_RAW, 15), /* the kernel's events */
    TO(socket, AF_BLUETOOTH, SOCK_RAW),
    TO(socket, AF_CAN, SOCK_RAW),
    TO(socketpair, AF_TIPC, SOCK_STREAM),
};

static void
what_is_not_needed_ends_the_process(void **state)
{
	(void)state;
	if (IS_SANITIZED)
		skip();
	for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++) {
		int status = status_of(call, forbidden[i].args);

		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
			fail_msg("%s: ended with status %#x, not by SIGSYS",
			    forbidden[i].what, (unsigned)status);
	}
}

static int
asks_by_the_32_bit_door(const long *args)
{
	long nr = 20; /* getpid there */

	(void)args;
#ifdef __x86_64__
	__asm__ volatile("int $0x80" : "+a"(nr) : : "memory");
#endif
	return nr > 0 ? 0 : 1;
}

static void
the_32_bit_door_is_shut(void **state)
{
	int status;

	(void)state;
#ifndef __x86_64__
	skip();
#endif
	if (IS_SANITIZED)
		skip();
	status = status_of(asks_by_the_32_bit_door, NULL);
	/* A kernel without that door kills by SIGSEGV. */
	assert_true(WIFSIGNALED(status));
}

/* ---- what is allowed ---- */

static void *
answer(void *arg)
{
	return arg;
}

static int
works(const long *args)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	pthread_t thread;
	void *said = NULL;
	int pair[2], fd;

	(void)args;
	if (pthread_create(&thread, NULL, answer, pair) != 0 ||
	    pthread_join(thread, &said) != 0 || said != pair)
		return 1;
	if (getaddrinfo("localhost", "80", &hints, &found) != 0)
		return 2;
	freeaddrinfo(found);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return 3;
	fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
	if (fd == -1 && errno != EAFNOSUPPORT)
		return 4;
	fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	if (fd == -1 || isatty(fd) || errno != ENOTTY)
		return 5;
	/* The filter lets it pass, and the kernel wants attributes. */
	if (syscall(SYS_sched_setattr, 0, NULL, 0) != -1 || errno != EINVAL)
		return 6;
	if (syscall(SYS_clone3, NULL, 0) != -1 || errno != ENOSYS)
		return 7;
	return mincore(NULL, 0, NULL) == 0 ? 0 : 8;
}

static void
what_is_needed_works(void **state)
{
	(void)state;
	if (IS_SANITIZED)
		skip();
	assert_int_equal(status_of(works, NULL), 0);
}

/* 480 is a number that Linux has not given away yet; a C library that knows it must get
 * by. */
static int
asks_for_a_newer_call(const long *args)
{
	(void)args;
	return syscall(480) == -1 && errno == ENOSYS ? 0 : 1;
}

static void
a_newer_call_is_not_there(void **state)
{
	(void)state;
	assert_int_equal(status_of(asks_for_a_newer_call, NULL), 0);
}

static int
aborts(const long *args)
{
	(void)args;
	abort();
}

static void
a_signal_to_itself_is_its_own(void **state)
{
	int status;

	(void)state;
	if (IS_SANITIZED)
		skip();
	status = status_of(aborts, NULL);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	status = status_of(call, (long[6]){SYS_kill, 0, 0});
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_not_needed_ends_the_process),
	    cmocka_unit_test(the_32_bit_door_is_shut),
	    cmocka_unit_test(what_is_needed_works),
	    cmocka_unit_test(a_newer_call_is_not_there),
	    cmocka_unit_test(a_signal_to_itself_is_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
