/*
 * session: what a Socket.IO client of 4.6 and up keeps to recover its session, and does
 * about it: the pid of its last CONNECT, the last event's trailing word as its offset; it
 * comes back after a delay as socket.io-client has by default. And which messages it got,
 * whose texts are numbers from 0 on.
 */
#ifndef BENCH_SESSION_H
#define BENCH_SESSION_H

#include "base/buf.h"

#define SESSION_PID_MAX      63
#define SESSION_OFFSET_MAX   1279
#define SESSION_TAIL_MAX     2048 /* an event with a short text, whole */
#define SESSION_MESSAGES_MAX 64

struct session {
	char pid[SESSION_PID_MAX + 1]; /* "": none yet */
	char offset[SESSION_OFFSET_MAX + 1];
	unsigned recovered;          /* it came back, and was the same */
	unsigned renewed;            /* it came back, and was another */
	uint64_t got;                /* the messages, a bit each */
	unsigned twice;              /* that it got once more */
	unsigned attempts;           /* to come back, since it was connected */
	int64_t due_ms;              /* the next one */
	char tail[SESSION_TAIL_MAX]; /* the end of the packet that is coming in */
};

/* Of a packet, of which left bytes are still to come. */
void session_take(struct session *s, const uint8_t *data, size_t len, uint64_t left);
/* The whole of a packet of size bytes was taken. */
void session_on_packet(struct session *s, uint64_t size);
/* What the next CONNECT says of it: nothing, or an object. */
void session_write_auth(const struct session *s, struct pl_buf *out);
/* The connection broke, or did not come about. */
void session_broke(struct session *s, int64_t now_ms);

#endif
