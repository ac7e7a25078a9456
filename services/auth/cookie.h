/*
 * cookie: the session cookie of an answer.
 *
 *   jwt=<token>; Max-Age=1296000; Path=/; HttpOnly; SameSite=Strict; Secure
 *
 * Secure is left out with NODE_ENV=development, unless a name of the form __Host- or
 * __Secure-, or SameSite=None, demands it.  Threads: the loop's.
 */
#ifndef AUTH_COOKIE_H
#define AUTH_COOKIE_H

#include "http/request.h"

void auth_cookie_set(struct pl_request *rq, struct pl_str token);
/* Also the one named jwt if COOKIE_NAME is another: it is read, too
 * (session/credentials.h). */
void auth_cookie_clear(struct pl_request *rq);

#endif
