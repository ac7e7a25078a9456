/*
 * hasher: passwords are hashed and checked on threads of their own, as many as processors
 * and memory allow (hash_threads.h), because each hash takes tens of milliseconds and
 * 19 MiB. While AUTH_HASHER_QUEUE_MAX wait, a further request gets 503 at once.
 *
 * One processor is left to everybody's loops; on a machine that has one alone, and beside
 * a second process that hashes, these threads come after the loops (PL_OFFLOAD_NICE).
 * Threads: the loop's.
 */
#ifndef AUTH_HASHER_H
#define AUTH_HASHER_H

#include "loop/offload.h"

#define AUTH_HASHER_QUEUE_MAX 64

/* The caller's, as a struct pl_job.
 *   is_login   Does password match stored (NULL: no such user)? If it does, and stored is
 *              not of today's kind, fresh is a new hash.
 *   else       fresh is a new hash of password. */
struct auth_hash {
	struct pl_job job;
	bool is_login;
	struct pl_str password;
	const char *stored;
	void (*done)(struct auth_hash *h, enum pl_err err);
	/* out */
	bool matches;
	char *fresh; /* the caller's to pl_mem_free(); NULL: none */
};

void auth_hasher_start(void);
void auth_hasher_stop(void);
/* PL_E_BUSY: too many wait; done is not called. */
enum pl_err auth_hasher_submit(struct auth_hash *h) PL_MUST_CHECK;

#endif
