/*
 * What stands before the calls of this repository's own code in programs whose names end
 * in _faults_test: the Makefile has the linker put __wrap_send() in the place of send().
 * Other programs have none of the real ones, and call nothing here.
 */
#include "support/fail_at.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <jwt.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utf8proc.h>

#define REAL __attribute__((weak)) extern

REAL int __real_socket(int family, int type, int protocol);
REAL int __real_connect(int fd, const struct sockaddr *to, socklen_t len);
REAL ssize_t __real_send(int fd, const void *bytes, size_t len, int flags);
REAL ssize_t __real_recv(int fd, void *bytes, size_t len, int flags);
REAL void *__real_malloc(size_t size);
REAL void *__real_calloc(size_t count, size_t size);
REAL void *__real_realloc(void *old, size_t size);
REAL FILE *__real_fopen(const char *path, const char *mode);
REAL ssize_t __real_read(int fd, void *bytes, size_t len);
REAL ssize_t __real___read_chk(int fd, void *bytes, size_t len, size_t room);
REAL int __real_sodium_init(void);
REAL int __real_EVP_Digest(const void *data, size_t len, unsigned char *out,
    unsigned *out_len, const EVP_MD *type, ENGINE *engine);
REAL int __real_jwt_new(jwt_t **out);
REAL char *__real_jwt_encode_str(jwt_t *jwt);
REAL utf8proc_ssize_t __real_utf8proc_map(const utf8proc_uint8_t *text,
    utf8proc_ssize_t len, utf8proc_uint8_t **out, utf8proc_option_t options);
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
FILE *__wrap_fopen(const char *path, const char *mode);
ssize_t __wrap_read(int fd, void *bytes, size_t len);
ssize_t __wrap___read_chk(int fd, void *bytes, size_t len, size_t room);
int __wrap_sodium_init(void);
int __wrap_EVP_Digest(const void *data, size_t len, unsigned char *out, unsigned *out_len,
    const EVP_MD *type, ENGINE *engine);
int __wrap_jwt_new(jwt_t **out);
char *__wrap_jwt_encode_str(jwt_t *jwt);
utf8proc_ssize_t __wrap_utf8proc_map(const utf8proc_uint8_t *text, utf8proc_ssize_t len,
    utf8proc_uint8_t **out, utf8proc_option_t options);
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

FILE *
__wrap_fopen(const char *path, const char *mode)
{
	return fail_at_now(FAIL_OPEN, &errno) ? NULL : __real_fopen(path, mode);
}

ssize_t
__wrap_read(int fd, void *bytes, size_t len)
{
	return fail_at_now(FAIL_READ, &errno) ? -1 : __real_read(fd, bytes, len);
}

/* What read() is called in the hardened build. */
ssize_t
__wrap___read_chk(int fd, void *bytes, size_t len, size_t room)
{
	return fail_at_now(FAIL_READ, &errno) ? -1
					      : __real___read_chk(fd, bytes, len, room);
}

/* ---- other libraries, which say so when they have no memory ---- */

int
__wrap_sodium_init(void)
{
	return fail_at_now(FAIL_ALLOC, &errno) ? -1 : __real_sodium_init();
}

int
__wrap_EVP_Digest(const void *data, size_t len, unsigned char *out, unsigned *out_len,
    const EVP_MD *type, ENGINE *engine)
{
	return fail_at_now(FAIL_ALLOC, &errno)
		   ? 0
		   : __real_EVP_Digest(data, len, out, out_len, type, engine);
}

int
__wrap_jwt_new(jwt_t **out)
{
	return fail_at_now(FAIL_ALLOC, &errno) ? ENOMEM : __real_jwt_new(out);
}

char *
__wrap_jwt_encode_str(jwt_t *jwt)
{
	return fail_at_now(FAIL_ALLOC, &errno) ? NULL : __real_jwt_encode_str(jwt);
}

utf8proc_ssize_t
__wrap_utf8proc_map(const utf8proc_uint8_t *text, utf8proc_ssize_t len,
    utf8proc_uint8_t **out, utf8proc_option_t options)
{
	return fail_at_now(FAIL_ALLOC, &errno)
		   ? UTF8PROC_ERROR_NOMEM
		   : __real_utf8proc_map(text, len, out, options);
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
