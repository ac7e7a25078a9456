/*
 * wire_proxy: a TCP proxy on the loopback that a test puts before a server, to lose or
 * hold back exactly the answers that it names.
 *
 *   client ── request ──► proxy ── request ──► server      does what it is told
 *          ◄─── (cut) ───       ◄── answer ───
 */
#ifndef TESTS_SUPPORT_WIRE_PROXY_H
#define TESTS_SUPPORT_WIRE_PROXY_H

#include <pthread.h>
#include <stdbool.h>

#define WIRE_PROXY_PAIRS 32

enum wire_proxy_way {
	WIRE_PROXY_PASS,
	WIRE_PROXY_LOSE, /* of the next request with the word: cut when the answer comes */
	WIRE_PROXY_HOLD, /* of all requests with the word, until the way changes */
	/* of the n-th command to MongoDB, see wire_proxy_fail() */
	WIRE_PROXY_DROP,     /* cut before the server has it */
	WIRE_PROXY_LOSE_NTH, /* cut when the answer comes */
	WIRE_PROXY_REFUSE,   /* answered with an error, and the server never has it */
};

struct wire_proxy {
	int port;
	int target_port;
	int listener;
	int wake[2];
	pthread_t thread;
	pthread_mutex_t lock; /* guards what follows */
	enum wire_proxy_way way;
	const char *word;
	unsigned seen; /* requests with the word; or commands */
	unsigned n;    /* the command that fails */
	int code;
	bool cuts_all;
	bool is_stopping;
	/* the thread's */
	struct wire_proxy_pair {
		int client; /* -1: free */
		int server;
		bool is_marked; /* its last request has the word */
	} pairs[WIRE_PROXY_PAIRS];
};

void wire_proxy_start(struct wire_proxy *p, int target_port);
void wire_proxy_stop(struct wire_proxy *p);
/* word: borrowed until the next call. */
void wire_proxy_set(struct wire_proxy *p, enum wire_proxy_way way, const char *word);
/* From now on the n-th command of MongoDB's (OP_MSG) fails in this way; code: of
 * WIRE_PROXY_REFUSE, the server's number. */
void wire_proxy_fail(struct wire_proxy *p, enum wire_proxy_way way, unsigned n, int code);
void wire_proxy_cut(struct wire_proxy *p); /* all connections, with a reset */
unsigned wire_proxy_seen(struct wire_proxy *p);

#endif
