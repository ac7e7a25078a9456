/*
 * clients: thousands of Socket.IO clients in one process, WebSocket from the start, each
 * with its own user's token: they connect, answer pings, and count what they hear. What
 * comes is looked at in passing and never kept, whatever its size. Whom the server closes
 * comes again, as clients do: on a busy machine some are too slow for it.
 *
 *   CONNECTING -> UPGRADING -"101"-> OPENING -"0{...}"-> JOINING -"40{...}"-> IN
 *                                                                             any -> CLOSED
 *
 * Those that recover keep a session, and wait before they come again:
 *
 *   any -> WAITING -> CONNECTING
 *
 * Threads: clients of different structs may be used in different ones.
 */
#ifndef BENCH_CLIENTS_H
#define BENCH_CLIENTS_H

#include "session.h"

/* Kept of a packet: what it is, and of a message's event its text, if that is short. */
#define CLIENT_SEEN_MAX 480

enum client_state {
	CLIENT_CLOSED,
	CLIENT_WAITING, /* to come again; it has no connection */
	CLIENT_CONNECTING,
	CLIENT_UPGRADING,
	CLIENT_OPENING,
	CLIENT_JOINING,
	CLIENT_IN,
};

struct client {
	int fd;
	enum client_state state;
	unsigned lists;          /* getOnlineUsers and presence that came */
	unsigned messages;       /* newMessage */
	bool is_paused;          /* it reads nothing */
	struct session *session; /* NULL: it recovers nothing */
	/* the frame that is coming in */
	uint8_t head_len;
	uint16_t seen_len;
	uint8_t head[10];
	char seen[CLIENT_SEEN_MAX];
	uint64_t left; /* payload bytes still to come */
};

/* Whom the clients reach, and what is told of them. */
struct clients_of {
	uint16_t port;
	/* Appends the session token of the nth client's user. */
	void (*write_token)(const void *arg, size_t index, struct pl_buf *out);
	/* Appends that user's id; for those that watch. */
	void (*write_id)(const void *arg, size_t index, struct pl_buf *out);
	/* A newMessage came; the first CLIENT_SEEN_MAX bytes of its packet. NULL: it is
	 * only counted. */
	void (*on_message)(const void *arg, size_t index, struct pl_str packet);
	/* The answer to an event of clients_emit() came; the same of it. NULL: none is
	 * sent. */
	void (*on_ack)(const void *arg, size_t index, struct pl_str packet);
	const void *arg;
};

struct clients {
	struct clients_of of; /* its port may be changed */
	struct client *all;
	size_t count;
	size_t in;      /* in state IN */
	size_t waiting; /* in state WAITING */
	size_t again;   /* closed by the server, and came or come again */
	uint64_t pings;
	uint64_t bytes;
	const char *presence; /* says so in CONNECT: "delta", "watch"; NULL: nothing */
	size_t watched;    /* with "watch": so many of the first among whom each has 50 */
	bool recovers;     /* who starts from now on has a session */
	int64_t looked_ms; /* for whom of those that wait it is time */
	int epoll;
};

void clients_init(struct clients *c, const struct clients_of *of, size_t count);
void clients_fini(struct clients *c);
/* Connect those from first on, at most at_once of them on their way at any time, and wait
 * until all are IN. */
void clients_connect(struct clients *c, size_t first, size_t count, size_t at_once);
/* Start to connect one. receive_bytes: of its kernel buffer, 0 for the usual. */
void clients_start(struct clients *c, size_t index, int receive_bytes);
void clients_close(struct clients *c, size_t index);
/* Send a packet, "421[...]", of at most CLIENT_SAID_MAX bytes. It is IN. */
#define CLIENT_SAID_MAX 2048
void clients_emit(struct clients *c, size_t index, struct pl_str packet);
/* It reads no more. */
void clients_pause(struct clients *c, size_t index);
/* Handle what comes within timeout_ms, or what has come; returns after one round. */
void clients_step(struct clients *c, int timeout_ms);
void clients_run(struct clients *c, int64_t ms); /* all that comes within ms */

#endif
