/*
 * client: one connection to a Redis server on the event loop (hiredis inside), which
 * connects again by itself after 100 to 200 ms; each failure doubles that, up to 2.5 to 5
 * s. A reply comes by a struct pl_redis_call (redis/call.h).
 *
 *   WAITING --timer--> DIALING --socket--> CONNECTING --writable--> GREETING --PONG--> UP
 *      ^                  |                    |                       |               |
 *      +------------------+--------------------+-----------------------+---------------+
 *
 * URL: redis://[[user]:password@]host[:port][/db], user and password percent-encoded.
 * Every command has a deadline; when it passes, the connection is given up, with all that
 * waits. Commands given while there is no connection, or while PL_REDIS_QUEUE_BYTES wait
 * to be sent, fail at once. hiredis reads the replies; connecting and sending are ours,
 * because hiredis' own resolve names on the caller's thread, queue without bound, and
 * raise SIGPIPE, and its subscriptions abort on an UNSUBSCRIBE that crosses a SUBSCRIBE.
 * Threads: the loop's.
 */
#ifndef PL_REDIS_CLIENT_H
#define PL_REDIS_CLIENT_H

#include <netinet/in.h>

#include "redis/call.h"
#include "loop/loop.h"

#define PL_REDIS_DEADLINE_MS 1000 /* of a command */
#define PL_REDIS_RECONNECT_MOST_MS                                                       \
	5000 /* the longest pause between two attempts to connect */
#define PL_REDIS_QUEUE_BYTES ((size_t)16 << 20)

struct pl_redis;

struct pl_redis_config {
	const char *url;
	const char *role; /* for logs: "commands", "subscriptions" */
	void (*on_state)(void *arg, bool is_up); /* may be NULL */
	/* ["message", channel, payload] of a connection that subscribes; NULL for others.
	 * What confirms a SUBSCRIBE or UNSUBSCRIBE (of one channel each) is that
	 * command's reply. */
	void (*on_push)(void *arg, const struct redisReply *reply);
	void *arg;
	int64_t deadline_ms; /* of a command; 0: PL_REDIS_DEADLINE_MS */
};

/* PL_E_INVALID if the URL is not of that form. */
enum pl_err pl_redis_url_check(const char *url) PL_MUST_CHECK;
/* NULL if it is good, else a sentence about REDIS_URL for the operator. For TLS, Unix
 * sockets and sentinels, which Parley does not speak, it says what to do instead. It
 * never holds any part of the URL. */
const char *pl_redis_url_fault(const char *url);
struct pl_redis *pl_redis_new(struct pl_loop *loop, const struct pl_redis_config *config);
/* Calls that wait get PL_E_CANCELLED, from here. */
void pl_redis_free(struct pl_redis *r);
bool pl_redis_is_up(const struct pl_redis *r); /* NULL is never up */
/* How often it came up: if it is another number than before, Redis may have lost what it
 * knew. */
unsigned pl_redis_times_up(const struct pl_redis *r);
/* This end's address of the connection, as text; false if there is no connection. */
bool pl_redis_local_host(const struct pl_redis *r, char out[INET6_ADDRSTRLEN]);
/* Send argc binary-safe words, which are copied. The reply comes to call, which is
 * initialised; NULL: to nobody. */
void pl_redis_command(struct pl_redis *r, const struct pl_str *words, size_t argc,
    struct pl_redis_call *call);
/* Send what is queued now, not in the loop's next turn; what the kernel does not take
 * follows then. */
void pl_redis_flush(struct pl_redis *r);

/*
 * A Lua script is a file of its own, shared/redis/lua/FILE.lua, whose head names its KEYS
 * and ARGV, and which refuses any other number of them before it changes anything. At the
 * top of a .c file,
 *
 *   PL_REDIS_LUA(name, "FILE");
 *
 * builds its text in as const char name[]. The path is relative to where make runs; the
 * Makefile says what is built again after a change.
 */
#define PL_REDIS_LUA(name, file)                                                         \
	__asm__(".pushsection .rodata\n" #name ":\n"                                     \
		".incbin \"shared/redis/lua/" file ".lua\"\n"                            \
		".byte 0\n"                                                              \
		".popsection\n");                                                        \
	extern const char name[] __attribute__((visibility("hidden")))

/* Run a Lua script by EVALSHA, and by EVAL if the server does not know it yet. sha1_hex
 * comes from pl_redis_script_init(). The text must live as long as the process. */
struct pl_redis_script {
	const char *lua;
	char sha1_hex[41];
};
void pl_redis_script_init(struct pl_redis_script *script, const char *lua);
void pl_redis_eval(struct pl_redis *r, const struct pl_redis_script *script,
    const struct pl_str *keys, size_t key_count, const struct pl_str *args,
    size_t arg_count, struct pl_redis_call *call);

#endif
