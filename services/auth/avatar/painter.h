/*
 * painter: pictures are made anew on a thread of its own (avatar.h), one at a time,
 * because one may take a second and 40 MiB; it comes after the loops (PL_OFFLOAD_NICE).
 * While PAINTER_QUEUE_MAX wait, or PAINTER_OF_USER_MAX of the same user, a further one
 * gets 503 at once.
 * Threads: the loop's.
 */
#ifndef AUTH_AVATAR_PAINTER_H
#define AUTH_AVATAR_PAINTER_H

#include "avatar.h"
#include "base/list.h"
#include "base/oid.h"
#include "loop/offload.h"

#define PAINTER_QUEUE_MAX   16
#define PAINTER_OF_USER_MAX 2 /* waiting, and being made */

/* The caller's, as a struct pl_job. err: as of avatar_make(), or PL_E_CANCELLED. */
struct auth_painting {
	struct pl_job job;
	struct pl_list link; /* inside */
	struct pl_oid user;
	struct pl_str file; /* borrowed until done */
	void (*done)(struct auth_painting *p, enum pl_err err);
	/* out */
	enum pl_avatar_type type;
	struct pl_buf made; /* the caller finis it, also after a failure */
	enum pl_err err;    /* inside */
};

void auth_painter_start(void);
void auth_painter_stop(void);
/* PL_E_BUSY: too many wait; done is not called. */
enum pl_err auth_painter_submit(struct auth_painting *p) PL_MUST_CHECK;

#endif
