/*
 * send: the way of one message: the sender's rate and quota, room on the disk, who is
 * online, one insert (the message, and the job of its reply if the receiver is BUSY), the
 * bus, the outcome.
 *
 *   POST /api/messages/send/:id   services/message/send  --.
 *                                                           >-- pl_send() -- done()
 *   sendMessage {to, message}     services/presence/send --'
 *
 * Once the message is stored the outcome is that it was sent, whatever becomes of the
 * bus: presence reads a gap from the store. A message that comes again under its key is
 * not stored again, whichever of the two ways it takes.
 *
 * While either of the two has blocked the other a send is refused with BLOCKED: the store
 * looks in the write itself, so that no process can be behind. One that comes again under
 * the key of a message that was accepted before has its answer all the same: it says what
 * happened then.
 *
 * A long text holds the loop several times on its way: it is read, written for its
 * events, and copied to the bus and into the answer. So long texts take turns, a few of
 * them at a time (loop/fair): whoever sends many waits for their own, and others find
 * the loop free.
 *
 * Rates and quotas are counted in each process.  Threads: the loop's.
 */
#ifndef PL_SENDING_SEND_H
#define PL_SENDING_SEND_H

#include "base/json.h"
#include "limits/bucket.h"
#include "loop/fair.h"
#include "model/invalid.h"
#include "model/problem.h"
#include "online/rule.h"
#include "sending/publish.h"
#include "sending/room.h"
#include "store/store_async.h"

/* How long a slow bus may hold an answer up. */
#define PL_SEND_BUS_PATIENCE_MS PL_REDIS_DEADLINE_MS
_Static_assert(PL_SEND_BUS_PATIENCE_MS > PL_BUS_NOTICE_MS,
    "by then presence reads the store, and who was answered is not overtaken");
/* The process of a send that comes again so soon may have died before it published. */
#define PL_SEND_RETRY_TELLS_MS 60000
/* Longer than from the commit of a send to the failure that it ends in. */
#define PL_SEND_UNSURE_MS        PL_STORE_WAIT_MS
#define PL_SEND_KEY_MAX          64
#define PL_SEND_LONG_BYTES       8192 /* from here on a text takes turns */
#define PL_SEND_LONG_MAX         8    /* that are under way at once, */
#define PL_SEND_LONG_OF_USER_MAX 2    /* and of one sender */
#define PL_SEND_TURN_MS          2000 /* one that has waited longer for its turn is refused: 503 */
#define PL_SEND_USERS_MAX        100000 /* whose rate is remembered at once */

/* The caller's; zero it and set the first five. It outlives the bus, whose last answers
 * come here. */
struct pl_sending {
	struct pl_loop *loop;
	struct pl_store_async *store;
	struct pl_bus *bus;
	struct pl_redis *redis;
	struct pl_online *online;
	/* inside */
	struct pl_publisher publisher;
	struct pl_room room;
	struct pl_bucket_table *rates;
	struct pl_bucket_table *quotas; /* of bytes */
	struct pl_fair turns;           /* of long texts */
	size_t under_way;               /* sends whose done was not called yet */
};

void pl_sending_start(struct pl_sending *by);
void pl_sending_stop(struct pl_sending *by);

/* What came of it. */
struct pl_send_outcome {
	const struct pl_write_send *sent; /* it is stored, or was before; NULL: refused */
	struct pl_str json;               /* the message's, if it was not refused */
	enum pl_problem problem;          /* if it was refused */
	int64_t wait_ms;                  /* with TOO_MANY and QUOTA, else 0 */
};

/* How long the sender's rate would refuse another message, in ms; 0: it would not. For
 * who has not read a long one yet, which costs more than to refuse it. */
int64_t pl_send_wait_ms(const struct pl_sending *by, const struct pl_oid *sender);

struct pl_send {
	struct pl_oid sender;
	struct pl_oid receiver;
	struct pl_str text;       /* copied */
	struct pl_str key;        /* of pl_send_read(), or none; borrowed until done */
	struct pl_str not_socket; /* it gets no messageSent; empty: none; as key */
	struct pl_log_field from; /* what asked for it, for the log; as key */
	struct pl_trace trace;
	/* Called once, possibly from inside pl_send(). outcome is borrowed. */
	void (*done)(void *arg, const struct pl_send_outcome *outcome);
	void *arg;
};

/* body {"message": text} and key (ptr NULL: none came) by their rules; *text is borrowed
 * from body. PL_E_INVALID: *why says so. */
enum pl_err pl_send_read(const struct pl_json *body, struct pl_str key,
    struct pl_str *text, struct pl_invalid *why) PL_MUST_CHECK;
/* Says that the key is wrong. */
void pl_send_bad_key(struct pl_invalid *why);
/* May user write so many bytes more now? False: *out says why. Counts them. */
bool pl_send_may_write(struct pl_sending *by, const struct pl_oid *user, size_t bytes,
    struct pl_send_outcome *out) PL_MUST_CHECK;
/* send is copied. */
void pl_send(struct pl_sending *by, const struct pl_send *send);

#endif
