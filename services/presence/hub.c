#include "presence/hub.h"

#include <assert.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "bus/events.h"
#include "proto/sio_packet.h"
#include "session/sessions.h"

static int64_t
now_ms(const struct hub *hub)
{
	return pl_loop_now_ms(hub->app->loop);
}

static struct hub_user *
user_find(const struct hub *hub, const struct pl_oid *id)
{
	return pl_map_get(&hub->users, pl_oid_str(id));
}

/* ---- events ------------------------------------------------------------------------ */

void
hub_send(struct hub_socket *socket, struct pl_ref *packet)
{
	/* False means that it has ended or overflowed: its own pump tells. */
	(void)pl_sio_conn_send(
	    &socket->client->conn, 0, packet, now_ms(socket->user->hub));
	pl_sio_client_touch(socket->client);
}

/* To each of user's sockets but not_socket; of them only to those that want what was sent, if it is
 * that. The number of sockets that it went to. */
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

/* Does a socket of its receiver have the message, or was it there before the socket? Its id says when
 * it was written. */
static bool
has_message(const struct seen *seen, const struct pl_oid *id)
{
	int64_t written_s = 0;

	for (int i = 0; i < 4; i++)
		written_s = written_s << 8 | id->bytes[i];
	return seen_has(seen, id) || (written_s + 1) * 1000 < seen->floor.created_unix_ms;
}

/* A newMessage that a change of it has overtaken is read from the store, with what became of it. */
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

/* newMessage, messageUpdated or messageDeleted. While the bus is in doubt a change is still handed on to
 * whoever has the message: the store has only the last one of each message, and is_news() keeps the order
 * of changes of one message. */
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

/* Of both its channels: a message service of the version before tells of what was sent where it
 * tells of all else. */
static void
on_user_event(void *arg, struct pl_str channel, struct pl_str payload)
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
	struct hub_user *user = user_find(hub, id);
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

/* The channel is listened to. If that is so again, something may have been missed. */
static void
on_user_ready(void *arg, bool is_again)
{
	struct hub_user *user = arg;

	user->is_ready = true;
	if (is_again)
		user->hub->events->on_gap(user->hub->arg);
	pl_list_for_each_safe(link, &user->sockets)
	{
		user->hub->events->on_ready(
		    user->hub->arg, PL_CONTAINER(link, struct hub_socket, link));
	}
}

/* What is about a user goes to sockets that watch by the index of online/watched alone: on_status
 * and on_updated lead there. A profile goes to no others. */
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

static void
on_all_ready(void *arg, bool is_again)
{
	struct hub *hub = arg;

	if (is_again)
		hub->events->on_all_gap(hub->arg);
}

static void
on_all_event(void *arg, struct pl_str channel, struct pl_str payload)
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
	struct hub_user *found = user_find(hub, user);

	if (found)
		(void)send_to_user(found, packet, PL_STR_NONE, false);
}

bool
hub_has_user(const struct hub *hub, const struct pl_oid *user)
{
	return user_find(hub, user) != NULL;
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

/* ---- users ------------------------------------------------------------------------- */

static void
user_free(struct hub_user *user)
{
	struct hub *hub = user->hub;

	pl_timer_stop(hub->app->loop, &user->grace);
	pl_bus_unsubscribe(hub->app->bus, &user->listener);
	if (user->sent_uses > 0)
		pl_bus_unsubscribe(hub->app->bus, &user->sent);
	pl_map_del(&hub->users, pl_oid_str(&user->id));
	pl_list_unlink(&user->turn);
	hub->events->on_leave(hub->arg, &user->id);
	pl_mem_free(user);
}

static void
on_grace_over(struct pl_timer *t)
{
	user_free(t->arg);
}

static struct hub_user *
user_get(struct hub *hub, const struct pl_oid *id)
{
	struct hub_user *user = user_find(hub, id);
	char channel[PL_CHANNEL_USER_LEN + 1];

	if (user)
		return user;
	user = pl_mem_zalloc(sizeof(*user));
	user->hub = hub;
	user->id = *id;
	pl_list_init(&user->sockets);
	user->grace.on_fire = on_grace_over;
	user->grace.arg = user;
	user->listener.on_message = on_user_event;
	user->listener.on_ready = on_user_ready;
	user->listener.arg = user;
	user->sent.on_message = on_user_event;
	user->sent.arg = user;
	pl_channel_user(id, channel);
	(void)pl_map_put(&hub->users, pl_oid_str(&user->id), user);
	pl_list_push(&hub->turns, &user->turn);
	pl_bus_subscribe(hub->app->bus, pl_str(channel), &user->listener);
	hub->events->on_join(hub->arg, id);
	return user;
}

void
hub_hear_sent(struct hub_user *user)
{
	char channel[PL_CHANNEL_USER_LEN + 1];

	if (user->sent_uses++ > 0)
		return;
	pl_channel_sent(&user->id, channel);
	pl_bus_subscribe(user->hub->app->bus, pl_str(channel), &user->sent);
}

void
hub_drop_sent(struct hub_user *user)
{
	assert(user->sent_uses > 0);
	if (--user->sent_uses == 0)
		pl_bus_unsubscribe(user->hub->app->bus, &user->sent);
}

/* ---- sockets ----------------------------------------------------------------------- */

static void
end_socket(struct hub_socket *socket)
{
	pl_sio_conn_close(
	    &socket->client->conn, PL_EIO_FORCED_CLOSE, now_ms(socket->user->hub));
	pl_sio_client_touch(socket->client);
}

/* Its token's end, or before that the next time to say that its session is in use. */
static void
start_expiry(struct hub_socket *socket)
{
	const struct pl_app *app = socket->user->hub->app;
	int64_t step_ms = pl_sessions_use_step_ms(app->sessions);
	int64_t end_unix_s = pl_sessions_end_unix_s(app->sessions, &socket->claims);
	int64_t left_ms = end_unix_s * 1000 - pl_clock_unix_ms();

	socket->is_at_end = step_ms == 0 || left_ms <= step_ms;
	if (!socket->is_at_end)
		left_ms = step_ms;
	pl_timer_start(app->loop, &socket->expiry, left_ms > 0 ? left_ms : 0);
}

static void
on_expiry(struct pl_timer *t)
{
	struct hub_socket *socket = t->arg;

	if (socket->is_at_end) {
		end_socket(socket);
		return;
	}
	pl_sessions_used(socket->user->hub->app->sessions, &socket->claims);
	start_expiry(socket);
}

/* For good: after packet 41 a stock client does not come back, so that many open pages do not
 * push each other out for ever. */
static void
put_out(struct hub *hub, struct hub_socket *socket)
{
	pl_sio_conn_disconnect(&socket->client->conn, 0, now_ms(hub));
	end_socket(socket);
	hub_leave(socket, false);
	hub->events->on_put_out(hub->arg, socket);
}

void
hub_join(struct hub *hub, struct hub_socket *socket, const struct pl_jwt_claims *claims)
{
	struct hub_user *user = user_get(hub, &claims->user);

	pl_timer_stop(hub->app->loop, &user->grace);
	socket->user = user;
	socket->has_missed = false;
	socket->claims = *claims;
	pl_list_push(&user->sockets, &socket->link);
	user->socket_count++;
	hub->wanting[socket->wants]++;
	if (socket->wants_sent)
		hub_hear_sent(user);
	socket->expiry.on_fire = on_expiry;
	socket->expiry.arg = socket;
	start_expiry(socket);
	if (user->socket_count > (unsigned)pl_settings.sockets_per_user_max)
		put_out(hub, PL_CONTAINER(user->sockets.next, struct hub_socket, link));
}

bool
hub_is_ready(const struct hub_socket *socket)
{
	return socket->user->is_ready || !pl_bus_is_up(socket->user->hub->app->bus);
}

void
hub_leave(struct hub_socket *socket, bool with_grace)
{
	struct hub_user *user = socket->user;
	struct hub *hub;

	if (!user)
		return;
	hub = user->hub;
	socket->user = NULL;
	hub->wanting[socket->wants]--;
	if (socket->wants_sent)
		hub_drop_sent(user);
	pl_timer_stop(hub->app->loop, &socket->expiry);
	pl_list_unlink(&socket->link);
	if (--user->socket_count > 0)
		return;
	if (with_grace)
		pl_timer_start(
		    hub->app->loop, &user->grace, pl_settings.presence_grace_ms);
	else
		user_free(user);
}

/* Those of user's sockets whose tokens are refused since r; NULL ends all. */
static void
end_sockets(struct hub *hub, const struct pl_oid *id, const struct pl_revocation *r)
{
	struct hub_user *user = user_find(hub, id);

	if (!user)
		return;
	pl_list_for_each_safe(link, &user->sockets)
	{
		struct hub_socket *socket = PL_CONTAINER(link, struct hub_socket, link);

		if (!r || pl_sessions_refuse(hub->app->sessions, &socket->claims))
			end_socket(socket);
	}
	/* A user in the grace has logged out in the meantime. */
	if (user->socket_count == 0)
		user_free(user);
}

void
hub_end_revoked(struct hub *hub, const struct pl_revocation *r)
{
	end_sockets(hub, &r->user, r);
}

void
hub_end_user(struct hub *hub, const struct pl_oid *user)
{
	end_sockets(hub, user, NULL);
}

size_t
hub_take_turns(struct hub *hub, struct pl_oid *users, size_t count)
{
	if (count > hub->users.count)
		count = hub->users.count;
	for (size_t i = 0; i < count; i++) {
		struct pl_list *turn = pl_list_pop(&hub->turns);

		assert(turn != NULL); /* every user stands in the line */
		users[i] = PL_CONTAINER(turn, struct hub_user, turn)->id;
		pl_list_push(&hub->turns, turn);
	}
	return count;
}

void
hub_start(struct hub *hub)
{
	pl_map_init(&hub->users);
	pl_list_init(&hub->turns);
	hub->all.on_message = on_all_event;
	hub->all.on_ready = on_all_ready;
	hub->all.arg = hub;
	pl_bus_subscribe(hub->app->bus, PL_STR(PL_CHANNEL_ALL), &hub->all);
}

int64_t
hub_grace_left_ms(const struct hub *hub)
{
	int64_t now = now_ms(hub), longest = 0;
	struct hub_user *user;

	for (size_t it = 0; (user = pl_map_next(&hub->users, &it));) {
		int64_t left = user->socket_count > 0 ? pl_settings.presence_grace_ms
						      : user->grace.due_mono_ms - now;

		if (left > longest)
			longest = left;
	}
	return longest;
}

size_t
hub_user_count(const struct hub *hub)
{
	return hub->users.count;
}

void
hub_stop(struct hub *hub)
{
	struct hub_user *user;

	for (size_t it = 0; (user = pl_map_next(&hub->users, &it));)
		user_free(user);
	pl_bus_unsubscribe(hub->app->bus, &hub->all);
	pl_map_fini(&hub->users);
}
