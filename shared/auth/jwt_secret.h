/*
 * jwt_secret: whether JWT_SECRET, and JWT_SECRET_PREVIOUS, is one that nobody guesses.
 * Threads: any.
 */
#ifndef PL_AUTH_JWT_SECRET_H
#define PL_AUTH_JWT_SECRET_H

/* NULL if it is good, else a sentence that names the setting, and never any part of its
 * value. */
const char *pl_jwt_secret_fault(const char *secret);
/* The same of the previous one, which may be short, or not set (NULL or ""). It signs no
 * more, but whoever knows it can make tokens of the past. */
const char *pl_jwt_secret_previous_fault(const char *secret);

#endif
