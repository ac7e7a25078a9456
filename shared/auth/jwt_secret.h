/*
 * jwt_secret: whether JWT_SECRET is one that nobody guesses.
 * Threads: any.
 */
#ifndef PL_AUTH_JWT_SECRET_H
#define PL_AUTH_JWT_SECRET_H

/* NULL if it is good, else a sentence that names the setting, and never any part of its value. */
const char *pl_jwt_secret_fault(const char *secret);

#endif
