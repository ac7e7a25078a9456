/*
 * ws_frame: one WebSocket frame, its header and its masking, and the body of a Close.
 *
 *   byte 0    FIN RSV1 RSV2 RSV3 | opcode, 4 bits
 *   byte 1    MASK | length: 0..125, or 126: 16 bits follow, or 127: 64 bits follow
 *   then      the longer length, big-endian; never used for what fits a shorter form
 *   then      4 bytes of masking key, if MASK is set
 *   then      the payload, each byte i XORed with key[i % 4]
 *
 * A client masks every frame and a server none (§5.1). Control frames (opcode 8 and up)
 * carry at most 125 bytes and are never fragmented (§5.5). No extension is ever
 * negotiated here, so each RSV bit is an error (§5.2). Close body: nothing, or a 16-bit
 * big-endian code and a reason in UTF-8 (§5.5.1, §7.4).
 *
 * Source: RFC 6455; close codes 1012 to 1014 from its IANA registry.  Threads: any.
 */
#ifndef PL_PROTO_WS_FRAME_H
#define PL_PROTO_WS_FRAME_H

#include "base/buf.h"

#define PL_WS_HEADER_MAX       14  /* bytes: 2, 8 of length, 4 of key */
#define PL_WS_CONTROL_MAX      125 /* bytes of payload in a control frame */
#define PL_WS_CLOSE_REASON_MAX 123 /* bytes: a control payload less the code */
#define PL_WS_MASK_LEN         4

enum pl_ws_role { PL_WS_SERVER, PL_WS_CLIENT }; /* which end we are */

enum pl_ws_opcode {
	PL_WS_CONTINUATION = 0x0,
	PL_WS_TEXT = 0x1,
	PL_WS_BINARY = 0x2,
	PL_WS_CLOSE = 0x8,
	PL_WS_PING = 0x9,
	PL_WS_PONG = 0xA,
};

/* RFC 6455 §7.4.1: the codes that we send ourselves, and the one that stands for none. */
enum pl_ws_code {
	PL_WS_CODE_NORMAL = 1000,
	PL_WS_CODE_GOING_AWAY = 1001,
	PL_WS_CODE_PROTOCOL_ERROR = 1002,
	PL_WS_CODE_NONE = 1005, /* a Close without a body; never on the wire */
	PL_WS_CODE_BAD_DATA = 1007,
	PL_WS_CODE_POLICY = 1008,
	PL_WS_CODE_TOO_BIG = 1009,
};

/* What was found in a peer's bytes; each fault has a close code and a text. */
enum pl_ws_verdict {
	PL_WS_FINE,
	PL_WS_MORE,            /* no fault so far, and not whole yet */
	PL_WS_BAD_RSV,         /* 1002 from here */
	PL_WS_BAD_OPCODE,      /* 3 to 7 or 11 to 15 */
	PL_WS_BAD_MASK,        /* a client's frame without a mask, a server's with one */
	PL_WS_BAD_LENGTH,      /* not the shortest form, or its top bit set */
	PL_WS_BAD_CONTROL,     /* fragmented, or over 125 bytes */
	PL_WS_BAD_ORDER,       /* a continuation of nothing, or a message within one */
	PL_WS_BAD_CLOSE,       /* a body of one byte, or a code that may not be sent */
	PL_WS_BAD_UTF8,        /* 1007 */
	PL_WS_BAD_SIZE,        /* 1009: the message passes its limit */
	PL_WS_BAD_FRAGMENTS,   /* 1008: too many pieces in one message */
	PL_WS_BAD_CONTROL_RATE /* 1008: too many control frames in a second */
};

struct pl_ws_header {
	uint64_t len; /* of the payload */
	uint8_t mask[PL_WS_MASK_LEN];
	uint8_t opcode; /* enum pl_ws_opcode */
	uint8_t size;   /* bytes that the header itself took */
	bool fin;
	bool masked;
};

/* The close code of a fault (1000 for FINE and MORE), and a short English text. */
uint16_t pl_ws_verdict_code(enum pl_ws_verdict verdict);
const char *pl_ws_verdict_text(enum pl_ws_verdict verdict);

static inline bool
pl_ws_opcode_is_control(unsigned opcode)
{
	return (opcode & 0x8) != 0;
}

/* Read the frame header at the front of data, as the peer of `role` would send it. MORE
 * means that these bytes begin a good header: come again with more of them. A fault is
 * reported at the first byte that shows it. Except for FINE, *out is untouched. */
enum pl_ws_verdict pl_ws_header_parse(enum pl_ws_role role, const uint8_t *data,
    size_t len, struct pl_ws_header *out) PL_MUST_CHECK;

/* Write the header of a frame of len payload bytes, masked when mask is not NULL; the
 * bytes written, at most PL_WS_HEADER_MAX. The payload follows as it is, or masked with
 * the key. */
size_t pl_ws_header_encode(uint8_t out[PL_WS_HEADER_MAX], enum pl_ws_opcode opcode,
    bool fin, uint64_t len, const uint8_t mask[PL_WS_MASK_LEN]);

/* Append one whole unfragmented frame; mask as above. PL_E_TOO_BIG at out's limit. */
enum pl_err pl_ws_frame_encode(struct pl_buf *out, enum pl_ws_opcode opcode,
    struct pl_str payload, const uint8_t mask[PL_WS_MASK_LEN]) PL_MUST_CHECK;

/* Mask or unmask (they are the same) len bytes in place; offset: how many bytes of the
 * payload came before them. */
void pl_ws_mask(
    void *data, size_t len, const uint8_t mask[PL_WS_MASK_LEN], uint64_t offset);

/* Take a Close body apart: FINE, BAD_CLOSE (also for a code that no Close may carry:
 * §7.4.1, §7.4.2, IANA) or BAD_UTF8. An empty one gives PL_WS_CODE_NONE. The reason
 * borrows from body. */
enum pl_ws_verdict pl_ws_close_parse(
    struct pl_str body, uint16_t *code, struct pl_str *reason) PL_MUST_CHECK;

/* Write a Close body; its length. PL_WS_CODE_NONE gives an empty one. A reason past
 * PL_WS_CLOSE_REASON_MAX is cut between two characters. */
size_t pl_ws_close_encode(
    uint8_t out[PL_WS_CONTROL_MAX], uint16_t code, struct pl_str reason);

#endif
