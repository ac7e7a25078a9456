/*
 * eio_handshake: what an Engine.IO session begins with: its settings, its id, and the
 * open packet that tells both to the client.
 *
 *   0{"sid":"...","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,
 *     "maxPayload":1000000}
 *
 * Source: engine.io-protocol v4 "Handshake".  Threads: any.
 */
#ifndef PL_PROTO_EIO_HANDSHAKE_H
#define PL_PROTO_EIO_HANDSHAKE_H

#include "base/ref.h"

#define PL_EIO_SID_MAX        31 /* characters */
#define PL_EIO_SID_PREFIX_MAX 8

struct pl_eio_settings {
	int64_t ping_interval_ms;   /* from the handshake or a pong to our next ping */
	int64_t ping_timeout_ms;    /* from our ping to the pong */
	int64_t upgrade_timeout_ms; /* from a WebSocket's opening to "5" */
	int64_t close_timeout_ms;   /* for the GET that takes the close packet */
	int64_t stall_timeout_ms;   /* how long the client may leave a byte untaken */
	size_t max_payload_bytes;   /* a POST body, a WebSocket message */
	size_t queue_max_bytes;     /* unsent; a message may be as big as a payload */
};

/* engine.io's defaults; the last and the stall are ours. */
#define PL_EIO_SETTINGS_DEFAULT                                                          \
	{                                                                                \
		.ping_interval_ms = 25000, .ping_timeout_ms = 20000,                     \
		.upgrade_timeout_ms = 10000, .close_timeout_ms = 30000,                  \
		.stall_timeout_ms = 10000, .max_payload_bytes = 1000000,                 \
		.queue_max_bytes = (size_t)1 << 20                                       \
	}

/* A session id that nobody can guess: prefix (may be ""; it can name the process), then
 * 128 random bits in base64url. */
void pl_eio_sid_new(const char *prefix, char out[PL_EIO_SID_MAX + 1]);

/* The open packet; one owner, the caller. It offers no upgrade to a session that begins
 * on a WebSocket. */
struct pl_ref *pl_eio_open_packet(
    const char *sid, const struct pl_eio_settings *settings, bool is_websocket);

#endif
