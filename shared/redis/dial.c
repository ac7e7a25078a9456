#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "redis/dial.h"
#include "loop/offload.h"

struct pl_redis_dial {
	struct pl_loop *loop;
	char *host;
	char port[6];
	void (*on_dialled)(void *arg, int fd);
	void *arg;
	unsigned attempt;
	struct pl_offload *thread; /* made for the first name that is looked up */
	struct pl_job job;
	/* what the lookup found; belongs to the thread until the job is done */
	struct sockaddr_storage address;
	socklen_t address_len; /* 0: nothing */
};

struct pl_redis_dial *
pl_redis_dial_new(struct pl_loop *loop, const char *host, uint16_t port,
    void (*on_dialled)(void *arg, int fd), void *arg)
{
	struct pl_redis_dial *d = pl_mem_zalloc(sizeof(*d));

	d->loop = loop;
	d->host = pl_mem_strdup(host);
	snprintf(d->port, sizeof(d->port), "%u", port);
	d->on_dialled = on_dialled;
	d->arg = arg;
	return d;
}

void
pl_redis_dial_free(struct pl_redis_dial *d)
{
	if (d == NULL)
		return;
	d->on_dialled = NULL;
	if (d->thread != NULL)
		pl_offload_free(d->thread);
	pl_mem_free(d->host);
	pl_mem_free(d);
}

static void
look_up(struct pl_redis_dial *d, int flags)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags};
	struct addrinfo *all, *chosen;
	unsigned count = 0;

	d->address_len = 0;
	if (getaddrinfo(d->host, d->port, &hints, &all) != 0)
		return;
	for (struct addrinfo *a = all; a != NULL; a = a->ai_next)
		count++;
	assert(count > 0); /* who looks up and succeeds gets one at least */
	chosen = all;
	for (unsigned i = d->attempt % count; i > 0; i--)
		chosen = chosen->ai_next;
	memcpy(&d->address, chosen->ai_addr, chosen->ai_addrlen);
	d->address_len = chosen->ai_addrlen;
	freeaddrinfo(all);
}

static int
dial(const struct pl_redis_dial *d)
{
	int fd, on = 1;

	if (d->address_len == 0)
		return PL_REDIS_DIAL_FAILED;
	fd = socket(d->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return PL_REDIS_DIAL_FAILED;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, (const struct sockaddr *)&d->address, d->address_len) == -1 &&
	    errno != EINPROGRESS) {
		close(fd);
		return PL_REDIS_DIAL_FAILED;
	}
	return fd;
}

static void
run_look_up(struct pl_job *job, void *thread_state)
{
	struct pl_redis_dial *d = PL_CONTAINER(job, struct pl_redis_dial, job);

	(void)thread_state;
	look_up(d, AI_ADDRCONFIG | AI_NUMERICSERV);
}

static void
looked_up(struct pl_job *job, enum pl_err err)
{
	struct pl_redis_dial *d = PL_CONTAINER(job, struct pl_redis_dial, job);

	if (d->on_dialled != NULL)
		d->on_dialled(d->arg, err == PL_OK ? dial(d) : PL_REDIS_DIAL_FAILED);
}

int
pl_redis_dial_start(struct pl_redis_dial *d)
{
	struct pl_offload_config config = {
	    .name = "redis-lookup", .threads = 1, .queue_max = 1};

	d->attempt++;
	look_up(d, AI_NUMERICHOST | AI_NUMERICSERV);
	if (d->address_len > 0)
		return dial(d);
	if (d->thread == NULL)
		d->thread = pl_offload_new(d->loop, &config);
	d->job = (struct pl_job){.run = run_look_up, .done = looked_up};
	if (pl_offload_submit(d->thread, &d->job) != PL_OK)
		return PL_REDIS_DIAL_FAILED;
	return PL_REDIS_DIAL_LATER;
}
