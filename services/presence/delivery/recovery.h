/*
 * recovery: connection state recovery, on the wire of stock Socket.IO clients (4.6 and
 * up).
 *
 *   server   0{"sid":"<socket id>","pid":"<user id>.<socket id>"}
 *   server   2["newMessage",{...},"<offset>"]     the client keeps the last offset; as well
 *                                                 messageUpdated and messageDeleted
 *   client   0{"pid":"...","offset":"..."}        after its connection broke
 *   server   0{"sid":..., "pid":...}              the same ones: it has recovered; then all
 *                                                 that it missed, in order
 *
 * An offset tells which messages the client has (delivery/seen), so any process can
 * replay the others from the store. A pid only names: who comes with it must be its user
 * by their own token, and gets nothing but their own messages, and changes of these and
 * of those that they have written. A message that was changed comes as it is now, and
 * then its last change comes in its place: one that was deleted meanwhile comes without
 * its text. If too much was missed, it is a new session, and the history has everything.
 *
 * A client that comes back costs little before it is known that it gets something: the
 * ids of what it missed are read first, and texts only if they are few enough, up to what
 * a socket takes. At most RECOVERY_READS_MAX read at once, RECOVERY_READS_OF_USER_MAX of
 * them for one user; the others wait, and users take turns.
 * Threads: the loop's.
 */
#ifndef PRESENCE_DELIVERY_RECOVERY_H
#define PRESENCE_DELIVERY_RECOVERY_H

#include "base/json.h"
#include "loop/fair.h"
#include "presence/delivery/parting.h"
#include "presence/hub.h"

#define RECOVERY_MESSAGES_MAX      300
#define RECOVERY_AWAY_MAX_MS       120000
#define RECOVERY_READS_MAX         64
#define RECOVERY_READS_OF_USER_MAX 2
/* A message that comes during a read begins it anew, but no more often than this. */
#define RECOVERY_READS_AGAIN_MAX 8
#define RECOVERY_PID_MAX         (PL_OID_HEX_LEN + 1 + HUB_SOCKET_ID_LEN)

/* The caller's; zero it and set the first. */
struct recovery {
	const struct pl_app *app;
	struct pl_fair turns; /* inside */
};

struct recovery_ask {
	struct pl_oid user;
	char socket_id[HUB_SOCKET_ID_LEN + 1];
	struct seen_offset has; /* the client */
};

void recovery_start(struct recovery *r);
void recovery_pid(
    const struct pl_oid *user, const char *socket_id, char out[RECOVERY_PID_MAX + 1]);
/* What CONNECT's payload (NULL: none) asks, with a pid and an offset of ours; NULL for
 * nothing. The caller's to pl_mem_free(). */
struct recovery_ask *recovery_asked(const struct pl_json *auth);
/* Was the connection, which broke ago_ms ago, not away for too long? If that is not known
 * (PARTING_UNKNOWN_AGO) nobody has seen it break yet, its process was killed just now, or
 * Redis was away: it counts as in time, however old its offset is: whoever gets few
 * messages has an old one. */
static inline bool
recovery_is_in_time(int64_t ago_ms)
{
	return ago_ms == PARTING_UNKNOWN_AGO || ago_ms <= RECOVERY_AWAY_MAX_MS;
}
/* A place after the floor of the offset, of a message or of a message's last change. */
struct recovery_place {
	struct pl_message_pos pos;
	struct pl_oid message;
	bool is_change;
	bool is_known; /* the client has it */
};
struct recovery_found {
	struct recovery_place *places; /* all, in their order */
	size_t count;
	/* Of the others, as they are now: the messages, and those that were changed. Each
	 * in the order of places, without those that are gone. */
	struct pl_message_list missed;
	struct pl_message_list changed;
};
/* One read. The caller's: zero it and set the first two. */
struct recovery_call {
	/* found is borrowed, and NULL if the socket cannot be recovered. */
	void (*on_found)(void *arg, const struct recovery_found *found);
	void *arg;
	struct recovery_reading *reading; /* inside; NULL while idle */
};
/* Read what the store has for socket, which has joined, after the floor of has: what its
 * client has had, and at most RECOVERY_MESSAGES_MAX other messages and changes, whose
 * texts have at most text_bytes_max together. on_found is called once, possibly before
 * this returns. */
void recovery_read(struct recovery *r, struct recovery_call *call,
    struct hub_socket *socket, const struct seen_offset *has, size_t text_bytes_max);
/* Nothing comes any more, and socket is not looked at: so before it is freed. Twice is
 * fine. */
void recovery_cancel(struct recovery_call *call);

#endif
