/*
 * events: every channel of the bus, what it carries, who sends, who listens.
 *
 *   channel             payload                          from            to
 *   parley:user:<id>    event for that user's sockets    message,        presence processes
 *                                                        responder,      with sockets of
 *                                                        presence        that user
 *   parley:sent:<id>    messageSent of that user         message,        presence processes
 *                                                        responder,      where somebody listens:
 *                                                        presence        hub_hear_sent()
 *   parley:hears        id of a user, whose              presence        message, presence
 *                       messageSent is heard from now on
 *                       (sending/unheard)
 *   parley:all          event for every socket           presence, auth  all presence
 *   parley:revoked      a revocation                     auth            all services
 *   parley:blocks       a block that was made    presence        presence
 *   parley:online       who came and went (online/note)  presence        presence
 *   parley:gap          a time (bus/gap)                 message,        presence
 *                                                        responder
 *   parley:members      a change of who serves           all services    the gateway
 *                       (processes/announcement)
 *   parley:replies      stream: a BUSY message waits     message         llm-responder
 *
 * An event is encoded once, by its publisher, as the Socket.IO packet that the sockets
 * get:
 *
 *   {"name":"newMessage","id":"<id>","not":"<socket id>","pos":"<pos>","trace":"<trace>"}\n
 *   2["newMessage",{...},"<pos>"]
 *
 * messageUpdated {message} and messageDeleted {message} go to both people of a message in
 * the same way, and each socket gets its offset; their pos is the change's place
 * (pl_message_change_pos()), and only in the first line: processes that do not know them
 * hand them on without an offset.
 *
 * id (of the message, or of the user whose status or profile changed), not, pos and trace
 * are there if they apply; pos is the message's place in the order (model/message.h). The
 * first line ends with the bus: no client sees it. The pos at the packet's end does not
 * reach a client either: each socket gets its own recovery offset in its place. It is
 * written for processes of the version before, which know no "pos" in the first line, and
 * read in events of theirs. A later version may leave it out. Strings after id and not
 * that a reader does not know are passed over, so that processes of two versions
 * understand each other. userUpdated, on parley:all, goes to those sockets alone that
 * watch its user, userDeleted to those of who wrote with them.  Threads: any.
 */
#ifndef PL_BUS_EVENTS_H
#define PL_BUS_EVENTS_H

#include "auth/revocation.h"
#include "model/message.h"
#include "model/status.h"
#include "model/user.h"
#include "proto/trace.h"

#define PL_CHANNEL_ALL     "parley:all"
#define PL_CHANNEL_REVOKED "parley:revoked"
#define PL_CHANNEL_BLOCKS  "parley:blocks"
#define PL_CHANNEL_ONLINE  "parley:online"
#define PL_CHANNEL_HEARS   "parley:hears"
#define PL_STREAM_REPLIES  "parley:replies"

#define PL_TYPING_ENDS_MS 6000 /* unless it is said again */

#define PL_CHANNEL_USER_LEN (12 + PL_OID_HEX_LEN)
void pl_channel_user(const struct pl_oid *user, char out[PL_CHANNEL_USER_LEN + 1]);
void pl_channel_sent(const struct pl_oid *user, char out[PL_CHANNEL_USER_LEN + 1]);

struct pl_event {
	struct pl_str name; /* "newMessage" */
	bool has_id;
	struct pl_oid id; /* the message's; of statusChanged the user's */
	struct pl_str
	    not_socket; /* a Socket.IO socket id that does not get it; empty: none */
	struct pl_trace trace; /* of the request that it comes from, or none */
	struct pl_str packet;  /* Socket.IO; ready to send, except of newMessage */
	bool has_pos;          /* as each newMessage, messageUpdated and messageDeleted */
	bool is_change;        /* messageUpdated or messageDeleted */
	struct pl_oid from;    /* of these, who wrote the message */
	struct pl_message_pos pos;
	struct pl_str stem; /* with has_pos: the packet without its end, `,"<pos>"]` */
};

/* newMessage, to the receiver. */
void pl_event_new_message(
    struct pl_buf *out, const struct pl_message *m, const struct pl_trace *trace);
/* messageSent, to those of the sender's other sockets that asked for it. not_socket:
 * X-Socket-Id, or empty. */
void pl_event_message_sent(struct pl_buf *out, const struct pl_message *m,
    const struct pl_trace *trace, struct pl_str not_socket);
/* The same of a message whose JSON (pl_message_write()) is there already. */
void pl_event_new_message_of(struct pl_buf *out, const struct pl_message *m,
    struct pl_str json, const struct pl_trace *trace);
void pl_event_message_sent_of(struct pl_buf *out, const struct pl_message *m,
    struct pl_str json, const struct pl_trace *trace, struct pl_str not_socket);
/* messageUpdated or messageDeleted, as m says, to both of its people; json: m's.
 * not_socket: X-Socket-Id, or empty. */
void pl_event_message_changed(struct pl_buf *out, const struct pl_message *m,
    struct pl_str json, const struct pl_trace *trace, struct pl_str not_socket);
/* statusChanged, to all. */
void pl_event_status_changed(struct pl_buf *out, const struct pl_oid *user,
    enum pl_status status, struct pl_str note);
/* userUpdated {user}, to who watches the user. */
void pl_event_user_updated(struct pl_buf *out, const struct pl_user *user);
/* userDeleted {userId}: user was erased, and what they wrote is gone. To those who wrote
 * with them: whoever gets it looks who that is (presence/erased). */
void pl_event_user_deleted(struct pl_buf *out, const struct pl_oid *user);
/* typing, to one user. */
void pl_event_typing(
    struct pl_buf *out, const struct pl_oid *from, bool is_typing, bool is_auto);
/* How far a user has come in a conversation. Each is told when the mark has moved; of two that
 * moved at the same moment a client keeps the one whose message is the later one.
 *
 * messagesRead, messagesDelivered {userId: reader, upTo, at}, to who wrote to the reader. */
void pl_event_messages_read(struct pl_buf *out, const struct pl_oid *reader,
    const struct pl_oid *up_to, int64_t at_unix_ms);
void pl_event_messages_delivered(struct pl_buf *out, const struct pl_oid *reader,
    const struct pl_oid *up_to, int64_t at_unix_ms);
/* conversationRead {userId: other, upTo, unread}, to the reader's other sockets.
 * not_socket: X-Socket-Id, or empty. */
void pl_event_conversation_read(struct pl_buf *out, const struct pl_oid *other,
    const struct pl_oid *up_to, unsigned unread, struct pl_str not_socket);
/* The Socket.IO packet of newMessage alone, for replay, up to the offset: its stem. */
void pl_event_new_message_stem(struct pl_buf *out, const struct pl_message *m);
/* The same of its last change. */
void pl_event_message_changed_stem(struct pl_buf *out, const struct pl_message *m);

/* Slices are borrowed from payload. False for anything that is not such an event. */
bool pl_event_parse(struct pl_str payload, struct pl_event *out) PL_MUST_CHECK;

/* user has blocked other: {"user":"<id>","other":"<id>"}. Only what is shown at this
 * moment ends by it: whether one may write to the other the store says. */
void pl_event_blocked_write(
    struct pl_buf *out, const struct pl_oid *user, const struct pl_oid *other);
bool pl_event_blocked_parse(
    struct pl_str payload, struct pl_oid *user, struct pl_oid *other) PL_MUST_CHECK;

void pl_event_revoked_write(struct pl_buf *out, const struct pl_revocation *r);
bool pl_event_revoked_parse(
    struct pl_str payload, struct pl_revocation *out) PL_MUST_CHECK;

#endif
