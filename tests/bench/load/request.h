/*
 * request: HTTP/1.1 requests over kept connections, one under way on each; what the load
 * sends, and how it is answered. It is as little of a client as the servers under measure
 * allow.
 * Threads: the one that made it.
 */
#ifndef BENCH_REQUEST_H
#define BENCH_REQUEST_H

#include "base/buf.h"

#define REQUEST_ANSWER_MAX (1024 * 1024)

struct requests;

struct request_answer {
	size_t number; /* of its request */
	int status;
	struct pl_str body; /* as it came; chunks are not joined */
};

/* count connections to port of the loopback. answered is called from requests_step(). */
struct requests *requests_new(uint16_t port, size_t count,
    void (*answered)(void *arg, const struct request_answer *answer), void *arg);
void requests_free(struct requests *r);
int requests_epoll(const struct requests *r); /* readable: call requests_step() */
bool requests_is_full(const struct requests *r);
/* Send one over a connection that is free; there must be one. bytes: the whole request. */
void requests_send(struct requests *r, size_t number, struct pl_str bytes);
void requests_step(struct requests *r);

#endif
