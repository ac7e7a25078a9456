/*
 * avatar: a user's own picture, and the address under which it is served:
 *
 *   /api/users/avatar/<user's id>?v=<digest of its bytes, 32 hex digits>
 *
 * What the address names never changes, so that it may be kept for good; another picture
 * has another one. Only services/auth/avatar makes the bytes.  Threads: any.
 */
#ifndef PL_MODEL_AVATAR_H
#define PL_MODEL_AVATAR_H

#include "base/digest.h"
#include "base/oid.h"

enum pl_avatar_type { PL_AVATAR_PNG, PL_AVATAR_JPEG, PL_AVATAR_WEBP };

/* "image/png": as the store and Content-Type have it. */
const char *pl_avatar_type_name(enum pl_avatar_type type);
bool pl_avatar_type_parse(struct pl_str text, enum pl_avatar_type *out);

struct pl_avatar {
	struct pl_oid user;
	enum pl_avatar_type type;
	char *bytes; /* owned */
	size_t len;
};

void pl_avatar_fini(struct pl_avatar *a); /* zeroed */
void pl_avatar_digest(struct pl_str bytes, struct pl_digest *out);
/* The caller frees it. */
char *pl_avatar_address(const struct pl_oid *user, const struct pl_digest *digest);

#endif
