/*
 * calls: what SERVICE_PRELOAD puts under the services to have a call of the system do
 * something else.
 *
 *   PARLEY_FAULT_FILE   at the first PUBLISH that holds one of these texts, this file is made and
 *                       something is done, once; without the file nothing is:
 *                         "crash after commit"   the process ends, as kill -9 would end it, between a
 *                                                commit and its PUBLISH
 *                         "run a program"        it runs one, as who had taken it over would
 *   PARLEY_FAIL_FILE    a struct plan, of the machine's byte order: in the process pid the n-th call
 *                       from now on fails; the test reads back how many calls there were
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum call { CALL_NONE, CALL_SEND, CALL_RECV, CALL_SENDMSG, CALL_ACCEPT, CALL_EPOLL_CTL };

struct plan {
	int32_t pid;
	int32_t call;
	int32_t error; /* 0: it takes or gives one byte */
	int32_t n;
	int32_t seen;
};

static struct plan *plan; /* NULL: nothing fails */

__attribute__((constructor)) static void
begin(void)
{
	const char *file = getenv("PARLEY_FAIL_FILE");
	int fd = file != NULL ? open(file, O_RDWR | O_CLOEXEC) : -1;
	void *bytes;

	if (fd == -1)
		return;
	bytes = mmap(NULL, sizeof(*plan), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (bytes != MAP_FAILED)
		plan = bytes;
}

/* Has this call to fail? errno says how then. */
static bool
fails(enum call call)
{
	if (plan == NULL || plan->call != (int32_t)call || plan->pid != getpid() ||
	    __atomic_add_fetch(&plan->seen, 1, __ATOMIC_SEQ_CST) != plan->n)
		return false;
	errno = plan->error;
	return true;
}

/* dlsym() gives no function, but what can be copied into one. */
#define REAL(name)                                                                       \
	__typeof__(&(name)) next;                                                        \
	void *found_ = dlsym(RTLD_NEXT, #name);                                          \
	memcpy(&next, &found_, sizeof(next))

static bool
holds(const void *bytes, size_t len, const char *text)
{
	return memmem(bytes, len, text, strlen(text)) != NULL;
}

/* Once, over all processes. */
static bool
is_first(void)
{
	const char *file = getenv("PARLEY_FAULT_FILE");
	int fd;

	if (file == NULL)
		return false;
	fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd != -1)
		close(fd);
	return fd != -1;
}

static void
look_for_texts(const void *bytes, size_t len)
{
	if (!holds(bytes, len, "PUBLISH"))
		return;
	if (holds(bytes, len, "crash after commit") && is_first())
		kill(getpid(), SIGKILL);
	if (holds(bytes, len, "run a program") && is_first())
		execl("/bin/sleep", "sleep", "60", (char *)NULL);
}

/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): glibc has __fd */

ssize_t
send(int fd, const void *bytes, size_t len, int flags)
{
	REAL(send);

	look_for_texts(bytes, len);
	if (!fails(CALL_SEND))
		return next(fd, bytes, len, flags);
	return errno == 0 ? next(fd, bytes, len > 0, flags) : -1;
}

ssize_t
recv(int fd, void *bytes, size_t len, int flags)
{
	REAL(recv);

	if (!fails(CALL_RECV))
		return next(fd, bytes, len, flags);
	return errno == 0 ? next(fd, bytes, len > 0, flags) : -1;
}

ssize_t
sendmsg(int fd, const struct msghdr *message, int flags)
{
	REAL(sendmsg);

	return fails(CALL_SENDMSG) ? -1 : next(fd, message, flags);
}

int
accept4(int fd, struct sockaddr *from, socklen_t *len, int flags)
{
	REAL(accept4);

	return fails(CALL_ACCEPT) ? -1 : next(fd, from, len, flags);
}

int
epoll_ctl(int epoll_fd, int op, int fd, struct epoll_event *event)
{
	REAL(epoll_ctl);

	return fails(CALL_EPOLL_CTL) ? -1 : next(epoll_fd, op, fd, event);
}

/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */
