/* users: the routes under /api/users: who there is, and their status.  Threads: the loop's. */
#ifndef PRESENCE_USERS_USERS_H
#define PRESENCE_USERS_USERS_H

#include "http/request.h"

void users_start(void);
void users_stop(void);
void presence_users_get(struct pl_request *rq);        /* GET /api/users */
void presence_user_get(struct pl_request *rq);         /* GET /api/users/:id */
void presence_user_status_post(struct pl_request *rq); /* POST /api/users/status/:id */

#endif
