/*
 * invite: a code that lets somebody sign up if SIGNUP is "invite".
 *
 *   code     "x0k3-9mfd-2q7z-vb41-c8se-jr6w-5h0n"   140 random bits, shown once, when it is drawn
 *   code_id  its digest of 128 bits, which is all that the store keeps
 *
 * A digest without salt and passes is enough for a secret of that many random
 * bits.  Threads: any.
 */
#ifndef PL_AUTH_INVITE_H
#define PL_AUTH_INVITE_H

#include "base/digest.h"
#include "base/err.h"
#include "base/typable.h"

#define PL_INVITE_GROUPS   7
#define PL_INVITE_CODE_LEN PL_TYPABLE_LEN(PL_INVITE_GROUPS)
#define PL_INVITE_ID_LEN   PL_DIGEST_LEN

struct pl_invite {
	uint8_t code_id[PL_INVITE_ID_LEN];
	int64_t uses; /* how many may sign up by it */
	int64_t used; /* how many have */
	int64_t created_unix_ms;
	int64_t expires_unix_ms; /* from then on it is not good */
};

/* Draw a code, and set its code_id in *out. */
void pl_invite_draw(struct pl_invite *out, char code[PL_INVITE_CODE_LEN + 1]);
/* The code_id of what somebody typed, read as base/typable does; false: it is no code. */
bool pl_invite_id(struct pl_str typed, uint8_t code_id[PL_INVITE_ID_LEN]) PL_MUST_CHECK;

#endif
