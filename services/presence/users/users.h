/* users: the routes under /api/users: who there is, and their status.  Threads: the
 * loop's. */
#ifndef PRESENCE_USERS_USERS_H
#define PRESENCE_USERS_USERS_H

#include "http/request.h"

#define USERS_LIMIT_MAX     100 /* users in a page */
#define USERS_LIMIT_DEFAULT 50
#define USERS_QUERY_MAX     100 /* characters of q, as many as a full name has */

/* Changes of one user's blocks, in each process: each costs a write. */
#define BLOCKS_PER_SECOND 20
#define BLOCKS_BURST      100
#define BLOCKS_USERS_MAX  100000

void users_start(void);
void users_stop(void);
/* is_online: is user, over all processes? */
void profiles_start(bool (*is_online)(void *arg, const struct pl_oid *user), void *arg);
void presence_users_get(struct pl_request *rq);        /* GET /api/users */
void presence_profile_get(struct pl_request *rq);      /* GET /api/users/profile/:id */
void presence_avatar_get(struct pl_request *rq);       /* GET /api/users/avatar/:id */
void presence_user_get(struct pl_request *rq);         /* GET /api/users/:id */
void presence_user_status_post(struct pl_request *rq); /* POST /api/users/status/:id */

void blocks_start(void);
void blocks_stop(void);
void presence_block_post(struct pl_request *rq);   /* POST /api/users/block/:id */
void presence_block_delete(struct pl_request *rq); /* DELETE /api/users/block/:id */
void presence_blocked_get(struct pl_request *rq);  /* GET /api/users/blocked */

/* ---- inside users/ ---- */

/* Does it ask for a page of people? Then this answers: ?limit, ?after, ?q. */
bool users_page_asked(const struct pl_request *rq);
void users_page_get(struct pl_request *rq);

#endif
