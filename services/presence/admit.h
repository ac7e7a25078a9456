/*
 * admit: how a session of the server becomes a socket: whose it is, what it missed, and
 * when the hub gets it.
 *
 *          CONNECT             a good token
 *   OUT ------------> CHECKING ------------> LISTENING
 *    ^ ^                 |                     |    | the bus listens, or PATIENCE_MS
 *    | '----- refused ---'       pid and offset|    | neither
 *    |                                         v    |
 *    |                                   PARTING    |
 *    |                          in time |    | not  |
 *    |                                  v    v      v
 *    |                            READING -------> LISTING
 *    |                     all found |   not all     | the list is there
 *    |                               v   the list    v
 *    |                             BACK -----------> IN
 *    |   DISCONNECT                  |               |
 *    '-------------------------------+---------------'
 *
 *   LISTENING to IN ---> PUT_OUT     by the hub, for a newer socket of the same user
 *   any state ---------> ENDED       the session is over
 *
 *   OUT        nobody, or not any more; CONNECT may come (again)
 *   CHECKING   session/sessions is asked whose token it is, and will answer
 *   LISTENING  the hub has the socket from here to IN and BACK, and waits until the bus brings what
 *              is published to its user, and what the user sends if it asked for that: who is told
 *              that they are connected must not miss what is sent right then
 *   PARTING    Redis is asked when the connection of that pid broke (delivery/parting)
 *   READING    the store is read for what was missed (delivery/recovery)
 *   LISTING    waits for the list of who is online, whose offset it begins with: who is connected
 *              can recover
 *   BACK       CONNECT is answered with the old ids, and what was missed is sent; the list is due
 *              (a socket that watches gets no list: it is IN in the place of LISTING and BACK, and its
 *              first offset comes as an event of its own)
 *   IN         CONNECT is answered, and all is sent
 *   PUT_OUT    the hub has it no more; the session is closing
 *   ENDED      freed, or if it was CHECKING, as soon as that is answered
 *
 * Who a socket is comes from the JWT of the handshake request (session/credentials.h), or
 * of auth.token in CONNECT, which goes first; never from the query.  Threads: the loop's.
 */
#ifndef PRESENCE_ADMIT_H
#define PRESENCE_ADMIT_H

#include "presence/delivery/parting.h"
#include "presence/delivery/recovery.h"
#include "presence/hub.h"
#include "presence/online/list.h"
#include "session/sessions.h"

#define ADMIT_PATIENCE_MS 1500 /* with the bus, to listen */

enum admit_state {
	ADMIT_OUT,
	ADMIT_CHECKING,
	ADMIT_LISTENING,
	ADMIT_PARTING,
	ADMIT_READING,
	ADMIT_LISTING,
	ADMIT_BACK,
	ADMIT_IN,
	ADMIT_PUT_OUT,
	ADMIT_ENDED,
};

/* The caller's: set all. */
struct admit {
	const struct pl_app *app;
	struct hub *hub;
	struct recovery *recovery;
	struct held *held;
	struct online_list *online;
	/* Whose handshake brought no good token has that of this user in CONNECT. May be
	 * NULL. */
	void (*on_named)(struct admit *admit, const struct pl_oid *user);
};

/* A session of the server: its hub_socket, and what is needed to let it in. */
struct admission {
	struct hub_socket socket;
	struct admit *admit;
	enum admit_state state;
	bool is_held; /* from the answer to CONNECT on, while BACK or IN */
	/* of the handshake request, for each CONNECT */
	struct pl_credentials credentials;
	struct recovery_ask *ask;     /* CHECKING to READING: of CONNECT; NULL for none */
	struct pl_timer patience;     /* LISTENING */
	struct parting_ask parting;   /* PARTING */
	struct recovery_call reading; /* READING */
	struct online_list_wait list; /* LISTING, BACK */
};

/* A handshake came: c->app_data is an admission from now on. Takes *credentials. */
void admit_open(struct admit *admit, struct pl_sio_client *c,
    const struct pl_credentials *credentials);
/* May a request with these use the session? */
bool admit_may_use(const struct pl_sio_client *c, const struct pl_credentials *now);
/* CONNECT came, DISCONNECT came, the session is over. */
void admit_connect(struct pl_sio_client *c, const struct pl_json *auth);
void admit_goodbye(struct pl_sio_client *c);
void admit_end(struct pl_sio_client *c, enum pl_eio_reason reason);
/* For struct hub_events. */
void admit_on_ready(struct hub_socket *socket);
void admit_on_put_out(struct hub_socket *socket);

#endif
