/*
 * gone: users whom another program deleted from the store. Each request asks whether its user is
 * there (session/sessions), but a socket asks once, and may live for days: so the users of the sockets
 * here are looked for again, all of them once in USER_CHECK_MS, and one who is gone is logged out.
 *
 *   1 to 1000 users      one read in USER_CHECK_MS
 *   each 1000 more       one more, evenly spread over that time
 *
 * Only a store that answers can say that somebody is gone: a read that fails changes nothing.
 * Threads: the loop's.
 */
#ifndef PRESENCE_GONE_H
#define PRESENCE_GONE_H

void gone_start(void);
void gone_stop(void); /* behind the store: no call to it may be under way any more */

#endif
