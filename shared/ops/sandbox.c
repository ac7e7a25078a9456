#include "ops/sandbox.h"

#include <errno.h>
#include <linux/netlink.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1
#else
#define IS_SANITIZED 0
#endif

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- the list ------------------------------------------------------------------------ */

/* By kind. What a machine does not have (arm64 has no open, only openat) is passed over. */
static const int allowed[] = {
    /* files; SQLite gives its own the owner of the database */
    SCMP_SYS(access), SCMP_SYS(chmod), SCMP_SYS(close), SCMP_SYS(close_range),
    SCMP_SYS(dup), SCMP_SYS(dup2), SCMP_SYS(dup3), SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2), SCMP_SYS(fadvise64), SCMP_SYS(fallocate), SCMP_SYS(fchmod),
    SCMP_SYS(fchown), SCMP_SYS(fcntl), SCMP_SYS(fdatasync), SCMP_SYS(flock),
    SCMP_SYS(fstat), SCMP_SYS(fstatfs), SCMP_SYS(fsync), SCMP_SYS(ftruncate),
    SCMP_SYS(getcwd), SCMP_SYS(getdents64), SCMP_SYS(lseek), SCMP_SYS(lstat),
    SCMP_SYS(mkdir), SCMP_SYS(mkdirat), SCMP_SYS(newfstatat), SCMP_SYS(open),
    SCMP_SYS(openat), SCMP_SYS(pread64), SCMP_SYS(preadv), SCMP_SYS(preadv2),
    SCMP_SYS(pwrite64), SCMP_SYS(pwritev), SCMP_SYS(pwritev2), SCMP_SYS(read),
    SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(readv), SCMP_SYS(rename),
    SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(rmdir), SCMP_SYS(stat),
    SCMP_SYS(statfs), SCMP_SYS(statx), SCMP_SYS(umask), SCMP_SYS(unlink),
    SCMP_SYS(unlinkat), SCMP_SYS(utimensat), SCMP_SYS(write), SCMP_SYS(writev),
    /* sockets, whose kinds are looked at below */
    SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(bind), SCMP_SYS(connect),
    SCMP_SYS(getpeername), SCMP_SYS(getsockname), SCMP_SYS(getsockopt), SCMP_SYS(listen),
    SCMP_SYS(recvfrom), SCMP_SYS(recvmmsg), SCMP_SYS(recvmsg), SCMP_SYS(sendfile),
    SCMP_SYS(sendmmsg), SCMP_SYS(sendmsg), SCMP_SYS(sendto), SCMP_SYS(setsockopt),
    SCMP_SYS(shutdown),
    /* waiting */
    SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2), SCMP_SYS(epoll_wait), SCMP_SYS(eventfd2), SCMP_SYS(pipe),
    SCMP_SYS(pipe2), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(pselect6),
    SCMP_SYS(select), SCMP_SYS(signalfd4), SCMP_SYS(timer_create), SCMP_SYS(timer_delete),
    SCMP_SYS(timer_settime), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_gettime),
    SCMP_SYS(timerfd_settime),
    /* memory; mmap and mprotect are looked at below */
    SCMP_SYS(brk), SCMP_SYS(madvise), SCMP_SYS(mincore), SCMP_SYS(mlock),
    SCMP_SYS(mlock2), SCMP_SYS(mremap), SCMP_SYS(msync), SCMP_SYS(munlock),
    SCMP_SYS(munmap), SCMP_SYS(shmdt),
    /* threads, and their ends */
    SCMP_SYS(arch_prctl), SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(futex),
    SCMP_SYS(futex_waitv), SCMP_SYS(get_robust_list), SCMP_SYS(getcpu),
    SCMP_SYS(getpriority), SCMP_SYS(gettid), SCMP_SYS(membarrier), SCMP_SYS(rseq),
    SCMP_SYS(sched_get_priority_max), SCMP_SYS(sched_get_priority_min),
    SCMP_SYS(sched_getaffinity), SCMP_SYS(sched_getparam), SCMP_SYS(sched_getscheduler),
    SCMP_SYS(sched_yield), SCMP_SYS(set_robust_list), SCMP_SYS(set_tid_address),
    /* signals */
    SCMP_SYS(restart_syscall), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigpending),
    SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigsuspend),
    SCMP_SYS(rt_sigtimedwait), SCMP_SYS(sigaltstack),
    /* clocks, randomness, and what a process may know of itself and of the machine */
    SCMP_SYS(alarm), SCMP_SYS(clock_getres), SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep), SCMP_SYS(getegid), SCMP_SYS(geteuid), SCMP_SYS(getgid),
    SCMP_SYS(getgroups), SCMP_SYS(getpgrp), SCMP_SYS(getpid), SCMP_SYS(getppid),
    SCMP_SYS(getrandom), SCMP_SYS(getresgid), SCMP_SYS(getresuid), SCMP_SYS(getrlimit),
    SCMP_SYS(getrusage), SCMP_SYS(getsid), SCMP_SYS(gettimeofday), SCMP_SYS(getuid),
    SCMP_SYS(nanosleep), SCMP_SYS(setrlimit), SCMP_SYS(sysinfo), SCMP_SYS(time),
    SCMP_SYS(times), SCMP_SYS(uname)};

/* The last call that this list knows (Linux 6.1), and one past those that may come. */
#define NEWEST_KNOWN 450
#define NEWER_END    600

static bool
add(scmp_filter_ctx ctx, uint32_t action, int call)
{
	return seccomp_rule_add(ctx, action, call, 0) == 0;
}

#define WHOLE_INT UINT32_MAX /* of an argument that is an int */

static struct scmp_arg_cmp
equals(unsigned arg, uint64_t mask, uint64_t value)
{
	return (struct scmp_arg_cmp){
	    .arg = arg, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value};
}

/* Allow call if (argument & mask) == value. */
static bool
allow_if(scmp_filter_ctx ctx, int call, unsigned arg, uint64_t mask, uint64_t value)
{
	return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call, 1, equals(arg, mask, value)) ==
	       0;
}

/* Sockets of one family and type, whatever flags come with the type. */
static bool
allow_sockets(scmp_filter_ctx ctx, int call, int family, int type)
{
	return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call, 2,
		   equals(0, WHOLE_INT, (uint32_t)family),
		   equals(1, 0xf, (uint32_t)type)) == 0;
}

static bool
allow_families(scmp_filter_ctx ctx, bool takes_handovers)
{
	static const int families[] = {AF_UNIX, AF_INET, AF_INET6};
	bool is_ok = true;

	for (size_t i = 0; i < COUNT(families); i++)
		is_ok = is_ok &&
			allow_sockets(ctx, SCMP_SYS(socket), families[i], SOCK_STREAM) &&
			allow_sockets(ctx, SCMP_SYS(socket), families[i], SOCK_DGRAM);
	if (takes_handovers)
		is_ok = is_ok &&
			allow_sockets(ctx, SCMP_SYS(socket), AF_UNIX, SOCK_SEQPACKET);
	/* The resolver of the C library asks which addresses this machine has. */
	return is_ok &&
	       seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
		   equals(0, WHOLE_INT, AF_NETLINK),
		   equals(2, WHOLE_INT, NETLINK_ROUTE)) == 0 &&
	       allow_sockets(ctx, SCMP_SYS(socketpair), AF_UNIX, SOCK_STREAM) &&
	       allow_sockets(ctx, SCMP_SYS(socketpair), AF_UNIX, SOCK_DGRAM);
}

/* Memory to be run comes from files alone: a library that the resolver loads. */
static bool
allow_memory(scmp_filter_ctx ctx)
{
	static const int calls[] = {SCMP_SYS(mmap), SCMP_SYS(mprotect)};
	const uint64_t both = PROT_WRITE | PROT_EXEC;
	bool is_ok = true;

	for (size_t i = 0; i < COUNT(calls); i++)
		is_ok = is_ok && allow_if(ctx, calls[i], 2, both, 0) &&
			allow_if(ctx, calls[i], 2, both, PROT_WRITE) &&
			allow_if(ctx, calls[i], 2, both, PROT_EXEC);
	return is_ok;
}

/* Threads, which are no processes and no namespaces; signals to this process alone. */
static bool
allow_threads(scmp_filter_ctx ctx)
{
	const uint64_t spaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS |
				CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |
				CLONE_NEWNET;
	const uint64_t self = (uint32_t)getpid();

	return allow_if(ctx, SCMP_SYS(clone), 0, CLONE_THREAD | spaces, CLONE_THREAD) &&
	       add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3)) &&
	       allow_if(ctx, SCMP_SYS(kill), 0, WHOLE_INT, self) &&
	       allow_if(ctx, SCMP_SYS(tgkill), 0, WHOLE_INT, self);
}

/* The calling thread's priority, which threads that burn CPU lower: how high it may be is the
 * kernel's to say. */
static bool
allow_own_priority(scmp_filter_ctx ctx)
{
	return allow_if(ctx, SCMP_SYS(sched_setattr), 0, WHOLE_INT, 0);
}

/* prlimit64 of another process would be a way to it. */
static bool
allow_own_settings(scmp_filter_ctx ctx)
{
	static const int options[] = {PR_SET_NAME, PR_GET_NAME, PR_SET_PDEATHSIG,
	    PR_SET_DUMPABLE, PR_GET_DUMPABLE, PR_SET_VMA};
	static const unsigned long requests[] = {FIONBIO, FIONREAD};
	bool is_ok = allow_if(ctx, SCMP_SYS(prlimit64), 0, WHOLE_INT, 0) &&
		     allow_if(ctx, SCMP_SYS(prlimit64), 0, WHOLE_INT, (uint32_t)getpid());

	for (size_t i = 0; i < COUNT(options); i++)
		is_ok = is_ok && allow_if(ctx, SCMP_SYS(prctl), 0, WHOLE_INT,
				     (uint32_t)options[i]);
	for (size_t i = 0; i < COUNT(requests); i++)
		is_ok =
		    is_ok && allow_if(ctx, SCMP_SYS(ioctl), 1, WHOLE_INT, requests[i]);
	/* Is it a terminal? It is none. */
	return is_ok && seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOTTY), SCMP_SYS(ioctl), 1,
			    equals(1, WHOLE_INT, TCGETS)) == 0;
}

static bool
allow_list(scmp_filter_ctx ctx)
{
	bool is_ok = true;

	for (size_t i = 0; i < COUNT(allowed); i++)
		is_ok = is_ok && add(ctx, SCMP_ACT_ALLOW, allowed[i]);
	for (int call = NEWEST_KNOWN + 1; call < NEWER_END; call++)
		is_ok = is_ok && add(ctx, SCMP_ACT_ERRNO(ENOSYS), call);
	return is_ok;
}

/* ---- entering ------------------------------------------------------------------------ */

static bool
enter(bool takes_handovers)
{
	scmp_filter_ctx ctx;
	bool is_ok;

	if (IS_SANITIZED)
		return true;
	ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	if (ctx == NULL)
		return false;
	is_ok = allow_list(ctx) && allow_families(ctx, takes_handovers) &&
		allow_memory(ctx) && allow_threads(ctx) && allow_own_priority(ctx) &&
		allow_own_settings(ctx) &&
		/* The most frequent calls are found soon. */
		seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2) == 0 &&
		seccomp_load(ctx) == 0;
	seccomp_release(ctx);
	return is_ok;
}

void
pl_sandbox_enter(bool takes_handovers)
{
	if (enter(takes_handovers))
		return;
	pl_log_error("seccomp does not take our filter: nothing is run without it");
	exit(EXIT_FAILURE);
}

void
pl_sandbox_forbid_dumps(void)
{
	const struct rlimit none = {0, 0};

	(void)setrlimit(RLIMIT_CORE, &none);
	if (!IS_SANITIZED)
		(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}
