/*
 * redis_server: a real redis-server for a test, on a free port, in a folder of its own.
 * It dies with the test. Calls wait until what they ask for is so; if it does not come
 * within 10 s, they print the server's log and abort.
 */
#ifndef TESTS_SUPPORT_REDIS_SERVER_H
#define TESTS_SUPPORT_REDIS_SERVER_H

#include <sys/types.h>

struct redis_server {
	pid_t pid; /* 0 while it does not run */
	int port;
	char password[32]; /* empty for none */
	char dir[64];
	char url[128];
};

/* password may be NULL. */
void redis_server_init(struct redis_server *s, const char *password);
void redis_server_fini(struct redis_server *s);
/* Start it on its port; after a kill, with nothing of what it held. */
void redis_server_start(struct redis_server *s);
void redis_server_kill(struct redis_server *s); /* kill -9 */
void redis_server_pause(
    struct redis_server *s); /* it takes connections, and answers none */
void redis_server_resume(struct redis_server *s);
/* Run a command of words without spaces; its reply as text in a buffer that the next call
 * overwrites: a string, a number, "nil", the elements of an array joined by spaces. */
const char *redis_server_ask(const struct redis_server *s, const char *command);

#endif
