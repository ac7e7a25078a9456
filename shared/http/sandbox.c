#include "http/sandbox.h"

#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <kore.h>
#include <hooks.h>
#include <seccomp.h>

#if defined(__SANITIZE_ADDRESS__)
#define IS_SANITIZED 1
#else
#define IS_SANITIZED 0
#endif

#define FORBID(name_) KORE_SYSCALL_FILTER(name_, SECCOMP_RET_KILL_PROCESS)

static struct sock_filter filter[] = {
    FORBID(execve),
    FORBID(execveat),
#if !IS_SANITIZED /* the leak checker stops the threads by it */
    FORBID(ptrace),
#endif
    FORBID(process_vm_readv),
    FORBID(process_vm_writev),
    FORBID(mount),
    FORBID(umount2),
    FORBID(pivot_root),
    FORBID(chroot),
    FORBID(setns),
    FORBID(unshare),
    FORBID(bpf),
    FORBID(perf_event_open),
    FORBID(userfaultfd),
    FORBID(io_uring_setup),
    FORBID(init_module),
    FORBID(finit_module),
    FORBID(delete_module),
    FORBID(kexec_load),
    FORBID(reboot),
    FORBID(swapon),
    FORBID(swapoff),
    FORBID(open_by_handle_at),
    FORBID(add_key),
    FORBID(request_key),
    FORBID(keyctl),
    KORE_SYSCALL_ARG(socket, 0, AF_PACKET, SECCOMP_RET_KILL_PROCESS),
    KORE_BPF_RET(SECCOMP_RET_ALLOW),
};

void
kore_seccomp_hook(void)
{
	kore_seccomp_filter("parley", filter, KORE_FILTER_LEN(filter));
}

void
pl_sandbox_forbid_dumps(void)
{
	struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
	if (!IS_SANITIZED)
		prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}
