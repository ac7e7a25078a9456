#include "presence/online/list.h"

#include "base/clock.h"
#include "base/json_out.h"
#include "online/set.h"
#include "presence/online/changes.h"
#include "model/message.h"
#include "presence/sockets.h"
#include "http/service.h"

#define BEHIND_AGAIN_MS  100
#define CLOCKS_DIFFER_MS 200 /* ours and that of whoever dates messages */

static struct {
	struct pl_online_set *set;
	struct pl_ref *packet; /* NULL once the set has changed, as is first */
	struct pl_ref *first;
	int64_t encoded_mono_ms; /* the last packet */
	struct pl_message_pos first_pos;
	int64_t first_mono_ms;
	struct pl_list awaiting; /* hub_socket.list_link */
	struct pl_timer await;
	struct pl_timer telling; /* started for a second after each telling */
	bool has_changed;        /* since the last one: lists are due */
	bool is_retired;
} online;

/* ---- the list ---------------------------------------------------------------------- */

static struct pl_ref *
encode(void)
{
	struct pl_json_out o;
	struct pl_buf buf;
	struct pl_ref *packet;
	const struct pl_oid *id;

	pl_buf_init(&buf, PL_BUF_UNLIMITED); /* 27 bytes a user */
	(void)pl_buf_add_cstr(&buf, "42");
	pl_jo_init(&o, &buf);
	pl_jo_array(&o);
	pl_jo_cstr(&o, "getOnlineUsers");
	pl_jo_array(&o);
	for (size_t it = 0; (id = pl_online_set_next(online.set, &it));)
		pl_jo_oid(&o, id);
	pl_jo_end_array(&o);
	pl_jo_end_array(&o);
	packet = pl_ref_new(buf.data, buf.len);
	pl_buf_fini(&buf);
	return packet;
}

/* packet with one argument more. */
static struct pl_ref *
with_offset(const struct pl_ref *packet, const char *offset)
{
	struct pl_ref *longer;
	struct pl_buf buf;

	pl_buf_init(&buf, PL_BUF_UNLIMITED);
	(void)pl_buf_add(&buf, packet->data, packet->len - 1);
	(void)pl_buf_printf(&buf, ",\"%s\"]", offset);
	longer = pl_ref_new(buf.data, buf.len);
	pl_buf_fini(&buf);
	return longer;
}

struct pl_ref *
online_list_packet(void)
{
	if (!online.packet) {
		online.packet = encode();
		online.encoded_mono_ms = pl_loop_now_ms(pl_app.loop);
	}
	return pl_ref(online.packet);
}

static void
encode_first(int64_t now)
{
	struct pl_ref *packet = online_list_packet();
	char offset[PL_MESSAGE_POS_LEN + 1];

	online.first_pos = (struct pl_message_pos){
	    .created_unix_ms = pl_clock_unix_ms() - CLOCKS_DIFFER_MS};
	pl_message_pos_format(&online.first_pos, offset);
	pl_ref_drop(online.first);
	online.first = with_offset(packet, offset);
	online.first_mono_ms = now;
	pl_ref_drop(packet);
}

struct pl_ref *
online_list_first_packet(struct pl_message_pos *pos)
{
	int64_t now = pl_loop_now_ms(pl_app.loop);

	if (!online.first || now - online.first_mono_ms > ONLINE_LIST_EVERY_FIRST_MS)
		encode_first(now);
	*pos = online.first_pos;
	return pl_ref(online.first);
}

static void
forget_packets(void)
{
	pl_ref_drop(online.packet);
	pl_ref_drop(online.first);
	online.packet = online.first = NULL;
}

/* ---- those that come in -------------------------------------------------------------- */

static void
on_await_over(struct pl_timer *t)
{
	struct pl_list now;
	struct pl_list *link;

	(void)t;
	pl_list_init(&now);
	pl_list_splice(&now, &online.awaiting);
	while ((link = pl_list_pop(&now))) {
		struct hub_socket *socket =
		    PL_CONTAINER(link, struct hub_socket, list_link);

		socket->on_list(socket);
	}
}

void
online_list_await(struct hub_socket *socket)
{
	int64_t wait_ms = online.encoded_mono_ms + ONLINE_LIST_EVERY_FIRST_MS -
			  pl_loop_now_ms(pl_app.loop);

	pl_list_unlink(&socket->list_link);
	pl_list_push(&online.awaiting, &socket->list_link);
	if (!pl_timer_is_started(&online.await))
		pl_timer_start(pl_app.loop, &online.await,
		    online.packet || wait_ms < 0 ? 0 : wait_ms);
}

/* ---- telling ----------------------------------------------------------------------- */

static void
tell_lists(void)
{
	struct pl_ref *packet;

	online.has_changed = false;
	if (!hub_has(HUB_LIST))
		return;
	packet = online_list_packet();
	hub_broadcast(packet, HUB_LIST);
	pl_ref_drop(packet);
}

static void
on_telling(struct pl_timer *t)
{
	if (!online.has_changed && !online_changes_is_due())
		return;
	/* Another list behind one that has not gone out to all would only fill their queues. */
	if (sockets_are_behind()) {
		pl_timer_start(pl_app.loop, t, BEHIND_AGAIN_MS);
		return;
	}
	if (online.has_changed)
		tell_lists();
	online_changes_tell();
	pl_timer_start(pl_app.loop, t, ONLINE_LIST_EVERY_MS);
}

/* Not from here: whoever just joined is not let in yet. */
static void
tell_soon(void)
{
	if (!pl_timer_is_started(&online.telling))
		pl_timer_start(pl_app.loop, &online.telling, 0);
}

static void
on_set_change(void *arg, const struct pl_oid *user, bool is_online)
{
	(void)arg;
	(void)is_online;
	forget_packets();
	online.has_changed = true;
	online_changes_note(user);
	tell_soon();
}

void
online_list_status_changed(const struct pl_oid *user)
{
	if (!pl_online_set_has(online.set, user))
		return;
	online_changes_note(user);
	tell_soon();
}

/* ---- who is here ------------------------------------------------------------------- */

bool
online_list_has(const struct pl_oid *user)
{
	return pl_online_set_has(online.set, user);
}

void
online_list_join(const struct pl_oid *user)
{
	pl_online_set_join(online.set, user);
}

void
online_list_leave(const struct pl_oid *user)
{
	pl_online_set_leave(online.set, user);
}

static void
on_retired(void *arg)
{
	(void)arg;
	online.is_retired = true;
}

void
online_list_retire(int64_t keep_ms)
{
	pl_online_set_retire(online.set, keep_ms, on_retired, NULL);
}

bool
online_list_are_retired(void)
{
	return online.is_retired;
}

void
online_list_start(void)
{
	online.telling.on_fire = on_telling;
	online.await.on_fire = on_await_over;
	pl_list_init(&online.awaiting);
	online_changes_start();
	online.set = pl_online_set_new(pl_app.loop, pl_app.redis, pl_app.bus,
	    pl_settings.instance, on_set_change, NULL);
}

void
online_list_stop(void)
{
	pl_timer_stop(pl_app.loop, &online.telling);
	pl_timer_stop(pl_app.loop, &online.await);
	pl_online_set_free(online.set);
	online_changes_stop();
	forget_packets();
}
