/*
 * eio_query: what an Engine.IO request asks for in its query string, and the answers to
 * bad ones.
 *
 *   EIO=4&transport=polling                  a new session
 *   EIO=4&transport=polling&sid=<sid>        a session's GET (receive) or POST (send)
 *   EIO=4&transport=websocket[&sid=<sid>]    with an Upgrade: a new session, or a probe
 *
 * Other parameters (t, b64, the userId of MERN clients) are stepped over. EIO, transport
 * or sid given twice is refused. Only a handshake is asked for the version: with a sid,
 * EIO is stepped over, too.
 *
 * Sources: engine.io-protocol v4 "Query parameters"; engine.io 6.6 Server.verify() for
 * the order of the checks and the bodies.  Threads: any.
 */
#ifndef PL_PROTO_EIO_QUERY_H
#define PL_PROTO_EIO_QUERY_H

#include "proto/eio_handshake.h"

/* engine.io Server.errors; the numbers are on the wire. */
enum pl_eio_error {
	PL_EIO_NO_ERROR = -1,
	PL_EIO_UNKNOWN_TRANSPORT = 0,
	PL_EIO_UNKNOWN_SID = 1,
	PL_EIO_BAD_METHOD = 2,
	PL_EIO_BAD_REQUEST = 3,
	PL_EIO_FORBIDDEN = 4,
	PL_EIO_BAD_VERSION = 5,
};

struct pl_eio_query {
	bool is_websocket; /* else polling */
	/* False, only with a sid: the transport is not what the request comes by. If the
	 * session is there, the caller answers PL_EIO_BAD_REQUEST. */
	bool is_coherent;
	char sid[PL_EIO_SID_MAX + 1]; /* "": a new session */
};

/* Judge a request. query: the bytes after '?', may be empty; is_get: its method;
 * is_upgrade: it carries a good WebSocket handshake. *out is untouched unless
 * PL_EIO_NO_ERROR comes back. The sid is still to be looked up: if it is unknown, the
 * caller answers PL_EIO_UNKNOWN_SID. */
enum pl_eio_error pl_eio_query_parse(
    struct pl_str query, bool is_get, bool is_upgrade, struct pl_eio_query *out);

/* The HTTP status (400, for PL_EIO_FORBIDDEN 403) and the constant JSON body,
 * {"code":1,"message":"Session ID unknown"}. Not for PL_EIO_NO_ERROR. */
int pl_eio_error_status(enum pl_eio_error error);
const char *pl_eio_error_body(enum pl_eio_error error);

#endif
