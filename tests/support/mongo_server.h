/*
 * mongo_server: a server that speaks MongoDB's wire protocol, for a test:
 * mongo-java-server on a free port of the loopback (tests/support/mongo). It dies with
 * the test. Calls wait until what they ask for is so; if it does not come within 30 s,
 * they say so and abort.
 */
#ifndef TESTS_SUPPORT_MONGO_SERVER_H
#define TESTS_SUPPORT_MONGO_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

struct mongo_server {
	pid_t pid; /* 0 while it does not run */
	int port;  /* drawn at the first start, then kept */
	char dir[64];
	char file[96]; /* empty: in memory */
};

/* If it persists, a stop loses nothing, and a kill what was written in the last 10 ms. */
void mongo_server_init(struct mongo_server *s, bool persists);
void mongo_server_fini(struct mongo_server *s);
void mongo_server_start(struct mongo_server *s);
void mongo_server_stop(struct mongo_server *s); /* SIGTERM */
void mongo_server_kill(struct mongo_server *s); /* kill -9 */
void mongo_server_pause(
    struct mongo_server *s); /* it takes connections, and answers none */
void mongo_server_resume(struct mongo_server *s);
/* mongodb://127.0.0.1:port/database, in a buffer that the next call overwrites. */
const char *mongo_server_uri(const struct mongo_server *s, const char *database);

#endif
