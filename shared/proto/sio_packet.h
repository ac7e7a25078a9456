/*
 * sio_packet: the packets of Socket.IO 5 as text.
 *
 *   <type>[<attachments>-][<namespace>,][<ack id>][<JSON>]
 *
 *   0 CONNECT        0/admin,{"token":"123"}      JSON: none or an object
 *   1 DISCONNECT     1/admin,                     none
 *   2 EVENT          212["hello","world"]         [name, ...]: a string or a number
 *   3 ACK            3/admin,13["bar"]            [...]
 *   4 CONNECT_ERROR  4{"message":"Unauthorized"}  an object or a string
 *   5 BINARY_EVENT   51-["img",{"_placeholder":true,"num":0}]
 *   6 BINARY_ACK     61-15[{"_placeholder":true,"num":0}]
 *
 * After a 5 or 6 come as many binary messages as it says, each standing for its
 * placeholder. As in the reference, the JSON may be absent here for every type; the
 * connection decides whether it may be absent.
 *
 * Sources: socket.io-protocol v5 "Packet encoding"; socket.io-parser 4.2 Decoder. It
 * accepts some things that no encoder writes, and that we refuse:
 *   - the empty packet; white space for the type, in an ack id, before the JSON
 *   - attachment counts not in plain digits ("1e0", "0x1", "+1")
 *   - ack ids above 2^53 - 1, namespaces above PL_SIO_NAMESPACE_MAX bytes
 *   - placeholders whose num is no index of an attachment: it notices at the last
 *     attachment, we at once, and 0.5 is no index
 *   - what pl_json_parse_script() refuses: duplicate keys, \u0000 or a lone surrogate in a key,
 *     numbers past a double, nesting past 512
 * In a string a lone surrogate, which an encoder may write, is read as \u0000.
 * Threads: any.
 */
#ifndef PL_PROTO_SIO_PACKET_H
#define PL_PROTO_SIO_PACKET_H

#include "base/json.h"
#include "base/ref.h"

#define PL_SIO_ATTACHMENTS_MAX 10 /* CVE-2026-33151 */
#define PL_SIO_NAMESPACE_MAX   128
#define PL_SIO_ACK_ID_MAX      ((INT64_C(1) << 53) - 1) /* MAX_SAFE_INTEGER */
#define PL_SIO_NO_ACK          INT64_C(-1)

enum pl_sio_type {
	PL_SIO_CONNECT = 0,
	PL_SIO_DISCONNECT = 1,
	PL_SIO_EVENT = 2,
	PL_SIO_ACK = 3,
	PL_SIO_CONNECT_ERROR = 4,
	PL_SIO_BINARY_EVENT = 5,
	PL_SIO_BINARY_ACK = 6,
};

struct pl_sio_packet {
	enum pl_sio_type type;
	unsigned attachments;  /* 1 .. PL_SIO_ATTACHMENTS_MAX for 5 and 6, else 0 */
	struct pl_str nsp;     /* "/" when none is named */
	int64_t ack_id;        /* PL_SIO_NO_ACK when absent */
	struct pl_str payload; /* the JSON as text; len 0 when absent */
	struct pl_json *json;  /* the same parsed; NULL when absent; only decoding */
};

/* Decode one packet. nsp and payload borrow text; *out is for pl_sio_packet_fini(). On
 * PL_E_INVALID *out is untouched, *why (may be NULL) a short constant reason. */
enum pl_err pl_sio_packet_decode(
    struct pl_str text, struct pl_sio_packet *out, const char **why) PL_MUST_CHECK;
void pl_sio_packet_fini(struct pl_sio_packet *p);

/* p, whose json is ignored, as a whole Engine.IO message packet: with the leading '4'.
 * One owner, the caller, who may send it to many. nsp of len 0 means "/". */
struct pl_ref *pl_sio_packet_encode(const struct pl_sio_packet *p);

/* The arguments of a decoded EVENT's payload after its name, as they came, without the
 * brackets: `1,"2"` of `["hello",1,"2"]`. Borrows payload; len 0 when there are none. */
struct pl_str pl_sio_event_args(struct pl_str payload);

#endif
