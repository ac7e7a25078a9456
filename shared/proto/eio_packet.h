/*
 * eio_packet: the packets of Engine.IO 4, alone and joined into a polling payload.
 *
 *   packet    <type digit>[<data>]     "4hello"; "2probe"; "6"
 *             'b' <base64>             a binary message, wherever only text can go
 *   payload   packet 0x1e packet ...   the body of one polling GET or POST
 *
 * On a WebSocket each packet is one text message, and a binary message is one binary
 * message of the bare bytes.  Sources: engine.io-protocol v4 "Packet encoding";
 * engine.io-parser 5.2. Stricter than that parser: base64 must be canonical, a payload
 * must be UTF-8 and hold at most PL_EIO_PAYLOAD_PACKETS_MAX packets.  Threads: any.
 */
#ifndef PL_PROTO_EIO_PACKET_H
#define PL_PROTO_EIO_PACKET_H

#include "base/buf.h"
#include "base/ref.h"

#define PL_EIO_PAYLOAD_PACKETS_MAX 256
#define PL_EIO_SEPARATOR           '\x1e'

enum pl_eio_type {
	PL_EIO_OPEN = 0,
	PL_EIO_CLOSE = 1,
	PL_EIO_PING = 2,
	PL_EIO_PONG = 3,
	PL_EIO_MESSAGE = 4,
	PL_EIO_UPGRADE = 5,
	PL_EIO_NOOP = 6,
};

struct pl_eio_packet {
	enum pl_eio_type type;
	bool is_binary; /* only for PL_EIO_MESSAGE */
	struct pl_str data;
};

/* Decode one packet from text. data borrows text, or, for a 'b' packet, *bytes, which is
 * cleared and gets the decoded base64. PL_E_INVALID for the empty text, an unknown type
 * or broken base64; PL_E_TOO_BIG at the limit of *bytes. */
enum pl_err pl_eio_packet_decode(
    struct pl_str text, struct pl_buf *bytes, struct pl_eio_packet *out) PL_MUST_CHECK;

/* The text of a packet, type digit first; one owner, the caller. */
struct pl_ref *pl_eio_packet_encode(enum pl_eio_type type, struct pl_str data);

/* May this POST body be walked with pl_eio_payload_next()? PL_E_TOO_BIG above max_bytes;
 * PL_E_INVALID when it is not UTF-8 or holds too many packets. */
enum pl_err pl_eio_payload_check(struct pl_str body, size_t max_bytes) PL_MUST_CHECK;

/* Cut the next packet off a payload. *rest starts as the body, and its ptr is NULL once
 * the last packet was cut; false from then on. The empty body holds one (empty, bad)
 * packet. */
bool pl_eio_payload_next(struct pl_str *rest, struct pl_str *packet);

/* Append a packet to a payload: text as it is, binary as 'b' and base64. A body at its
 * limit sets its `overflowed`. */
void pl_eio_payload_add(struct pl_buf *body, struct pl_str packet, bool is_binary);

#endif
