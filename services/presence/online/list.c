#include "presence/online/list.h"

#include "base/json_out.h"

#define BEHIND_AGAIN_MS 100

static int64_t
now_ms(const struct online_list *l)
{
	return pl_loop_now_ms(l->app->loop);
}

/* ---- the list ---------------------------------------------------------------------- */

static struct pl_ref *
encode(const struct online_list *l)
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
	for (size_t it = 0; (id = pl_online_set_next(l->set, &it));)
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
online_list_packet(struct online_list *l)
{
	if (!l->packet) {
		l->packet = encode(l);
		l->encoded_mono_ms = now_ms(l);
	}
	return pl_ref(l->packet);
}

static void
encode_first(struct online_list *l, int64_t now)
{
	struct pl_ref *packet = online_list_packet(l);
	char offset[PL_MESSAGE_POS_LEN + 1];

	seen_floor_now(&l->first_pos);
	pl_message_pos_format(&l->first_pos, offset);
	pl_ref_drop(l->first);
	l->first = with_offset(packet, offset);
	l->first_mono_ms = now;
	pl_ref_drop(packet);
}

struct pl_ref *
online_list_first_packet(struct online_list *l, struct pl_message_pos *pos)
{
	int64_t now = now_ms(l);

	if (!l->first || now - l->first_mono_ms > ONLINE_LIST_EVERY_FIRST_MS)
		encode_first(l, now);
	*pos = l->first_pos;
	return pl_ref(l->first);
}

static void
forget_packets(struct online_list *l)
{
	pl_ref_drop(l->packet);
	pl_ref_drop(l->first);
	l->packet = l->first = NULL;
}

/* ---- those that come in -------------------------------------------------------------- */

static void
on_await_over(struct pl_timer *t)
{
	struct online_list *l = t->arg;
	struct pl_list now;
	struct pl_list *link;

	pl_list_init(&now);
	pl_list_splice(&now, &l->awaiting);
	while ((link = pl_list_pop(&now))) {
		struct online_list_wait *w =
		    PL_CONTAINER(link, struct online_list_wait, link);

		w->on_list(w->arg);
	}
}

void
online_list_wait_init(struct online_list_wait *w, void (*on_list)(void *arg), void *arg)
{
	*w = (struct online_list_wait){.on_list = on_list, .arg = arg};
	pl_list_init(&w->link);
}

void
online_list_unwait(struct online_list_wait *w)
{
	pl_list_unlink(&w->link);
}

void
online_list_await(struct online_list *l, struct online_list_wait *w)
{
	int64_t wait_ms = l->encoded_mono_ms + ONLINE_LIST_EVERY_FIRST_MS - now_ms(l);

	pl_list_unlink(&w->link);
	if (l->packet) {
		w->on_list(w->arg);
		return;
	}
	pl_list_push(&l->awaiting, &w->link);
	if (!pl_timer_is_started(&l->await))
		pl_timer_start(l->app->loop, &l->await, wait_ms > 0 ? wait_ms : 0);
}

/* ---- telling ----------------------------------------------------------------------- */

static void
tell_lists(struct online_list *l)
{
	struct pl_ref *packet;

	l->has_changed = false;
	if (!hub_has(l->hub, HUB_LIST))
		return;
	packet = online_list_packet(l);
	hub_broadcast(l->hub, packet, HUB_LIST);
	pl_ref_drop(packet);
}

static void
on_telling(struct pl_timer *t)
{
	struct online_list *l = t->arg;

	if (!l->has_changed && !online_changes_are_due(&l->changes))
		return;
	/* Another list after one that has not gone out to all would only fill their
	 * queues. */
	if (l->is_behind(l->arg)) {
		pl_timer_start(l->app->loop, t, BEHIND_AGAIN_MS);
		return;
	}
	if (l->has_changed)
		tell_lists(l);
	online_changes_tell(&l->changes);
	pl_timer_start(l->app->loop, t, ONLINE_LIST_EVERY_MS);
}

/* Not from here: whoever just joined is not let in yet. */
static void
tell_soon(struct online_list *l)
{
	if (!pl_timer_is_started(&l->telling))
		pl_timer_start(l->app->loop, &l->telling, 0);
}

static void
on_set_change(void *arg, const struct pl_oid *user, bool is_online)
{
	struct online_list *l = arg;

	(void)is_online;
	forget_packets(l);
	l->has_changed = true;
	online_changes_note(&l->changes, user);
	watched_note(l->watched, user);
	tell_soon(l);
}

void
online_list_status_changed(struct online_list *l, const struct pl_oid *user)
{
	if (!pl_online_set_has(l->set, user))
		return;
	online_changes_note(&l->changes, user);
	tell_soon(l);
}

/* ---- who is here ------------------------------------------------------------------- */

void
online_list_join(struct online_list *l, const struct pl_oid *user)
{
	pl_online_set_join(l->set, user);
}

void
online_list_leave(struct online_list *l, const struct pl_oid *user)
{
	pl_online_set_leave(l->set, user);
}

static void
on_retired(void *arg)
{
	struct online_list *l = arg;

	l->is_retired = true;
}

void
online_list_retire(struct online_list *l, int64_t keep_ms)
{
	pl_online_set_retire(l->set, keep_ms, on_retired, l);
}

bool
online_list_is_retired(const struct online_list *l)
{
	return l->is_retired;
}

static struct pl_ref *
packet_for_changes(void *arg)
{
	return online_list_packet(arg);
}

bool
online_list_has(const struct online_list *l, const struct pl_oid *user)
{
	return pl_online_set_has(l->set, user);
}

static bool
has(void *arg, const struct pl_oid *user)
{
	return online_list_has(arg, user);
}

void
online_list_start(struct online_list *l)
{
	l->telling = (struct pl_timer){.on_fire = on_telling, .arg = l};
	l->await = (struct pl_timer){.on_fire = on_await_over, .arg = l};
	pl_list_init(&l->awaiting);
	l->changes = (struct online_changes){
	    .app = l->app,
	    .hub = l->hub,
	    .list = packet_for_changes,
	    .has = has,
	    .arg = l,
	};
	l->set = pl_online_set_new(l->app->loop, l->app->redis, l->app->bus,
	    pl_settings.process_name, on_set_change, l);
}

void
online_list_stop(struct online_list *l)
{
	pl_timer_stop(l->app->loop, &l->telling);
	pl_timer_stop(l->app->loop, &l->await);
	pl_online_set_free(l->set);
	online_changes_stop(&l->changes);
	forget_packets(l);
}
