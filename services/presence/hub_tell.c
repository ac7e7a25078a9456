#include "presence/hub_tell.h"

#include "base/clock.h"
#include "base/log.h"
#include "bus/events.h"
#include "proto/sio_packet.h"

struct hub_user *
hub_find_user(const struct hub *hub, const struct pl_oid *id)
{
	return pl_map_get(&hub->users, pl_oid_str(id));
}

void
hub_send(struct hub_socket *socket, struct pl_ref *packet)
{
	/* False means that it has ended or overflowed: its own pump tells. */
	(void)pl_sio_conn_send(
	    &socket->client->conn, 0, packet, hub_now_ms(socket->user->hub));
	pl_sio_client_touch(socket->client);
}

/* To each of user's sockets but not_socket; of them only to those that want what was
 * sent, if it is that. The number of sockets that it went to. */
static size_t
send_to_user(
    struct hub_user *user, struct pl_ref *packet, struct pl_str not_socket, bool is_sent)
{
	size_t count = 0;

	pl_list_for_each_safe(link, &user->sockets)
	{
		struct hub_socket *socket = PL_CONTAINER(link, struct hub_socket, link);

		if (pl_str_eq(pl_str(socket->id), not_socket) ||
		    (is_sent && !socket->wants_sent))
			continue;
		hub_send(socket, packet);
		count++;
	}
	return count;
}

/* stem: the packet up to its offset. */
static struct pl_ref *
message_packet(const struct seen *seen, struct pl_str stem)
{
	struct pl_ref *packet;
	struct pl_buf buf;

	pl_buf_init(&buf, PL_BUF_UNLIMITED);
	(void)pl_buf_reserve(&buf, stem.len + seen_offset_room(seen) + sizeof(",\"\"]"));
	(void)pl_buf_add_str(&buf, stem);
	(void)pl_buf_add_cstr(&buf, ",\"");
	seen_write_offset(seen, &buf);
	(void)pl_buf_add_cstr(&buf, "\"]");
	packet = pl_eio_packet_encode(PL_EIO_MESSAGE, pl_buf_str(&buf));
	pl_buf_fini(&buf);
	return packet;
}

/* The clocks of two machines may differ. */
static void
note_delivery(const struct pl_message_pos *pos)
{
	int64_t took_ms = pl_clock_unix_ms() - pos->created_unix_ms;

	pl_metrics_observe(PL_M_DELIVERY_SECONDS, NULL, took_ms > 0 ? took_ms * 1000 : 0);
}

/* A newMessage, or a change of a message, on its way. */
struct telling {
	struct pl_str stem;
	struct pl_message_pos pos;
	struct pl_oid message;
	struct pl_str not_socket;
	bool is_change;
	/* It may be older than the socket, or long forgotten by it. */
	bool is_from_store;
	/* What is not in this order yet is read from the store. */
	bool is_in_doubt;
	bool is_own; /* of user, who wrote the message */
	/* Out: a socket knows of a change of this newMessage already. */
	bool is_overtaken;
};

/* Does a socket of its receiver have the message, or was it there before the socket? Its
 * id says when it was written. */
static bool
has_message(const struct seen *seen, const struct pl_oid *id)
{
	int64_t written_s = 0;

	for (int i = 0; i < 4; i++)
		written_s = written_s << 8 | id->bytes[i];
	return seen_has(seen, id) || (written_s + 1) * 1000 < seen->floor.created_unix_ms;
}

/* A newMessage that a change of it has overtaken is read from the store, with what became
 * of it. */
static bool
is_news(struct hub_socket *socket, struct telling *t)
{
	bool has_change;

	if (t->is_from_store && !seen_is_past_floor(&socket->seen, &t->pos))
		return false;
	if (t->is_in_doubt && !t->is_own && !has_message(&socket->seen, &t->message))
		return false;
	has_change = (t->is_change || !t->is_from_store) &&
		     seen_has_change(&socket->seen, &t->message, t->pos.created_unix_ms);
	if (has_change && !t->is_change)
		t->is_overtaken = true;
	return !has_change && seen_add(&socket->seen, &t->pos);
}

/* Once to each socket; the number of those that got it now. */
static size_t
send_message(struct hub_user *user, struct telling *t)
{
	size_t count = 0;

	pl_list_for_each_safe(link, &user->sockets)
	{
		struct hub_socket *socket = PL_CONTAINER(link, struct hub_socket, link);
		struct pl_ref *packet;

		if (!pl_sio_conn_is_in(&socket->client->conn, 0)) {
			socket->has_missed = true;
			continue;
		}
		if (!is_news(socket, t))
			continue;
		packet = message_packet(&socket->seen, t->stem);
		hub_send(socket, packet);
		pl_ref_drop(packet);
		count++;
	}
	if (count > 0 && !t->is_change)
		note_delivery(&t->pos);
	return count;
}

static void
log_delivered(const struct hub_user *user, const struct pl_event *event, const char *what,
    size_t count)
{
	pl_log_traced(&event->trace, what, PL_L_STR("event", event->name),
	    PL_L_OID("message", &event->id), PL_L_OID("user", &user->id),
	    PL_L_INT("sockets", count));
}

/* Whoever made the change knows it, also if it is left to be read from the store. */
static void
note_own(struct hub_user *user, const struct telling *t)
{
	if (t->not_socket.len == 0)
		return;
	pl_list_for_each_safe(link, &user->sockets)
	{
		struct hub_socket *socket = PL_CONTAINER(link, struct hub_socket, link);

		if (pl_str_eq(pl_str(socket->id), t->not_socket))
			(void)seen_add(&socket->seen, &t->pos);
	}
}

/* newMessage, messageUpdated or messageDeleted. While the bus is in doubt a change is
 * still handed on to whoever has the message: the store has only the last one of each
 * message, and is_news() keeps the order of changes of one message. */
static void
on_message_event(struct hub_user *user, const struct pl_event *event)
{
	const struct hub_events *events = user->hub->events;
	struct telling t = {.stem = event->stem,
	    .pos = event->pos,
	    .message = event->id,
	    .not_socket = event->not_socket,
	    .is_change = event->is_change};

	if (!event->has_pos) {
		pl_log_warn("bus event had no offset, dropped it");
		return;
	}
	note_own(user, &t);
	t.is_own = pl_oid_eq(&event->from, &user->id);
	t.is_in_doubt = events->on_message(user->hub->arg);
	if (t.is_in_doubt && !event->is_change) {
		log_delivered(
		    user, event, "message was left to be read from the store", 0);
	} else {
		log_delivered(
		    user, event, "message was delivered", send_message(user, &t));
		if (t.is_overtaken)
			events->on_gap(user->hub->arg);
	}
}

/* Of both its channels: a message service of the version before tells of what was sent
 * where it tells of all else. */
void
hub_on_user_event(void *arg, struct pl_str channel, struct pl_str payload)
{
	struct hub_user *user = arg;
	struct pl_event event;
	struct pl_ref *packet;
	bool is_sent;
	size_t count;

	(void)channel;
	if (!pl_event_parse(payload, &event)) {
		pl_log_warn("bus event was malformed, dropped it");
		return;
	}
	if (event.is_change || pl_str_eq(event.name, PL_STR("newMessage"))) {
		on_message_event(user, &event);
		return;
	}
	is_sent = pl_str_eq(event.name, PL_STR("messageSent"));
	packet = pl_eio_packet_encode(PL_EIO_MESSAGE, event.packet);
	count = send_to_user(user, packet, event.not_socket, is_sent);
	pl_ref_drop(packet);
	if (!is_sent)
		return;
	log_delivered(user, &event, "message was delivered", count);
	user->hub->events->on_sent(user->hub->arg, &user->id);
}

static void
write_stem(struct pl_buf *out, const struct pl_message *m, bool is_change)
{
	pl_buf_init(out, PL_BUF_UNLIMITED);
	if (is_change)
		pl_event_message_changed_stem(out, m);
	else
		pl_event_new_message_stem(out, m);
}

/* What was read from the store, to one of its people. */
static void
deliver_to(
    struct hub *hub, const struct pl_oid *id, const struct pl_message *m, bool is_change)
{
	struct hub_user *user = hub_find_user(hub, id);
	struct telling t = {
	    .message = m->id, .is_change = is_change, .is_from_store = true};
	struct pl_buf stem;

	if (!user)
		return;
	t.pos = is_change ? pl_message_change_pos(&m->id, pl_message_changed(m))
			  : (struct pl_message_pos){m->created_unix_ms, m->id};
	write_stem(&stem, m, is_change);
	t.stem = pl_buf_str(&stem);
	send_message(user, &t);
	pl_buf_fini(&stem);
}

void
hub_deliver(struct hub *hub, const struct pl_message *m)
{
	deliver_to(hub, &m->receiver, m, false);
}

void
hub_deliver_change(struct hub *hub, const struct pl_message *m)
{
	deliver_to(hub, &m->receiver, m, true);
	if (!pl_oid_eq(&m->receiver, &m->sender))
		deliver_to(hub, &m->sender, m, true);
}

static struct pl_ref *
packet_of(const struct seen *seen, const struct pl_message *m, bool is_change)
{
	struct pl_ref *packet;
	struct pl_buf stem;

	write_stem(&stem, m, is_change);
	packet = message_packet(seen, pl_buf_str(&stem));
	pl_buf_fini(&stem);
	return packet;
}

struct pl_ref *
hub_message_packet(const struct seen *seen, const struct pl_message *m)
{
	return packet_of(seen, m, false);
}

struct pl_ref *
hub_change_packet(const struct seen *seen, const struct pl_message *m)
{
	return packet_of(seen, m, true);
}

void
hub_tell_ready(struct hub_user *user)
{
	pl_list_for_each_safe(link, &user->sockets)
	{
		user->hub->events->on_ready(
		    user->hub->arg, PL_CONTAINER(link, struct hub_socket, link));
	}
}

/* The channel is listened to. If that is so again, something may have been missed. */
void
hub_on_user_ready(void *arg, bool is_again)
{
	struct hub_user *user = arg;

	user->is_ready = true;
	if (is_again)
		user->hub->events->on_gap(user->hub->arg);
	hub_tell_ready(user);
}

/* What is about a user goes to sockets that watch by the index of online/watched alone:
 * on_status and on_updated lead there. A profile goes to no others. */
static void
tell_all(struct hub *hub, const struct pl_event *event, struct pl_ref *packet)
{
	if (!event->has_id)
		hub_broadcast(hub, packet, HUB_ALL);
	else if (pl_str_eq(event->name, PL_STR("userUpdated")))
		hub->events->on_updated(hub->arg, &event->id, packet);
	else if (pl_str_eq(event->name, PL_STR("userDeleted")))
		hub->events->on_erased(hub->arg, &event->id);
	else
		hub_broadcast(hub, packet, HUB_LIST | HUB_DELTA);
	if (event->has_id && pl_str_eq(event->name, PL_STR("statusChanged")))
		hub->events->on_status(hub->arg, &event->id);
}

void
hub_on_all_ready(void *arg, bool is_again)
{
	struct hub *hub = arg;

	if (is_again)
		hub->events->on_all_gap(hub->arg);
}

void
hub_on_all_event(void *arg, struct pl_str channel, struct pl_str payload)
{
	struct hub *hub = arg;
	struct pl_event event;
	struct pl_ref *packet;

	(void)channel;
	if (!pl_event_parse(payload, &event)) {
		pl_log_warn("bus event was malformed, dropped it");
		return;
	}
	packet = pl_eio_packet_encode(PL_EIO_MESSAGE, event.packet);
	tell_all(hub, &event, packet);
	pl_ref_drop(packet);
}

void
hub_broadcast(struct hub *hub, struct pl_ref *packet, unsigned audience)
{
	struct hub_user *user;

	if (!hub_has(hub, audience))
		return;
	for (size_t it = 0; (user = pl_map_next(&hub->users, &it));)
		pl_list_for_each_safe(link, &user->sockets)
		{
			struct hub_socket *socket =
			    PL_CONTAINER(link, struct hub_socket, link);

			if (socket->wants & audience)
				hub_send(socket, packet);
		}
}

void
hub_send_user(struct hub *hub, const struct pl_oid *user, struct pl_ref *packet)
{
	struct hub_user *found = hub_find_user(hub, user);

	if (found)
		(void)send_to_user(found, packet, PL_STR_NONE, false);
}

bool
hub_has_user(const struct hub *hub, const struct pl_oid *user)
{
	return hub_find_user(hub, user) != NULL;
}

bool
hub_has(const struct hub *hub, unsigned audience)
{
	size_t count = 0;

	for (unsigned one = HUB_LIST; one <= HUB_WATCH; one *= 2)
		if (audience & one)
			count += hub->wanting[one];
	return count > 0;
}
