/*
 * What stands before the calls of this repository's own code in programs whose names end in
 * _faults_test: the Makefile has the linker put __wrap_send() in the place of send(). Other programs
 * have none of the real ones, and call nothing here.
 */
#include "support/fail_at.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define REAL __attribute__((weak)) extern

REAL int __real_socket(int family, int type, int protocol);
REAL int __real_connect(int fd, const struct sockaddr *to, socklen_t len);
REAL ssize_t __real_send(int fd, const void *bytes, size_t len, int flags);
REAL ssize_t __real_recv(int fd, void *bytes, size_t len, int flags);
REAL void *__real_malloc(size_t size);
REAL void *__real_calloc(size_t count, size_t size);
REAL void *__real_realloc(void *old, size_t size);
REAL redisReader *__real_redisReaderCreate(void);
REAL int __real_redisReaderFeed(redisReader *reader, const char *bytes, size_t len);
REAL int __real_redisReaderGetReply(redisReader *reader, void **reply);

int __wrap_socket(int family, int type, int protocol);
int __wrap_connect(int fd, const struct sockaddr *to, socklen_t len);
ssize_t __wrap_send(int fd, const void *bytes, size_t len, int flags);
ssize_t __wrap_recv(int fd, void *bytes, size_t len, int flags);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
redisReader *__wrap_redisReaderCreate(void);
int __wrap_redisReaderFeed(redisReader *reader, const char *bytes, size_t len);
int __wrap_redisReaderGetReply(redisReader *reader, void **reply);

int
__wrap_socket(int family, int type, int protocol)
{
	return fail_at_now(FAIL_SOCKET, &errno) ? -1
						: __real_socket(family, type, protocol);
}

int
__wrap_connect(int fd, const struct sockaddr *to, socklen_t len)
{
	return fail_at_now(FAIL_CONNECT, &errno) ? -1 : __real_connect(fd, to, len);
}

/* With no errno it takes half. */
ssize_t
__wrap_send(int fd, const void *bytes, size_t len, int flags)
{
	int error;

	if (!fail_at_now(FAIL_SEND, &error))
		return __real_send(fd, bytes, len, flags);
	if (error == 0)
		return __real_send(fd, bytes, (len + 1) / 2, flags);
	errno = error;
	return -1;
}

/* With no errno it gives one byte; with EPIPE, the end. */
ssize_t
__wrap_recv(int fd, void *bytes, size_t len, int flags)
{
	int error;

	if (!fail_at_now(FAIL_RECV, &error))
		return __real_recv(fd, bytes, len, flags);
	if (error == 0)
		return __real_recv(fd, bytes, 1, flags);
	if (error == EPIPE)
		return 0;
	errno = error;
	return -1;
}

void *
__wrap_malloc(size_t size)
{
	return fail_at_now(FAIL_MEM, &errno) ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t count, size_t size)
{
	return fail_at_now(FAIL_MEM, &errno) ? NULL : __real_calloc(count, size);
}

void *
__wrap_realloc(void *old, size_t size)
{
	return fail_at_now(FAIL_MEM, &errno) ? NULL : __real_realloc(old, size);
}

/* ---- hiredis: what it does when it has no memory (hiredis/read.c of 1.x) ---- */

redisReader *
__wrap_redisReaderCreate(void)
{
	return fail_at_now(FAIL_ALLOC, &errno) ? NULL : __real_redisReaderCreate();
}

int
__wrap_redisReaderFeed(redisReader *reader, const char *bytes, size_t len)
{
	return fail_at_now(FAIL_ALLOC, &errno)
		   ? REDIS_ERR
		   : __real_redisReaderFeed(reader, bytes, len);
}

/* Redis says an error instead of what it said. A message of a channel is no answer. */
int
__wrap_redisReaderGetReply(redisReader *reader, void **reply)
{
	static const char refusal[] =
	    "-OOM command not allowed under OOM prevention.\r\n";
	const redisReply *got;
	redisReader *other;
	int rc, error;

	if (fail_at_now(FAIL_ALLOC, &error))
		return REDIS_ERR;
	rc = __real_redisReaderGetReply(reader, reply);
	got = *reply;
	if (rc != REDIS_OK || got == NULL ||
	    (got->type == REDIS_REPLY_ARRAY && got->elements > 0 &&
		got->element[0]->type == REDIS_REPLY_STRING &&
		strcmp(got->element[0]->str, "message") == 0) ||
	    !fail_at_now(FAIL_REPLY, &error))
		return rc;
	freeReplyObject(*reply);
	other = __real_redisReaderCreate();
	(void)__real_redisReaderFeed(other, refusal, sizeof(refusal) - 1);
	rc = __real_redisReaderGetReply(other, reply);
	redisReaderFree(other);
	return rc;
}
