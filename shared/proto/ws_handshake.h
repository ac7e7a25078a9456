/*
 * ws_handshake: is this HTTP request a good opening handshake, and what to answer.
 *
 *   GET /x HTTP/1.1                        HTTP/1.1 101 Switching Protocols
 *   Host: example.org                      Upgrade: websocket
 *   Upgrade: websocket                     Connection: Upgrade
 *   Connection: keep-alive, Upgrade        Sec-WebSocket-Accept: s3pPLMBi...
 *   Sec-WebSocket-Key: dGhlIHNhbX...
 *   Sec-WebSocket-Version: 13
 *
 * The caller's HTTP parser gives the header values. Extensions may be offered, and none is
 * ever accepted: permessage-deflate would cost a quarter of a megabyte a connection. Of
 * subprotocols the first is, as by socket.io's own server: a client that offers some, as a
 * stock one with `protocols`, gives up if none is. http_origin decides whether the Origin
 * may connect.
 *
 * Source: RFC 6455 §4.2; SHA-1 from libcrypto.  Threads: any.
 */
#ifndef PL_PROTO_WS_HANDSHAKE_H
#define PL_PROTO_WS_HANDSHAKE_H

#include "base/buf.h"

#define PL_WS_PROTOCOL_MAX   64 /* bytes; a longer name is not accepted */
#define PL_WS_REQUEST_ID_MAX 64 /* bytes; a longer one is not said again */

/* An absent header has ptr NULL. All borrowed. */
struct pl_ws_request {
	struct pl_str method; /* "GET" */
	unsigned http_major;
	unsigned http_minor;
	struct pl_str host;
	struct pl_str upgrade;
	struct pl_str connection; /* the whole list; several headers joined by commas */
	struct pl_str key;
	bool key_repeated; /* the header came more than once */
	struct pl_str version;
	struct pl_str protocols;  /* Sec-WebSocket-Protocol: the first line's list */
	struct pl_str request_id; /* X-Request-Id, which the 101 says, too */
};

enum pl_ws_handshake {
	PL_WS_HS_ACCEPTED,      /* 101 */
	PL_WS_HS_NOT_GET,       /* 400 from here */
	PL_WS_HS_OLD_HTTP,      /* before HTTP/1.1 */
	PL_WS_HS_NO_HOST,       /* absent or empty */
	PL_WS_HS_NO_CONNECTION, /* "Upgrade" is not in Connection */
	PL_WS_HS_BAD_KEY,       /* absent, repeated, or not base64 of 16 bytes */
	PL_WS_HS_NO_UPGRADE,    /* 426 from here: "websocket" is not in Upgrade */
	PL_WS_HS_BAD_VERSION,   /* not 13 */
};

/* The first rule that the request breaks, or ACCEPTED. */
enum pl_ws_handshake pl_ws_handshake_check(const struct pl_ws_request *rq);

/* The HTTP status for it: 101, 400 or 426, and a short English text. A 426 carries
 * `Upgrade: websocket` (RFC 9110 §15.5.22) and `Sec-WebSocket-Version: 13`. */
unsigned pl_ws_handshake_status(enum pl_ws_handshake verdict);
const char *pl_ws_handshake_text(enum pl_ws_handshake verdict);

/* Append the 101 to an ACCEPTED request, after which frames follow. PL_E_TOO_BIG at out's
 * limit. A refusal is an HTTP answer as any: see pl_websocket_refuse(). */
enum pl_err pl_ws_handshake_answer(
    struct pl_buf *out, const struct pl_ws_request *rq) PL_MUST_CHECK;

#endif
