/*
 * password: hashing and verifying. New hashes are argon2id (libsodium, PHC string form);
 * bcrypt hashes that the MERN app stored are verified (libxcrypt). Passwords are brought
 * to NFC first, so that one typed on another keyboard is the same. How long a check takes
 * gives away the kind of the hash, and so whether there is such a user: a refusal waits
 * for the end of a period of password_period_ms() (even_time.h).
 * A hash takes tens of milliseconds and 19 MiB: never on the event loop.
 * Threads: any; password_init() once at start.
 */
#ifndef PL_AUTH_PASSWORD_H
#define PL_AUTH_PASSWORD_H

#include "base/err.h"
#include "base/str.h"

#define PASSWORD_MEMORY_KIB 19456 /* OWASP: argon2id m=19 MiB, t=2, p=1 */
#define PASSWORD_PASSES     2

/* Also makes the dummy hash, and times one hash of each kind. */
enum pl_err password_init(void) PL_MUST_CHECK;
/* Longer than any check on an idle processor: argon2id, or bcrypt up to a cost of 12. */
int64_t password_period_ms(void);

/* A new argon2id hash, NUL-terminated, for the caller to pl_mem_free(); NULL if memory is
 * out or the password is not UTF-8. */
char *password_hash(struct pl_str password);

/* Does password match hash? hash NULL (no such user): an argon2id check, and no. If it
 * matches, *needs_rehash (may be NULL) says whether hash is not of today's kind and
 * cost. */
bool password_verify(struct pl_str password, const char *hash, bool *needs_rehash);

#endif
